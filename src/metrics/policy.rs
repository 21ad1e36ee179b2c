//! Where the settings in force come from.

use prometheus::{IntCounter, IntGauge};

use super::family::Families;

/// What decided the settings in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// Flags and environment: no policy is known.
    Environment,
    /// The file named by `--policy-file`.
    File,
}

impl PolicySource {
    const ALL: [Self; 2] = [Self::Environment, Self::File];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File => "file",
        }
    }
}

/// The policy's source, generation, changes and rejections.
#[derive(Debug)]
pub struct PolicyMetrics {
    source: [IntGauge; 2],
    /// `metadata.generation` of the policy in force; 0 when it has none.
    pub generation: IntGauge,
    /// Policies put in force since the start.
    pub changes: IntCounter,
    /// Policies that were refused while the last good one stayed.
    pub rejections: IntCounter,
}

impl PolicyMetrics {
    pub(super) fn new(families: &Families<'_>) -> Self {
        let source = families.int_gauge_vec(
            "sidecar_policy_source",
            "1 for the source of the settings in force, 0 for the others.",
            &["source"],
        );
        Self {
            source: PolicySource::ALL.map(|value| source.with_label_values(&[value.as_str()])),
            generation: families.int_gauge(
                "sidecar_policy_generation",
                "metadata.generation of the policy in force; 0 when it has none.",
            ),
            changes: families.int_counter(
                "sidecar_policy_changes_total",
                "Changes of the settings in force since the start.",
            ),
            rejections: families.int_counter(
                "sidecar_policy_rejections_total",
                "Policies that were refused while the last good one stayed in force.",
            ),
        }
    }

    /// Marks one source as the one in force.
    pub fn set_source(&self, source: PolicySource) {
        for (gauge, value) in self.source.iter().zip(PolicySource::ALL) {
            gauge.set(i64::from(value == source));
        }
    }
}
