//! Why a policy is refused.

use std::fmt;
use std::io;

use super::document::NotYaml;
use crate::api::Fault;

/// How much of what others wrote is told at once.
const TOLD_CHARACTERS: usize = 1_000;

/// A text that others wrote, cut short if it is long: it goes into the log, `/status` and memory.
pub(super) fn brief(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TOLD_CHARACTERS) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// What is wrong with what a source holds.
#[derive(Debug)]
pub(super) enum Problem {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// It is not YAML.
    NotYaml(NotYaml),
    /// It holds this many documents, and not one.
    Documents(usize),
    /// Its one document is no acceptable policy.
    Faults(Vec<Fault>),
}

impl Problem {
    /// One line for each thing that is wrong.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Unreadable(error) => vec![format!("cannot be read: {error}")],
            Self::NotYaml(error) => vec![error.to_string()],
            Self::Documents(count) => {
                vec![format!("holds {count} documents; accepted: one RateLimitPolicy")]
            }
            Self::Faults(faults) => faults.iter().map(Fault::to_string).collect(),
        }
    }
}

/// Why there is no policy to start with. Displays as one line a fault, each with where it comes from and the field.
#[derive(Debug)]
pub struct Error {
    /// The file, or the object as `namespace/name`.
    origin: String,
    problem: Problem,
}

impl Error {
    pub(super) fn new(origin: impl fmt::Display, problem: Problem) -> Self {
        Self { origin: origin.to_string(), problem }
    }

    /// The same in one line of bounded length, for the log.
    pub(super) fn one_line(&self) -> String {
        brief(format!("{}: {}", self.origin, self.problem.lines().join("; ")))
    }

    /// Whether the source could not even be read.
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self.problem, Problem::Unreadable(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.problem.lines().iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {line}", self.origin)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Unreadable(error) => Some(error),
            Problem::NotYaml(_) | Problem::Documents(_) | Problem::Faults(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_tells_of_a_policy_is_bounded() {
        let error = Error::new("x".repeat(100_000), Problem::Documents(2));
        assert!(error.one_line().len() < 1_100);
        assert_eq!(brief("\u{e4}".repeat(1_000)), "\u{e4}".repeat(1_000), "no longer than is told");
    }
}
