//! From bytes to YAML documents.
//!
//! Documents become JSON values by the same reading of scalars that `kubectl` has (`on`
//! is a boolean, `010` is 8, `"40"` is text), so that a file means here what it means to an API
//! server. A key that occurs twice is an error, and aliases are counted, so that a
//! short file cannot unfold into a large one.

use std::fmt;

use serde_json::Value;
use serde_saphyr::{MessageFormatter, Options, UserMessageFormatter};

/// How many values aliases may add: a policy has a few dozen.
const REPLAYED_VALUES: usize = 10_000;

/// Why a text is not YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotYaml {
    /// Line and column, both from 1.
    at: Option<(u64, u64)>,
    message: String,
}

impl fmt::Display for NotYaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.at {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// The documents of a text that hold something, in order. The first that is not YAML is the last.
pub(super) fn documents(mut text: &[u8]) -> Vec<Result<Value, NotYaml>> {
    let mut documents = Vec::new();
    for document in serde_saphyr::read_with_options(&mut text, options()) {
        let broken = document.is_err();
        documents.push(document.map_err(|error| not_yaml(&error)));
        if broken {
            break;
        }
    }
    documents
}

fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        legacy_octal_numbers: true,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPLAYED_VALUES },
    }
}

fn not_yaml(error: &serde_saphyr::Error) -> NotYaml {
    let message = UserMessageFormatter.format_message(error);
    NotYaml {
        at: error.location().map(|location| (location.line(), location.column())),
        message: message.chars().flat_map(printable).collect(),
    }
}

/// A message quotes its input: control characters must not reach a log or a terminal.
fn printable(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn broken(text: &str) -> String {
        documents(text.as_bytes()).pop().unwrap().unwrap_err().to_string()
    }

    #[test]
    fn scalars_mean_what_they_mean_to_kubectl() {
        let readings = [
            ("40", json!(40)),
            ("'40'", json!("40")),
            ("!!int '40'", json!(40)),
            ("+5", json!(5)),
            ("1_000", json!(1000)),
            ("0x10", json!(16)),
            ("010", json!(8)),
            ("0o17", json!(15)),
            ("1e3", json!(1000.0)),
            ("on", json!(true)),
            ("n", json!(false)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("2020-01-01", json!("2020-01-01")),
            ("1:30", json!("1:30")),
        ];
        for (text, value) in readings {
            assert_eq!(documents(format!("- {text}").as_bytes()), [Ok(json!([value]))], "{text}");
        }
    }

    #[test]
    fn merge_keys_and_aliases_unfold() {
        let text = "base: &base {a: 1}\nmerged: {<<: *base, b: 2}";
        let json = json!({"base": {"a": 1}, "merged": {"a": 1, "b": 2}});
        assert_eq!(documents(text.as_bytes()), [Ok(json)]);
    }

    #[test]
    fn documents_that_hold_nothing_do_not_count() {
        let text = "---\n# a comment\n---\na: 1\n---\n---\nb: 2\n";
        assert_eq!(documents(text.as_bytes()).len(), 2);
        assert_eq!(documents(b""), []);
    }

    #[test]
    fn an_error_names_line_and_column() {
        assert_eq!(broken("a: 1\na: 2"), "line 2, column 1: duplicate mapping key: a not allowed here");
        assert_eq!(broken("a: 1\nb: [\n"), "line 2, column 4: unclosed bracket '['");
        assert!(broken("a: 1\n---\nb: 2\nc: d: e").starts_with("line 4, column 5: "));
    }

    #[test]
    fn aliases_cannot_unfold_without_end() {
        let level = |level: usize| match level {
            0 => "l0: &l0 [x, x, x, x, x, x, x, x, x, x]".to_owned(),
            _ => format!("l{level}: &l{level} [{}]", vec![format!("*l{}", level - 1); 10].join(", ")),
        };
        let text = (0..9).map(level).collect::<Vec<_>>().join("\n");
        assert!(broken(&text).contains("too large or too complex"), "{}", broken(&text));
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error_and_nothing_unprintable_is_quoted() {
        let documents = documents(b"a: \xff\xfe\x00");
        assert!(documents.iter().any(Result::is_err));
        let error = broken("\"\u{1b}[31m\": [");
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
}
