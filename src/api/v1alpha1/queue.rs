//! `spec.queue`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::defaults;

/// Who waits, how long, and in what order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// How many requests may wait, all priorities together. 0: none ever waits.
    #[serde(default = "defaults::max_depth")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_depth: i32,

    /// What happens to the request that finds the queue full. Passthrough sends it to the upstream
    /// at once, counted against the window; Reject refuses it and says when to come back.
    #[serde(default = "defaults::when_full")]
    pub when_full: WhenFull,

    /// The priority of a request that names none: Urgent, High, Normal or Low.
    #[serde(default = "defaults::default_priority")]
    pub default_priority: Priority,

    /// The longest a request may wait, in seconds. A client's own shorter deadline wins.
    #[serde(default = "defaults::max_wait_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub max_wait_seconds: i32,

    /// What differs from the defaults, priority by priority. A priority that is not listed, or a field
    /// its entry leaves out, keeps its default: minimumSharePercent is Urgent 0, High 20, Normal 10,
    /// Low 5; maxWaitSeconds is the queue's, for Low at most 2.
    #[serde(default)]
    #[schemars(
        length(max = 4),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub priorities: Vec<PriorityRule>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            max_depth: defaults::max_depth(),
            when_full: defaults::when_full(),
            default_priority: defaults::default_priority(),
            max_wait_seconds: defaults::max_wait_seconds(),
            priorities: Vec::new(),
        }
    }
}

impl Queue {
    /// The longest a request of this priority may wait, in seconds, said or by default.
    pub fn effective_max_wait_seconds(&self, priority: Priority) -> i32 {
        self.entry(priority)
            .and_then(|entry| entry.max_wait_seconds)
            .unwrap_or(defaults::priority_max_wait_seconds(priority, self.max_wait_seconds))
    }

    /// The share of departures this priority is owed, in percent, said or by default.
    pub fn effective_minimum_share_percent(&self, priority: Priority) -> i32 {
        self.entry(priority)
            .and_then(|entry| entry.minimum_share_percent)
            .unwrap_or(defaults::minimum_share_percent(priority))
    }

    fn entry(&self, priority: Priority) -> Option<&PriorityRule> {
        self.priorities.iter().find(|entry| entry.name == priority)
    }
}

/// What one priority does differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriorityRule {
    /// Which priority: Urgent, High, Normal or Low.
    pub name: Priority,

    /// The longest a request of this priority may wait, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub max_wait_seconds: Option<i32>,

    /// The share of departures, in percent, this priority is owed while it waits behind more
    /// urgent ones. The shares of all four may not exceed 100 together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub minimum_share_percent: Option<i32>,
}

/// How urgent a request is; served in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Priority {
    /// A person is waiting.
    Urgent,
    /// Ahead of ordinary work.
    High,
    /// Ordinary work.
    Normal,
    /// Background work that may be refused.
    Low,
}

impl Priority {
    /// Every priority, most urgent first.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::High, Self::Normal, Self::Low];
}

/// What happens to the request that finds the queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhenFull {
    /// It goes to the upstream at once, counted against the window.
    Passthrough,
    /// It is refused with the time to come back.
    Reject,
}
