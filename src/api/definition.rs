//! The `CustomResourceDefinition`, as an object and as the text that is applied.

use kube::CustomResourceExt;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use serde_saphyr::{FoldStr, SerializeError};

use super::schema::{describe, schema};
use super::{KIND, RateLimitPolicy};

/// Texts longer than this many bytes take lines of their own.
const LINE: usize = 80;

/// The definition of [`RateLimitPolicy`]: what kube derives, and the one [`schema`], its ranges and defaults in words
/// as well.
///
/// It is no typed definition, because that has floats for bounds.
pub fn crd() -> Value {
    let mut definition = RateLimitPolicy::crd();
    definition.spec.names.list_kind = Some(format!("{KIND}List"));
    let mut definition = json!(definition);
    let mut schema = schema();
    spell_out(&mut schema);
    if let Some(Value::Object(version)) = definition.pointer_mut("/spec/versions/0") {
        version.insert("schema".to_owned(), json!({"openAPIV3Schema": schema}));
    }
    definition
}

/// Adds to the descriptions what `kubectl explain` knows and does not show: ranges and defaults.
fn spell_out(schema: &mut Value) {
    let range = matches!(schema.get("type").and_then(Value::as_str), Some("integer" | "array"))
        .then(|| format!(" Accepted: {}.", describe(schema)));
    let default = schema.get("default").filter(|default| !default.is_object()).map(|default| {
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        format!(" Default: {default}.")
    });
    if let Some(Value::String(text)) = schema.get_mut("description") {
        text.extend(range.into_iter().chain(default));
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(spell_out);
    }
    if let Some(items) = schema.get_mut("items") {
        spell_out(items);
    }
}

/// The definition as YAML.
///
/// # Errors
/// The definition cannot be said in YAML, which would be a mistake in its types.
pub fn crd_yaml() -> Result<String, SerializeError> {
    // A folded text ends in a line break unless its sign says that it does not.
    let yaml = serde_saphyr::to_string(&Folded(&crd()))?.replace(": >\n", ": >-\n");
    Ok(format!(
        "# Printed by `pacer crd`. Do not edit: the Rust types in src/api/v1alpha1 are the source.\n{yaml}"
    ))
}

/// A value whose long texts are folded, colons and quotes in them or not.
struct Folded<'a>(&'a Value);

impl Serialize for Folded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) if text.len() > LINE => FoldStr(text).serialize(serializer),
            Value::Array(items) => serializer.collect_seq(items.iter().map(Folded)),
            Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(name, value)| (name, Folded(value))))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.0.serialize(serializer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_yaml_means_the_definition() {
        let yaml = crd_yaml().unwrap();
        assert!(serde_saphyr::from_str::<Value>(&yaml).unwrap() == crd(), "{yaml}");
        assert!(yaml.lines().all(|line| line.len() <= 130 && line.trim_end() == line), "{yaml}");
    }

    #[test]
    fn the_definition_has_the_names_and_columns_that_the_documents_show() {
        let definition = crd();
        assert_eq!(definition["metadata"]["name"], "ratelimitpolicies.pacer.dev");
        let names = json!({
            "kind": "RateLimitPolicy", "listKind": "RateLimitPolicyList", "plural": "ratelimitpolicies",
            "singular": "ratelimitpolicy", "shortNames": ["rlpol"], "categories": ["pacer"],
        });
        assert_eq!(definition["spec"]["names"], names);
        let version = &definition["spec"]["versions"][0];
        let columns = version["additionalPrinterColumns"].as_array().unwrap();
        assert_eq!(
            columns.iter().map(|column| &column["name"]).collect::<Vec<_>>(),
            ["Rate", "Capacity", "Mode", "Age"]
        );
        assert_eq!(version.get("subresources"), None, "nothing writes a status");
    }

    #[test]
    fn the_schema_is_the_one_that_is_walked_offline_but_for_the_words() {
        fn wordless(mut value: Value) -> Value {
            match &mut value {
                Value::Object(fields) => {
                    fields.retain(|name, value| name != "description" || !value.is_string());
                    fields.values_mut().for_each(|value| *value = wordless(value.take()));
                }
                Value::Array(items) => items.iter_mut().for_each(|item| *item = wordless(item.take())),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
            value
        }
        let definition = crd();
        let defined = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        assert_eq!(wordless(defined), wordless(schema()));
    }

    #[test]
    fn a_description_ends_with_the_range_and_the_default() {
        let definition = crd();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for (field, end) in [
            (
                "queue/properties/maxDepth",
                "none ever waits. Accepted: an integer from 0 to 100000. Default: 500.",
            ),
            ("rate/properties/requestsPerMinute", "in a minute. Accepted: an integer from 1 to 1000000."),
            ("mode", "would have done. Default: Enforce."),
            ("readiness/properties/gates", "an outage. Accepted: a list up to 3 entries long. Default: []."),
            ("rate", "How fast requests may leave."),
        ] {
            let text = schema.pointer(&format!("/properties/spec/properties/{field}/description"));
            assert!(
                text.and_then(Value::as_str).is_some_and(|text| text.ends_with(end)),
                "{field}: {text:?}"
            );
        }
    }
}
