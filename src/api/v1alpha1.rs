//! Version `v1alpha1` of the policy's `spec`.
//!
//! The doc text of every field is what `kubectl explain` shows. Integers carry their
//! unit in the name; there are no floats, no unsigned types and no booleans, and no
//! type refuses unknown fields: a sidecar must survive a newer definition. Defaults are
//! given field by field, because a default for a whole struct cannot be expressed in a
//! structural schema without repeating every leaf.

mod defaults;
mod queue;
mod rate;
mod retreat;
mod upstream;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use queue::{Priority, PriorityRule, Queue, WhenFull};
pub use rate::Rate;
pub use retreat::{Recovery, Retreat};
pub use upstream::{Match, Method, Readiness, ReadinessGate, Retry, Timeouts};

/// How calls to one LLM API are paced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "pacer.dev",
    version = "v1alpha1",
    kind = "RateLimitPolicy",
    plural = "ratelimitpolicies",
    shortname = "rlpol",
    category = "pacer",
    namespaced,
    doc = "One policy: its metadata, and how calls are paced.",
    derive = "PartialEq",
    schema = "disabled", // `api::schema` is the one schema, and `api::crd` puts it in.
    printcolumn = r#"{"name": "Rate", "type": "integer", "jsonPath": ".spec.rate.requestsPerMinute",
        "description": "Requests that may leave in a minute"}"#,
    printcolumn = r#"{"name": "Capacity", "type": "integer", "jsonPath": ".spec.rate.capacity",
        "description": "Requests that may leave at once; as many as Rate where none is given"}"#,
    printcolumn = r#"{"name": "Mode", "type": "string", "jsonPath": ".spec.mode",
        "description": "Whether requests are held back, or only measured"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitPolicySpec {
    /// Enforce holds requests back until the quota allows them; Observe delays nothing and only
    /// measures and logs what Enforce would have done.
    #[serde(default = "defaults::mode")]
    pub mode: Mode,

    /// How fast requests may leave.
    pub rate: Rate,

    /// Who waits, how long, and in what order.
    #[serde(default)]
    pub queue: Queue,

    /// How the pace follows the limit the upstream really has.
    #[serde(default)]
    pub retreat: Retreat,

    /// What is tried again on the application's behalf, as long as no byte of an answer was relayed.
    #[serde(default)]
    pub retry: Retry,

    /// How long the upstream may be silent.
    #[serde(default)]
    pub timeouts: Timeouts,

    /// Which requests are paced. The rest pass through, counted apart.
    #[serde(default, rename = "match")]
    pub matching: Match,

    /// What may make the pod unready.
    #[serde(default)]
    pub readiness: Readiness,
}

/// Whether requests are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Requests wait for their turn.
    Enforce,
    /// Requests leave at once; what enforcing would have done is measured.
    Observe,
}

/// Whether a behaviour is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Switch {
    /// It is wanted.
    Enabled,
    /// It is not.
    Disabled,
}
