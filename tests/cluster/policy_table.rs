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
#[derive(Default)]
struct Verdict {
    /// The fields at fault.
    faults: BTreeSet<String>,
    /// Its words; none for an object that it accepts.
    message: String,
}

impl Judge {
    async fn new(server: &Server, namespace: String) -> Self {
        let kubeconfig = Kubeconfig::read_from(server.path("kubeconfig")).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Self { client: Client::try_from(config).unwrap(), namespace }
    }

    /// What the server says to the object, unknown fields being refused.
    async fn judge(&self, object: &Value) -> Verdict {
        let Err(strict) = self.create(object, "Strict").await else { return Verdict::default() };
        // Where a field is unknown, a strict server looks no further.
        let lenient = self.create(object, "Ignore").await.err();
        let mut faults = lenient.as_ref().map(|status| causes(status)).unwrap_or_default();
        // What is below a field of the wrong type is no field, but that goes without saying.
        let below = |field: &String| faults.iter().any(|fault| field.starts_with(&format!("{fault}.")));
        let unknown: Vec<_> =
            unknown_fields(&strict.message).into_iter().filter(|field| !below(field)).collect();
        faults.extend(unknown);
        Verdict { faults, message: lenient.unwrap_or(strict).message }
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

/// `kubectl` reads `40.0` and `4e1` as 40, and sends that.
fn as_sent(value: Value) -> Value {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "a small whole number")]
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e9 => Value::from(float as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(as_sent).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, as_sent(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// How the verdict differs from what the table expects.
fn difference(case: &Case, verdict: &Verdict) -> Option<String> {
    let Verdict { faults, message } = verdict;
    let as_expected = match &case.server {
        Some(text) => message.contains(text),
        None => *faults == case.faults && message.is_empty() == faults.is_empty(),
    };
    let expected = case.server.clone().unwrap_or_else(|| format!("{:?}", case.faults));
    (!as_expected).then(|| format!("{}: expected {expected}, found {faults:?}: {message:?}", case.name))
}

#[tokio::test]
async fn the_api_server_gives_every_policy_of_the_table_its_faults() {
    let server = Server::shared();
    let judge = Judge::new(server, server.namespace("table").name).await;
    let mut wrong = Vec::new();
    for mut case in cases() {
        case.object = as_sent(case.object);
        wrong.extend(difference(&case, &judge.judge(&case.object).await));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
