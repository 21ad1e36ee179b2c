//! The CustomResourceDefinition, and policies by hand.

use super::kubectl::Kubectl;
use super::program::until;

/// Stands in until `crd/` is generated: it accepts any policy.
const CRD: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ratelimitpolicies.pacer.dev}
spec:
  group: pacer.dev
  scope: Namespaced
  names: {kind: RateLimitPolicy, listKind: RateLimitPolicyList, plural: ratelimitpolicies, singular: ratelimitpolicy, shortNames: [rlpol]}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
";

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
