//! Where the settings in force come from, and how their source is doing.

use prometheus::{IntCounter, IntGauge};

use super::family::Families;

/// What decided the settings in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// Flags and environment: no policy is known.
    Environment,
    /// The file named by `--policy-file`.
    File,
    /// The API server, asked for the policy named by `--policy`.
    Cluster,
    /// The file named by `--policy-cache`: what the API server said before the last restart.
    Cache,
}

impl PolicySource {
    const ALL: [Self; 4] = [Self::Environment, Self::File, Self::Cluster, Self::Cache];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File => "file",
            Self::Cluster => "cluster",
            Self::Cache => "cache",
        }
    }
}

/// How following the policy goes. Whatever the state, the last good settings are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyState {
    /// No policy was asked for: flags and environment decide.
    Unused,
    /// The first answer is still waited for.
    Starting,
    /// The newest policy is in force.
    Synced,
    /// The newest policy breaks a rule.
    Invalid,
    /// There is no such policy.
    NotFound,
    /// The policy that was followed is gone.
    Deleted,
    /// The API server does not let the policy be read.
    Forbidden,
    /// The API server, or the file, cannot be read.
    Unreachable,
}

impl PolicyState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Unused,
        Self::Starting,
        Self::Synced,
        Self::Invalid,
        Self::NotFound,
        Self::Deleted,
        Self::Forbidden,
        Self::Unreachable,
    ];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Starting => "starting",
            Self::Synced => "synced",
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Deleted => "deleted",
            Self::Forbidden => "forbidden",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The policy's source, state, generation, changes and rejections.
#[derive(Debug)]
pub struct PolicyMetrics {
    source: [IntGauge; PolicySource::ALL.len()],
    state: [IntGauge; PolicyState::ALL.len()],
    /// `metadata.generation` of the policy in force; 0 when it has none.
    pub generation: IntGauge,
    /// Requests a minute that the settings in force allow, whatever the pace is now.
    pub rate_rpm: IntGauge,
    /// Policies put in force since the start.
    pub changes: IntCounter,
    /// Policies that were refused while the last good one stayed.
    pub rejections: IntCounter,
    /// Lists and watches that the API server refused, or that broke.
    pub watch_failures: IntCounter,
}

impl PolicyMetrics {
    pub(super) fn new(families: &Families<'_>) -> Self {
        let source = families.int_gauge_vec(
            "sidecar_policy_source",
            "1 for the source of the settings in force, 0 for the others.",
            &["source"],
        );
        let state = families.int_gauge_vec(
            "sidecar_policy_state",
            "1 for how following the policy goes, 0 for the rest. Whatever it is, the last good settings are in force.",
            &["state"],
        );
        Self {
            source: PolicySource::ALL.map(|value| source.with_label_values(&[value.as_str()])),
            state: PolicyState::ALL.map(|value| state.with_label_values(&[value.as_str()])),
            generation: families.int_gauge(
                "sidecar_policy_generation",
                "metadata.generation of the policy in force; 0 when it has none.",
            ),
            rate_rpm: families.int_gauge(
                "sidecar_policy_rate_rpm",
                "Requests a minute that the settings in force allow; the pace is this, or less while the upstream refuses.",
            ),
            changes: families.int_counter(
                "sidecar_policy_changes_total",
                "Changes of the settings in force since the start.",
            ),
            rejections: families.int_counter(
                "sidecar_policy_rejections_total",
                "Policies that were refused while the last good one stayed in force.",
            ),
            watch_failures: families.int_counter(
                "sidecar_policy_watch_failures_total",
                "Lists and watches of the policy that the API server refused, or that broke.",
            ),
        }
    }

    /// Marks one source as the one in force.
    pub fn set_source(&self, source: PolicySource) {
        for (gauge, value) in self.source.iter().zip(PolicySource::ALL) {
            gauge.set(i64::from(value == source));
        }
    }

    /// Marks one state as the present one.
    pub fn set_state(&self, state: PolicyState) {
        for (gauge, value) in self.state.iter().zip(PolicyState::ALL) {
            gauge.set(i64::from(value == state));
        }
    }

    /// The source that is marked, from atomics alone.
    pub fn source(&self) -> Option<PolicySource> {
        let marked = self.source.iter().zip(PolicySource::ALL).find(|(gauge, _)| gauge.get() == 1);
        marked.map(|(_, source)| source)
    }

    /// The state that is marked, from atomics alone.
    pub fn state(&self) -> Option<PolicyState> {
        let marked = self.state.iter().zip(PolicyState::ALL).find(|(gauge, _)| gauge.get() == 1);
        marked.map(|(_, state)| state)
    }
}
