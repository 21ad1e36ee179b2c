//! What the API server says it was asked: its audit log, of requests for policies alone.

use std::fs;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Deserialize;

use super::server::Server;

/// The log in the server's folder.
pub(super) const LOG: &str = "audit.log";

/// The audit policy in the server's folder.
pub(super) const POLICY: &str = "audit-policy.yaml";

/// One event for each request, as it comes, whatever is answered.
pub(super) const POLICY_TEXT: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules:
- {level: Metadata, resources: [{group: pacer.dev}]}
- {level: None}
";

/// A request for policies that came to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// `list`, `watch`, `patch` and so on.
    pub(crate) verb: String,
    pub(crate) namespace: String,
    /// When it came, in microseconds since 1970.
    pub(crate) at: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    object_ref: ObjectRef,
    request_received_timestamp: MicroTime,
}

#[derive(Deserialize)]
struct ObjectRef {
    namespace: Option<String>,
}

impl Server {
    /// The requests for policies of a namespace so far, in the order in which they came.
    pub(crate) fn requests(&self, namespace: &str) -> Vec<Request> {
        let log = fs::read_to_string(self.path(LOG)).unwrap();
        // The last line may be a part, of a server that writes it now or was killed as it did.
        let events = log.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
        let mut requests: Vec<Request> = events.filter_map(Request::of).collect();
        requests.retain(|request| request.namespace == namespace);
        requests.sort_by_key(|request| request.at);
        requests
    }
}

impl Request {
    fn of(event: Event) -> Option<Self> {
        let Event { verb, object_ref, request_received_timestamp: MicroTime(at) } = event;
        Some(Self { verb, namespace: object_ref.namespace?, at: at.as_microsecond() })
    }
}
