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

pub(super) use walk::{Findings, walk};

use super::identity;
use super::v1alpha1::RateLimitPolicySpec;

/// The schema of a `RateLimitPolicy` in its `CustomResourceDefinition`.
pub fn schema() -> Value {
    let spec = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(Structural)
        .into_generator()
        .into_root_schema_for::<RateLimitPolicySpec>()
        .to_value();
    json!({
        "description": "How a sidecar paces an application's calls to one LLM API.",
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": spec},
    })
}

/// The schema a whole object is held against: the definition's, and what every object has.
pub(super) fn of_object() -> Value {
    let mut schema = schema();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.extend(identity::properties());
    }
    schema["required"] = json!(["apiVersion", "kind", "spec"]);
    schema
}

/// Turns an enum whose variants are described one by one into a plain list of values, and takes away
/// what says that null is accepted: an API server then reads null as left out, as is done here.
#[derive(Clone, Debug)]
struct Structural;

impl Transform for Structural {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        schema.remove("nullable");
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
