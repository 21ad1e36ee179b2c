//! How a sidecar's policy stands: status, metrics and startup probe must say the same.

use serde_json::Value;

use super::load::{Kind, Load};
use super::program::comes_true;
use super::sidecar::Sidecar;

impl Sidecar {
    /// Waits until status, metrics and startup probe agree on source, state and rate.
    #[track_caller]
    pub(crate) fn stands(&self, source: &str, state: &str, rate: u32) {
        let stands = comes_true(|| self.shows(source, state, rate));
        assert!(stands, "never {source}, {state}, {rate}: {}\n{}", self.status()["policy"], self.all_lines());
    }

    /// Whether status, metrics and startup probe agree on source, state and rate now.
    fn shows(&self, source: &str, state: &str, rate: u32) -> bool {
        let status = self.status();
        let (policy, settings) = (&status["policy"], &status["settings"]);
        let one = |name: &str, value: &str| {
            let series = format!(r#"sidecar_policy_{name}{{{name}="{value}"}}"#);
            self.metric(&series) == Some(1.0)
        };
        policy["source"] == source
            && policy["state"] == state
            && settings["rate"]["requestsPerMinute"] == rate
            && one("source", source)
            && one("state", state)
            && self.metric("sidecar_tokens_rate") == Some(rate.into())
            && self.page("/startupz") == (200, format!("ok: settings from {source}, policy {state}\n"))
    }

    /// Asserts that a call through the proxy port is answered, and that the sidecar is ready.
    #[track_caller]
    pub(crate) fn serves(&self) {
        let lost = Load::start(self.proxy, 1, Kind::Plain).lost();
        assert!(lost.is_empty(), "{lost:?}\n{}", self.all_lines());
        assert_eq!(self.page("/readyz").0, 200);
    }

    /// Asserts that `/status` gives this reason for the policy's state.
    #[track_caller]
    pub(crate) fn reasons(&self, why: &str) {
        let policy = &self.status()["policy"];
        let reason = policy["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(why), "not said: {why:?}\n{policy}\n{}", self.all_lines());
    }

    /// The generation in force, as `/status` and the metrics say it.
    #[track_caller]
    pub(crate) fn generation(&self) -> u64 {
        let generation = self.count("sidecar_policy_generation");
        assert_eq!(self.status()["policy"]["generation"], generation);
        generation
    }

    /// Changes of the settings since the start.
    pub(crate) fn changes(&self) -> u64 {
        self.count("sidecar_policy_changes_total")
    }

    /// Policies that were refused.
    pub(crate) fn rejections(&self) -> u64 {
        self.count("sidecar_policy_rejections_total")
    }

    /// Attempts to ask the API server that failed.
    pub(crate) fn failures(&self) -> u64 {
        self.count("sidecar_policy_watch_failures_total")
    }

    /// A metric that is a whole number.
    fn count(&self, name: &str) -> u64 {
        let value = self.metric(name).unwrap_or_else(|| panic!("no {name}"));
        value.to_string().parse().unwrap_or_else(|_| panic!("{name} is {value}"))
    }

    /// The log lines so far whose message begins so.
    pub(crate) fn told(&self, message: &str) -> Vec<Value> {
        let mut lines = self.log.all();
        lines.retain(|line| line["message"].as_str().is_some_and(|said| said.starts_with(message)));
        lines
    }

    fn all_lines(&self) -> String {
        self.log.all();
        self.log.to_string()
    }
}
