//! The CustomResourceDefinition, and policies by hand.

use super::kubectl::Kubectl;
use super::program::until;

/// The definition that users apply.
pub(crate) const CRD: &str = include_str!("../../../crd/ratelimitpolicies.pacer.dev.yaml");

/// Installs the CRD and waits until its objects are served.
pub(crate) fn install(kubectl: &Kubectl) {
    kubectl.apply(CRD).succeeds();
    until("policies are served", || kubectl.run(&["get", "ratelimitpolicies.pacer.dev"]).code == 0);
}

/// A policy of which everything but the rate is the default. More sections of `spec` may be appended as lines.
pub(crate) fn policy(name: &str, requests_per_minute: u32) -> String {
    format!(
        "apiVersion: pacer.dev/v1alpha1\nkind: RateLimitPolicy\nmetadata: {{name: {name}}}\n\
         spec:\n  rate: {{requestsPerMinute: {requests_per_minute}}}\n"
    )
}
