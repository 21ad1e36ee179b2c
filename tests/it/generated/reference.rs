//! `docs/policy-reference.md`, made from the schema that API servers and the offline check share.

use std::fmt::Write;

use pacer::api::{RULES, schema};
use serde_json::Value;

/// What holds where a field that has no fixed default is left out.
const COMPUTED: [(&str, &str); 6] = [
    ("spec.queue.priorities[].maxWaitSeconds", "`queue.maxWaitSeconds`; for `Low` at most 2"),
    ("spec.queue.priorities[].minimumSharePercent", "`Urgent` 0, `High` 20, `Normal` 10, `Low` 5"),
    ("spec.rate.capacity", "`requestsPerMinute`"),
    ("spec.rate.minimumGapMilliseconds", "25, or half of 60000 / `requestsPerMinute` where that is less"),
    ("spec.retreat.ceilingRequestsPerMinute", "`rate.requestsPerMinute`"),
    ("spec.retreat.floorRequestsPerMinute", "a tenth of `rate.requestsPerMinute`, at least 1"),
];

const HEAD: &str = "\
# RateLimitPolicy

`ratelimitpolicies.pacer.dev`, version `v1alpha1`, short name `rlpol`, namespaced. On a cluster `kubectl explain
ratelimitpolicies.pacer.dev --recursive` lists the fields, and `kubectl explain ratelimitpolicies.pacer.dev.spec.rate`
describes those of a section. Name the group: another product has a kind of this name.
Only `spec.rate.requestsPerMinute` is required:

```yaml
apiVersion: pacer.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: nvidia, namespace: team-a}
spec:
  rate: {requestsPerMinute: 40}
```

[manifests/examples](../manifests/examples) has policies for common cases. `make generate` makes this page from the types.

## How a policy is read

- `kubectl apply`, `pacer check FILE` and the sidecar accept and refuse the same policies, at the same fields. Of the
  metadata, `pacer check` and the sidecar judge `name` and `namespace` alone: whether a label is well-formed, the API server
  says. `pacer check` wants a `name` where `kubectl create` takes a `generateName`, and refuses a key that is there twice, of
  which `kubectl` takes the last.
- A field that is left out, or null, has its default. A list's entry cannot be null.
- An unknown field is refused by `kubectl apply` and `pacer check`. The sidecar ignores it and says so in its log: a newer
  definition may have it.
- An unknown word where a choice is expected makes a policy invalid. A sidecar keeps the last good policy then, and says
  which field is at fault.
- Numbers are whole, each with its unit in its name; `40.0` is 40. Text is not a number: `\"40\"` is refused.
";

/// The whole page.
pub(super) fn text() -> String {
    let mut page = HEAD.to_owned();
    let schema = schema();
    section(&mut page, "spec", &schema["properties"]["spec"]);
    page.push_str("\n## Rules between fields\n\n| field | must be |\n| --- | --- |\n");
    let name = &schema["x-kubernetes-validations"][0];
    let name = name["message"].as_str().unwrap().trim_start_matches("must be ");
    writeln!(page, "| `metadata.name` | {name} |").unwrap();
    for rule in RULES {
        writeln!(page, "| `{}` | {} |", rule.path(), rule.message).unwrap();
    }
    page
}

/// An object: its own fields, then the objects among them.
fn section(page: &mut String, path: &str, schema: &Value) {
    let description = schema["description"].as_str().unwrap();
    write!(page, "\n## {path}\n\n{description}\n\n").unwrap();
    page.push_str("| field | accepted | default | meaning |\n| --- | --- | --- | --- |\n");
    let fields = schema["properties"].as_object().unwrap();
    for (name, field) in fields {
        let inner = format!("{path}.{name}");
        let required =
            schema["required"].as_array().is_some_and(|names| names.contains(&name.as_str().into()));
        let default = if required { "required".to_owned() } else { default(&inner, field) };
        let meaning = field["description"].as_str().unwrap().replace('|', "\\|").replace('*', "\\*");
        writeln!(page, "| `{name}` | {} | {default} | {meaning} |", accepted(&inner, field)).unwrap();
    }
    for (name, field) in fields {
        let items = field.get("items").filter(|items| items.get("properties").is_some());
        match items {
            Some(items) => section(page, &format!("{path}.{name}[]"), items),
            None if field.get("properties").is_some() => section(page, &format!("{path}.{name}"), field),
            None => {}
        }
    }
}

fn default(path: &str, schema: &Value) -> String {
    match schema.get("default") {
        Some(Value::Object(_)) => "its fields' defaults".to_owned(),
        Some(Value::String(word)) => format!("`{word}`"),
        Some(default) => format!("`{default}`"),
        None => {
            let computed = COMPUTED.iter().find(|(field, _)| *field == path);
            computed
                .unwrap_or_else(|| panic!("say in COMPUTED what {path} is when it is left out"))
                .1
                .to_owned()
        }
    }
}

fn accepted(path: &str, schema: &Value) -> String {
    let range = |least: &str, most: &str| format!("{} to {}", schema[least], schema[most]);
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
        return words.join(", ");
    }
    match schema["type"].as_str().unwrap() {
        "integer" => range("minimum", "maximum"),
        "string" => format!("{} characters", range("minLength", "maxLength")),
        "array" => {
            let least = schema["minItems"].as_i64().unwrap_or(0);
            let items = &schema["items"];
            let key = schema["x-kubernetes-list-map-keys"][0].as_str();
            let once = key.map_or("each once".to_owned(), |key| format!("each `{key}` once"));
            format!("{least} to {} of: {}; {once}", schema["maxItems"], accepted(&format!("{path}[]"), items))
        }
        "object" => format!("[`{path}`](#{})", anchor(path)),
        other => panic!("{path} is of type {other}"),
    }
}

/// What a heading is called in a link.
fn anchor(path: &str) -> String {
    path.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect()
}
