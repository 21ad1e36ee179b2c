//! What every object of Kubernetes has: version, kind, and the metadata that names it.
//!
//! An API server knows these by itself, so that they are no part of a definition's schema.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::{Fault, Found};
use super::rules::validation;
use super::{API_VERSION, KIND};

/// The longest name of a policy, in bytes: a pod carries it in a label, and a label's value ends there.
pub(super) const NAME_LENGTH: usize = 63;

/// The longest name of a namespace, in bytes.
const NAMESPACE_LENGTH: usize = 63;

/// What [`is_name`] accepts, in words.
pub const NAME_ACCEPTED: &str =
    "up to 63 of a-z, 0-9, '-' and '.', a letter or digit at both ends and beside each '.'";

/// What [`is_label`] accepts, in words.
pub const LABEL_ACCEPTED: &str = "up to 63 of a-z, 0-9 and '-', a letter or digit at both ends";

/// The fields of an object's metadata.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The schemas of an object's version, kind and metadata.
pub(super) fn properties() -> Map<String, Value> {
    let mut metadata: Map<_, _> = METADATA.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    for name in ["name", "namespace"] {
        metadata.insert(name.to_owned(), json!({"type": "string"}));
    }
    let mut properties = Map::new();
    properties.insert("apiVersion".to_owned(), json!({"type": "string", "enum": [API_VERSION]}));
    properties.insert("kind".to_owned(), json!({"type": "string", "enum": [KIND]}));
    properties.insert("metadata".to_owned(), json!({"type": "object", "properties": metadata}));
    properties
}

/// The one rule about the metadata that an API server does not have by itself.
pub(super) fn name_rule() -> Value {
    let cel = format!("self.metadata.name.size() <= {NAME_LENGTH}");
    let accepted = format!("at most {NAME_LENGTH} characters long: a pod carries it in a label");
    validation(&cel, &accepted, "metadata.name")
}

/// What is wrong with an object's metadata beside what its schema says.
pub(super) fn faults(object: &Value) -> Vec<Fault> {
    let metadata = object.get("metadata").filter(|metadata| !metadata.is_null());
    if !object.is_object() || metadata.is_some_and(|metadata| !metadata.is_object()) {
        return Vec::new();
    }
    let field = |field| metadata.and_then(|metadata| metadata.get(field)).filter(|value| !value.is_null());
    let fault = |field: &str, found: Found, accepted: &str| Fault {
        path: format!("metadata.{field}"),
        found,
        accepted: accepted.to_owned(),
    };
    let name = match field("name") {
        None => Some(Found::Missing),
        Some(name) => refused(name, is_name),
    };
    let namespace =
        field("namespace").and_then(|name| refused(name, |text| text.is_empty() || is_label(text)));
    let named = [
        name.map(|found| fault("name", found, NAME_ACCEPTED)),
        namespace.map(|found| fault("namespace", found, LABEL_ACCEPTED)),
    ];
    named.into_iter().flatten().collect()
}

/// The value, if it is text that is not accepted; other types are the schema's concern.
fn refused(value: &Value, is_accepted: impl Fn(&str) -> bool) -> Option<Found> {
    value.as_str().filter(|text| !is_accepted(text)).map(|_| Found::value(value))
}

/// What is wrong with a field of the metadata that no schema here describes.
pub(super) fn unreadable(metadata: &Value) -> Option<Fault> {
    let error = ObjectMeta::deserialize(metadata).err()?;
    let found = Found::Value(error.to_string());
    Some(Fault { path: "metadata".to_owned(), found, accepted: "the metadata of an object".to_owned() })
}

/// Whether a policy can have this name. RFC 1123, as Kubernetes reads it: the labels of a subdomain have no limit of
/// their own.
pub fn is_name(text: &str) -> bool {
    text.len() <= NAME_LENGTH && text.split('.').all(is_part)
}

/// Whether a namespace can have this name.
pub fn is_label(text: &str) -> bool {
    text.len() <= NAMESPACE_LENGTH && is_part(text)
}

fn is_part(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut bytes = text.bytes();
    text.bytes().all(|byte| plain(byte) || byte == b'-')
        && bytes.next().is_some_and(plain)
        && bytes.next_back().is_none_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(metadata: &Value) -> Vec<String> {
        faults(&json!({ "metadata": metadata })).into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn a_name_is_required_and_fits_a_label() {
        for name in ["a", "0", "a-b", "a.b-c.d", &"x".repeat(63)] {
            assert!(paths(&json!({ "name": name })).is_empty(), "{name}");
        }
        for name in ["", "A", "a_b", "-a", "a-", ".a", "a.", "a..b", "a.-b", "\u{e4}", &"x".repeat(64)] {
            assert_eq!(paths(&json!({ "name": name })), ["metadata.name"], "{name}");
        }
        assert_eq!(paths(&json!({})), ["metadata.name"]);
        assert_eq!(paths(&Value::Null), ["metadata.name"]);
        assert!(paths(&json!("text")).is_empty() && faults(&json!([])).is_empty(), "another fault's concern");
    }

    #[test]
    fn a_namespace_is_a_label_if_it_is_given() {
        for namespace in [json!(null), json!(""), json!("team-a"), json!("x".repeat(63))] {
            assert!(paths(&json!({ "name": "a", "namespace": namespace })).is_empty(), "{namespace}");
        }
        for namespace in ["a.b", "Team", "-", "x-", &"x".repeat(64)] {
            let metadata = json!({ "name": "a", "namespace": namespace });
            assert_eq!(paths(&metadata), ["metadata.namespace"], "{namespace}");
        }
    }

    #[test]
    fn every_field_of_the_metadata_is_known() {
        let every = r#"{"annotations": {}, "creationTimestamp": "2026-11-20T10:00:00Z",
            "deletionGracePeriodSeconds": 1, "deletionTimestamp": "2026-11-20T10:00:00Z", "finalizers": [],
            "generateName": "", "generation": 1, "labels": {}, "managedFields": [], "name": "", "namespace": "",
            "ownerReferences": [], "resourceVersion": "", "selfLink": "", "uid": ""}"#;
        let meta: ObjectMeta = serde_json::from_str(every).unwrap();
        let Value::Object(fields) = serde_json::to_value(meta).unwrap() else { panic!("no object") };
        let mut names: Vec<_> = fields.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, METADATA);
    }
}
