//! Holding an object against its schema.
//!
//! Everything wrong is reported, not only the first: an author mends a file in one go.
//! Two readings follow the API server: a field set to null counts as left out, and a
//! field the schema does not know is set apart, because strictness about it depends on
//! who asks.

use serde_json::{Map, Number, Value};

use super::super::fault::{Fault, Found};
use super::describe::describe;
use super::nearest::nearest;

/// What the walk found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What makes the object invalid.
    pub(crate) faults: Vec<Fault>,
    /// Fields the schema does not know.
    pub(crate) unknown: Vec<Fault>,
    /// Whether something is missing, of another type or kind, or too long. An API server then does
    /// not ask the rules between fields; of a number out of range or a repeated entry it does.
    pub(crate) blocks_rules: bool,
}

/// Holds `value` against `schema`; paths start with `root`.
pub(crate) fn walk(root: &str, value: &Value, schema: &Value) -> Findings {
    let mut findings = Findings::default();
    findings.value(root, value, schema);
    findings
}

impl Findings {
    fn value(&mut self, path: &str, value: &Value, schema: &Value) {
        match (schema.get("type").and_then(Value::as_str), value) {
            (None, _) => {}
            (Some("object"), Value::Object(fields)) => self.fields(path, fields, schema),
            (Some("array"), Value::Array(items)) => self.items(path, items, schema),
            (Some("string"), Value::String(text)) if text_fits(text, schema) => {}
            (Some("integer"), Value::Number(number)) if number_fits(number, schema) => {}
            _ => {
                self.blocks_rules |= !is_of_kind(value, schema);
                self.refuse(path, Found::value(value), describe(schema));
            }
        }
    }

    fn fields(&mut self, path: &str, fields: &Map<String, Value>, schema: &Value) {
        let none = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        for (name, value) in fields {
            match known.get(name) {
                Some(_) if value.is_null() => {}
                Some(inner) => self.value(&member(path, name), value, inner),
                None if is_open(schema) => {}
                None => self.unknown.push(Fault {
                    path: member(path, name),
                    found: Found::UnknownField { nearest: nearest(name, known.keys()) },
                    accepted: known.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
                }),
            }
        }
        for name in strings(schema, "required") {
            if fields.get(name).is_none_or(Value::is_null) {
                let accepted = known.get(name).map(describe).unwrap_or_default();
                self.blocks_rules = true;
                self.refuse(&member(path, name), Found::Missing, accepted);
            }
        }
    }

    fn items(&mut self, path: &str, items: &[Value], schema: &Value) {
        if !within(items.len(), schema, "minItems", "maxItems") {
            let found = Found::Value(format!("a list of {}", items.len()));
            self.blocks_rules |= !within(items.len(), schema, "", "maxItems");
            self.refuse(path, found, describe(schema));
        }
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if let Some(inner) = schema.get("items") {
                self.value(&path, item, inner);
            }
            let earlier = items.get(..index).unwrap_or_default();
            if let Some(identity) = identity(item, schema)
                && earlier.iter().any(|other| self::identity(other, schema).as_ref() == Some(&identity))
            {
                let repeated = Found::duplicate(item);
                self.refuse(&path, repeated, "every entry once".to_owned());
            }
        }
    }

    fn refuse(&mut self, path: &str, found: Found, accepted: String) {
        self.faults.push(Fault { path: path.to_owned(), found, accepted });
    }
}

/// The path of a field. A name no field here could have is quoted, so that a fault stays one line.
fn member(path: &str, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (path, plain) {
        ("", true) => name.to_owned(),
        (_, true) => format!("{path}.{name}"),
        (_, false) => format!("{path}[{}]", Value::from(name)),
    }
}

/// Whether fields that are not described are welcome.
fn is_open(schema: &Value) -> bool {
    schema.get("additionalProperties").and_then(Value::as_bool).unwrap_or(false)
}

fn text_fits(text: &str, schema: &Value) -> bool {
    let listed = schema
        .get("enum")
        .and_then(Value::as_array)
        .is_none_or(|values| values.iter().any(|value| value.as_str() == Some(text)));
    listed && within(text.chars().count(), schema, "minLength", "maxLength")
}

fn number_fits(number: &Number, schema: &Value) -> bool {
    let bound = |keyword| schema.get(keyword).and_then(Value::as_i64);
    number.as_i64().is_some_and(|number| {
        bound("minimum").is_none_or(|least| least <= number)
            && bound("maximum").is_none_or(|most| number <= most)
    })
}

/// Whether a value that is refused is at least of its schema's type, no unknown word and not too long.
fn is_of_kind(value: &Value, schema: &Value) -> bool {
    match (schema.get("type").and_then(Value::as_str), value) {
        (Some("integer"), Value::Number(number)) => number.is_i64(),
        (Some("string"), Value::String(text)) => {
            schema.get("enum").is_none() && within(text.chars().count(), schema, "", "maxLength")
        }
        _ => false,
    }
}

fn within(size: usize, schema: &Value, least: &str, most: &str) -> bool {
    let size = u64::try_from(size).unwrap_or(u64::MAX);
    let bound = |keyword| schema.get(keyword).and_then(Value::as_u64);
    bound(least).is_none_or(|least| least <= size) && bound(most).is_none_or(|most| size <= most)
}

/// What may occur only once in a list: an entry of a set, the keys of an entry of a map.
fn identity(item: &Value, schema: &Value) -> Option<Vec<Value>> {
    match schema.get("x-kubernetes-list-type").and_then(Value::as_str)? {
        "set" => Some(vec![item.clone()]),
        "map" => strings(schema, "x-kubernetes-list-map-keys").map(|key| item.get(key).cloned()).collect(),
        _ => None,
    }
}

fn strings<'a>(schema: &'a Value, keyword: &str) -> impl Iterator<Item = &'a str> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
