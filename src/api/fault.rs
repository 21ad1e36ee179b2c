//! What is wrong with an object, said so that its author can mend it.

use std::fmt;

use serde_json::Value;

/// How much of a value a message quotes.
const QUOTED_CHARACTERS: usize = 80;

/// One thing that is wrong with an object. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, like `spec.queue.priorities[1].name`.
    pub path: String,
    /// What was found there.
    pub found: Found,
    /// What is accepted there.
    pub accepted: String,
}

/// What was found at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, where something is required.
    Missing,
    /// This, in JSON and cut short if it is long.
    Value(String),
    /// An entry that an earlier entry of the same list forbids.
    Duplicate(String),
    /// A field of a name that does not exist here.
    UnknownField {
        /// The field that was probably meant.
        nearest: Option<String>,
    },
}

impl Found {
    /// Quotes a value.
    pub(super) fn value(value: &Value) -> Self {
        Self::Value(quoted(value))
    }

    /// Quotes an entry that was there before.
    pub(super) fn duplicate(value: &Value) -> Self {
        Self::Duplicate(quoted(value))
    }
}

fn quoted(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; accepted: {}", self.path, self.found, self.accepted)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Value(value) => write!(f, "is {value}"),
            Self::Duplicate(value) => write!(f, "repeats {value}"),
            Self::UnknownField { nearest: None } => f.write_str("is not a field"),
            Self::UnknownField { nearest: Some(name) } => {
                write!(f, "is not a field (did you mean {name}?)")
            }
        }
    }
}
