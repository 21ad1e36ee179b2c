//! What is wrong with a scenario, and where.

use std::fmt;

/// What is wrong with a scenario: `line 3, scenario "B1", key up.q: ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// The line in the file, from 1.
    pub line: usize,
    /// The scenario's name, if it could be read.
    pub name: Option<String>,
    /// The key, as `demand[0].rpm`; empty where no key is to blame.
    pub key: String,
    /// What is wrong with it and what is accepted.
    pub problem: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(name) = &self.name {
            write!(f, ", scenario {name:?}")?;
        }
        if !self.key.is_empty() {
            write!(f, ", key {}", self.key)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ScenarioError {}
