//! The names that Kubernetes gives no object without.

use serde_json::Value;

use super::fault::{Fault, Found};

/// The longest name of an object, in bytes.
const SUBDOMAIN_LENGTH: usize = 253;

/// The longest name of a namespace, in bytes.
const LABEL_LENGTH: usize = 63;

/// What is wrong with an object's name and namespace; of the wrong type they are the schema's concern.
pub(super) fn faults(object: &Value) -> Vec<Fault> {
    let fits = |value: Option<&Value>| value.is_none_or(|value| value.is_object() || value.is_null());
    if !(object.is_object() && fits(object.get("metadata"))) {
        return Vec::new();
    }
    let metadata = |field| object.get("metadata").and_then(|metadata| metadata.get(field));
    let name = match metadata("name") {
        None | Some(Value::Null) => Some(Found::Missing),
        Some(Value::String(name)) if is_subdomain(name) => None,
        Some(name @ Value::String(_)) => Some(Found::value(name)),
        Some(_) => None,
    };
    let namespace = metadata("namespace")
        .filter(|namespace| namespace.as_str().is_some_and(|text| !text.is_empty() && !is_label(text)))
        .map(Found::value);
    let fault = |field, found: Option<Found>, accepted: &str| {
        found.map(|found| Fault { path: format!("metadata.{field}"), found, accepted: accepted.to_owned() })
    };
    let label = "up to 63 of a-z, 0-9 and '-', a letter or digit at both ends";
    let subdomain = "up to 253 of a-z, 0-9, '-' and '.', a letter or digit at both ends and beside each '.'";
    [fault("name", name, subdomain), fault("namespace", namespace, label)].into_iter().flatten().collect()
}

/// RFC 1123, as Kubernetes reads it: the labels of a subdomain have no limit of their own.
fn is_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_LENGTH && text.split('.').all(is_part)
}

/// Whether a policy can have this name: a subdomain that also fits a label's value.
pub fn is_policy_name(text: &str) -> bool {
    text.len() <= LABEL_LENGTH && is_subdomain(text)
}

/// Whether a namespace can have this name.
pub fn is_namespace(text: &str) -> bool {
    is_label(text)
}

fn is_label(text: &str) -> bool {
    text.len() <= LABEL_LENGTH && is_part(text)
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
    use serde_json::json;

    use super::*;

    fn paths(metadata: &Value) -> Vec<String> {
        faults(&json!({ "metadata": metadata })).into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn a_name_is_required_and_a_subdomain() {
        for name in ["a", "0", "a-b", "a.b-c.d", &"x".repeat(253)] {
            assert!(paths(&json!({ "name": name })).is_empty(), "{name}");
        }
        for name in ["", "A", "a_b", "-a", "a-", ".a", "a.", "a..b", "a.-b", "\u{e4}", &"x".repeat(254)] {
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
}
