//! The `CustomResourceDefinition`, as an object and as the text that is applied.

use kube::CustomResourceExt;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use serde_saphyr::{FoldStr, SerializeError};

use super::schema::schema;
use super::{KIND, RateLimitPolicy};

/// Texts longer than this many bytes take lines of their own.
const LINE: usize = 80;

/// The definition of [`RateLimitPolicy`]: what kube derives, and the one [`schema`].
///
/// It is no typed definition, because that has floats for bounds.
pub fn crd() -> Value {
    let mut definition = RateLimitPolicy::crd();
    definition.spec.names.list_kind = Some(format!("{KIND}List"));
    let mut definition = json!(definition);
    if let Some(Value::Object(version)) = definition.pointer_mut("/spec/versions/0") {
        version.insert("schema".to_owned(), json!({"openAPIV3Schema": schema()}));
    }
    definition
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
        assert_eq!(version["schema"]["openAPIV3Schema"], schema());
        assert_eq!(version.get("subresources"), None, "nothing writes a status");
    }
}
