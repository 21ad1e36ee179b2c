//! The `RateLimitPolicy` resource: its types, and the one place that says what is accepted.
//!
//! Types, bounds and defaults are the Rust types of [`v1alpha1`]; the schema is derived
//! from them, and an object is checked by walking that schema. Rules between fields are
//! one table, each with the CEL text the API server evaluates and the Rust check that
//! means the same. So an offline check and an API server that was given the derived
//! schema cannot disagree about a policy's `spec`.

pub mod v1alpha1;

mod accept;
mod definition;
mod fault;
mod identity;
mod rules;
mod schema;

pub use accept::{Checked, check};
pub use definition::{crd, crd_yaml};
pub use fault::{Fault, Found};
pub use identity::{LABEL_ACCEPTED, NAME_ACCEPTED, is_label, is_name};
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta as Metadata;
pub use rules::{RULES, Rule};
pub use schema::schema;
pub use v1alpha1::RateLimitPolicy;

/// The API group of every resource here.
pub const GROUP: &str = "pacer.dev";

/// The kind of the one resource here.
pub const KIND: &str = "RateLimitPolicy";

/// The one accepted `apiVersion`.
pub const API_VERSION: &str = "pacer.dev/v1alpha1";

#[cfg(test)]
mod tests {
    use kube::Resource;

    use super::*;

    #[test]
    fn the_names_here_are_those_of_the_resource() {
        assert_eq!(RateLimitPolicy::group(&()), GROUP);
        assert_eq!(RateLimitPolicy::kind(&()), KIND);
        assert_eq!(RateLimitPolicy::api_version(&()), API_VERSION);
    }
}
