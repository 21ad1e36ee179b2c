//! The `RateLimitPolicy` resource: its types, and the one place that says what is accepted.
//!
//! Types, bounds and defaults are the Rust types of [`v1alpha1`]; the schema is derived
//! from them, and an object is checked by walking that schema. Rules between fields are
//! one table, each with the CEL text the API server evaluates and the Rust check that
//! means the same. So an offline check and an API server that was given the derived
//! schema cannot disagree about a policy's `spec`.

pub mod v1alpha1;

mod accept;
mod fault;
mod naming;
mod object;
mod rules;
mod schema;

pub use accept::{Checked, check};
pub use fault::{Fault, Found};
pub use naming::{is_namespace, is_policy_name};
pub use object::{ApiVersion, GROUP, KIND, Kind, Metadata, PLURAL, RateLimitPolicy, VERSION};
pub use rules::{RULES, Rule};
pub use schema::schema;
