//! `spec.retry`, `spec.timeouts`, `spec.match` and `spec.readiness`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Switch, defaults};

/// What is tried again on the application's behalf, as long as no byte of an answer was relayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Enabled puts a request the upstream answered 429 back to the head of its priority, until its
    /// deadline; Disabled relays the 429.
    #[serde(default = "defaults::enabled")]
    pub rate_limited: Switch,

    /// How many times a request is sent again that was answered 502, 503 or 504, that found the
    /// upstream's workers busy, or that found no connection to the upstream.
    #[serde(default = "defaults::server_errors")]
    #[schemars(range(min = 0, max = 10))]
    pub server_errors: i32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { rate_limited: defaults::enabled(), server_errors: defaults::server_errors() }
    }
}

/// How long the upstream may be silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// For the connection to be made, in seconds.
    #[serde(default = "defaults::connect_seconds")]
    #[schemars(range(min = 1, max = 300))]
    pub connect_seconds: i32,

    /// Between two bytes from the upstream, the first included, in seconds. 0: for ever.
    #[serde(default = "defaults::idle_seconds")]
    #[schemars(range(min = 0, max = 3600))]
    pub idle_seconds: i32,

    /// From the request's arrival to the last byte of its answer, in seconds. 0: for ever.
    #[serde(default = "defaults::total_seconds")]
    #[schemars(range(min = 0, max = 86_400))]
    pub total_seconds: i32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect_seconds: defaults::connect_seconds(),
            idle_seconds: defaults::idle_seconds(),
            total_seconds: defaults::total_seconds(),
        }
    }
}

/// Which requests are paced. The rest pass through, counted apart.
// The lists are atomic: server-side apply would add to a set's default, and "*" would stay beside what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Globs on the request's model: * is any run of characters, ? any one character.
    #[serde(default = "defaults::models")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 256)),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub models: Vec<String>,

    /// HTTP methods: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
    #[serde(default = "defaults::methods")]
    #[schemars(length(min = 1, max = 7), extend("x-kubernetes-list-type" = "atomic"))]
    pub methods: Vec<Method>,
}

impl Default for Match {
    fn default() -> Self {
        Self { models: defaults::models(), methods: defaults::methods() }
    }
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
}

impl Method {
    /// The method's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// What may make the pod unready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// What, beside being started and not draining, must hold for the pod to be ready. Upstream: it
    /// answers; Queue: it is below 90 % of its size; Tokens: more than 5 % of the capacity is left
    /// or nobody asks for more, so that this gate shuts exactly while the quota is fully used.
    /// Each of these hits every pod at once, so that a gate turns a slow upstream into an outage.
    #[serde(default)]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub gates: Vec<ReadinessGate>,
}

/// What else may make the pod unready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReadinessGate {
    /// The upstream answers.
    Upstream,
    /// The queue is below 90 % of its size.
    Queue,
    /// More than 5 % of the bucket's capacity is left, or nobody asks for more.
    Tokens,
}
