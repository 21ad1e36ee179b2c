//! The table of good and bad policies before a real API server, which must say what the offline check says.

use std::collections::BTreeSet;

use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{DynamicObject, Status};
use kube::{Client, Config, Error};
use serde_json::Value;

use crate::support::policies::{Case, cases};
use crate::support::server::Server;

/// A client for one namespace, as an administrator.
struct Judge {
    client: Client,
    namespace: String,
}

/// What an API server says about an object.
enum Verdict {
    Accepted,
    /// These fields are at fault.
    Faults(BTreeSet<String>),
    /// The object is refused as a whole, with this message.
    Unreadable(String),
}

impl Judge {
    async fn new(server: &Server, namespace: String) -> Self {
        let kubeconfig = Kubeconfig::read_from(server.path("kubeconfig")).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Self { client: Client::try_from(config).unwrap(), namespace }
    }

    /// What the server says to the object, unknown fields being refused.
    async fn judge(&self, object: &Value) -> Verdict {
        // Where a field is unknown, a strict server looks no further.
        match (self.create(object, "Strict").await, self.create(object, "Ignore").await) {
            (Ok(_), Ok(_)) => Verdict::Accepted,
            (Ok(_), Err(status)) => panic!("refused only when it is not strict: {}", status.message),
            (Err(strict), lenient) => {
                let mut faults = lenient.err().map(|status| causes(&status)).unwrap_or_default();
                let unknown = unknown_fields(&strict.message);
                // What is below a field of the wrong type is no field, but that goes without saying.
                let below =
                    |field: &String| faults.iter().any(|fault| field.starts_with(&format!("{fault}.")));
                let unknown: Vec<_> = unknown.into_iter().filter(|field| !below(field)).collect();
                faults.extend(unknown);
                if faults.is_empty() { Verdict::Unreadable(strict.message) } else { Verdict::Faults(faults) }
            }
        }
    }

    /// Creates the object, all but for storing it.
    async fn create(&self, object: &Value, validation: &str) -> Result<DynamicObject, Box<Status>> {
        let namespace = &self.namespace;
        let uri = format!(
            "/apis/pacer.dev/v1alpha1/namespaces/{namespace}/ratelimitpolicies?dryRun=All&fieldValidation={validation}"
        );
        let request = Request::post(uri).header("content-type", "application/json");
        let request = request.body(serde_json::to_vec(object).unwrap()).unwrap();
        match self.client.request(request).await {
            Ok(created) => Ok(created),
            Err(Error::Api(status)) => Err(status),
            Err(error) => panic!("the API server gave no answer: {error}"),
        }
    }
}

/// The fields an answer names. `<nil>` stands for remarks about the others.
fn causes(status: &Status) -> BTreeSet<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.map(|cause| cause.field.clone()).filter(|field| field != "<nil>").collect()
}

/// `a.b` and `c` of `strict decoding error: unknown field "a.b", unknown field "c"`.
fn unknown_fields(message: &str) -> Vec<String> {
    let fields = message.split("unknown field \"").skip(1);
    fields.filter_map(|rest| rest.split_once('"')).map(|(field, _)| field.to_owned()).collect()
}

/// How the verdict differs from what the table expects.
fn difference(case: &Case, verdict: Verdict) -> Option<String> {
    let found = match (&case.server, verdict) {
        (None, Verdict::Accepted) if case.faults.is_empty() => return None,
        (None, Verdict::Faults(faults)) if faults == case.faults => return None,
        (Some(text), Verdict::Unreadable(message)) if message.contains(text) => return None,
        (_, Verdict::Accepted) => "accepted".to_owned(),
        (_, Verdict::Faults(faults)) => format!("faults at {faults:?}"),
        (_, Verdict::Unreadable(message)) => format!("refused with {message:?}"),
    };
    let expected = case.server.clone().unwrap_or_else(|| format!("{:?}", case.faults));
    Some(format!("{}: expected {expected}, found {found}", case.name))
}

#[tokio::test]
async fn the_api_server_gives_every_policy_of_the_table_its_faults() {
    let server = Server::shared();
    let judge = Judge::new(server, server.namespace("table").name).await;
    let mut wrong = Vec::new();
    for case in cases() {
        wrong.extend(difference(&case, judge.judge(&case.object).await));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
