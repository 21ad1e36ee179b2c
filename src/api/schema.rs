//! The schema derived from the types, and the walk that holds an object against it.
//!
//! The schema is brought into the form Kubernetes calls structural: nothing referenced,
//! enums as plain lists. The walk knows exactly the keywords such a schema uses here;
//! a test fails when a type brings in another.

mod describe;
mod nearest;
mod walk;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Value, json};

pub(super) use describe::describe;
pub(super) use walk::{Findings, walk};

use super::identity;
use super::rules::RULES;
use super::v1alpha1::RateLimitPolicySpec;

/// The schema of a `RateLimitPolicy` in its `CustomResourceDefinition`.
pub fn schema() -> Value {
    let mut schema = json!({
        "description": "How a sidecar paces an application's calls to one LLM API.",
        "type": "object",
        "required": ["spec"],
        // The name is there only so that a rule may point at it.
        "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string"}}}, "spec": spec()},
        "x-kubernetes-validations": [identity::name_rule()],
    });
    for rule in RULES {
        add_validation(&mut schema, rule.at, rule.validation());
    }
    schema
}

/// The schema a whole object is held against: the same `spec`, and what every object has.
pub(super) fn of_object() -> Value {
    let mut properties = identity::properties();
    properties.insert("spec".to_owned(), spec());
    json!({"type": "object", "required": ["apiVersion", "kind", "spec"], "properties": properties})
}

fn spec() -> Value {
    SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(Structural)
        .into_generator()
        .into_root_schema_for::<RateLimitPolicySpec>()
        .to_value()
}

/// Adds a rule to the schema of what is at a path.
fn add_validation(schema: &mut Value, path: &str, validation: Value) {
    let pointer = format!("/properties/{}", path.replace('.', "/properties/"));
    if let Some(Value::Object(schema)) = schema.pointer_mut(&pointer)
        && let Value::Array(validations) =
            schema.entry("x-kubernetes-validations").or_insert_with(|| json!([]))
    {
        validations.push(validation);
    }
}

/// Brings what schemars derives into the form that API servers read best.
///
/// - An enum whose variants are described one by one becomes a plain list of values.
/// - Null is not accepted: an API server then reads it as left out, as is done here.
/// - A default that is an object becomes `{}`: the server fills in what is inside, and each default is said once.
/// - A text is one line, because `kubectl explain` has its own line breaks.
#[derive(Clone, Debug)]
struct Structural;

impl Transform for Structural {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        schema.remove("nullable");
        schema.remove("title");
        if let Some(Value::Object(default)) = schema.get_mut("default") {
            default.clear();
        }
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.replace('\n', " ");
        }
        let Some(Value::Array(variants)) = schema.get("oneOf") else { return };
        let names: Option<Vec<Value>> = variants.iter().map(only_value).collect();
        if let Some(names) = names {
            schema.remove("oneOf");
            schema.insert("type".into(), "string".into());
            schema.insert("enum".into(), names.into());
        }
    }
}

/// The value of a schema that allows one.
fn only_value(schema: &Value) -> Option<Value> {
    match schema.get("enum")?.as_array()?.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
