//! What a schema accepts, in words.

use serde_json::Value;

/// What a schema accepts, for the end of "accepted: ...".
pub(in crate::api) fn describe(schema: &Value) -> String {
    let bound = |keyword| schema.get(keyword).and_then(Value::as_i64);
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return alternatives(values);
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("integer") => format!("an integer{}", range(bound("minimum"), bound("maximum"), "")),
        Some("string") => {
            format!("text{}", range(bound("minLength"), bound("maxLength"), " characters long"))
        }
        Some("array") => format!("a list{}", range(bound("minItems"), bound("maxItems"), " entries long")),
        Some("object") => format!("a mapping{}", required(schema)),
        _ => "anything".to_owned(),
    }
}

fn alternatives(values: &[Value]) -> String {
    let words: Vec<_> = values.iter().map(|value| value.as_str().unwrap_or_default()).collect();
    match words.as_slice() {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => words.concat(),
    }
}

fn range(least: Option<i64>, most: Option<i64>, unit: &str) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!(" from {least} to {most}{unit}"),
        (None, Some(most)) => format!(" up to {most}{unit}"),
        (Some(least), None) => format!(" from {least}{unit}"),
        (None, None) => String::new(),
    }
}

fn required(schema: &Value) -> String {
    let names: Vec<_> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if names.is_empty() { String::new() } else { format!(" with {}", names.join(", ")) }
}
