//! The four priorities and their names.

use std::fmt;
use std::ops::{Index, IndexMut};
use std::str::FromStr;

/// How urgent a request is. The order of the variants is the order of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A person is waiting.
    Urgent,
    /// Ahead of ordinary work.
    High,
    /// What a request is when it says nothing.
    Normal,
    /// Background work that may be refused.
    Low,
}

impl Priority {
    /// Every priority, most urgent first.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::High, Self::Normal, Self::Low];

    /// Position in [`Priority::ALL`], for tables with one entry a priority.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The lower-case name used in headers, metric labels and log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is none of `urgent`, `high`, `normal`, `low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPriority;

impl fmt::Display for UnknownPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("accepted priorities are urgent, high, normal, low")
    }
}

impl std::error::Error for UnknownPriority {}

impl FromStr for Priority {
    type Err = UnknownPriority;

    /// Accepts the four names in any case, with surrounding white space.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let word = word.trim();
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str().eq_ignore_ascii_case(word))
            .ok_or(UnknownPriority)
    }
}

/// One value a priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerPriority<T>(pub [T; 4]);

impl<T> Index<Priority> for PerPriority<T> {
    type Output = T;

    fn index(&self, priority: Priority) -> &T {
        let [urgent, high, normal, low] = &self.0;
        match priority {
            Priority::Urgent => urgent,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }
}

impl<T> IndexMut<Priority> for PerPriority<T> {
    fn index_mut(&mut self, priority: Priority) -> &mut T {
        let [urgent, high, normal, low] = &mut self.0;
        match priority {
            Priority::Urgent => urgent,
            Priority::High => high,
            Priority::Normal => normal,
            Priority::Low => low,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_in_any_case() {
        assert_eq!("URGENT".parse(), Ok(Priority::Urgent));
        assert_eq!(" low ".parse(), Ok(Priority::Low));
        assert_eq!("vip".parse::<Priority>(), Err(UnknownPriority));
    }

    #[test]
    fn order_of_variants_is_order_of_service() {
        assert!(Priority::Urgent < Priority::High);
        assert!(Priority::Normal < Priority::Low);
        assert_eq!(Priority::ALL.map(Priority::index), [0, 1, 2, 3]);
    }
}
