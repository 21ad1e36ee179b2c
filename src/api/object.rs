//! The object around a policy's `spec`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::v1alpha1::RateLimitPolicySpec;

/// The API group of every resource here.
pub const GROUP: &str = "pacer.dev";

/// The version of the API group.
pub const VERSION: &str = "v1alpha1";

/// The resource's name in paths.
pub const PLURAL: &str = "ratelimitpolicies";

/// The kind of the one resource here.
pub const KIND: &str = "RateLimitPolicy";

/// One policy as a manifest holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitPolicy {
    /// The version of this type.
    pub api_version: ApiVersion,

    /// What this is.
    pub kind: Kind,

    /// Which policy this is.
    #[serde(default)]
    pub metadata: Metadata,

    /// How calls are paced.
    pub spec: RateLimitPolicySpec,

    /// What the cluster says about the policy. Not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
}

/// The one accepted `apiVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// `pacer.dev/v1alpha1`.
    #[serde(rename = "pacer.dev/v1alpha1")]
    V1Alpha1,
}

/// The one accepted `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// `RateLimitPolicy`.
    RateLimitPolicy,
}

/// What is read of `metadata`; the rest is kept as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The policy's name; no policy is accepted without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// The namespace the policy is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,

    /// Counts the changes of `spec`; the API server sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,

    /// Tells this object from an earlier one of the same name; the API server sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,

    /// Labels, annotations and what else Kubernetes keeps there.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}
