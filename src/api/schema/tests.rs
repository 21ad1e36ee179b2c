//! The schema and its walk, held against each other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{of_object as schema, walk};

/// The keywords the walk acts on.
const ACTED_ON: [&str; 13] = [
    "additionalProperties",
    "enum",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-type",
];

/// The keywords that forbid nothing, or belong to one above.
const HARMLESS: [&str; 5] =
    ["default", "description", "format", "x-kubernetes-list-map-keys", "x-kubernetes-validations"];

/// A schema inside the schema and the way there: a field's name, or `[]` for the entries of a list.
struct Node {
    way: Vec<String>,
    schema: Value,
}

impl Node {
    /// The path a fault at this node has.
    fn path(&self) -> String {
        self.way.join(".").replace(".[]", "[0]")
    }

    fn bound(&self, keyword: &str) -> Option<i64> {
        self.schema.get(keyword).map(|bound| bound.as_i64().expect("bounds are whole numbers"))
    }

    fn is(&self, kind: &str) -> bool {
        self.schema.get("type").is_some_and(|found| found == kind)
    }
}

/// Every schema inside `schema`, itself first.
fn nodes(way: &[String], schema: &Value) -> Vec<Node> {
    let mut found = vec![Node { way: way.to_vec(), schema: schema.clone() }];
    let fields = schema.get("properties").and_then(Value::as_object);
    let inner = fields.into_iter().flatten().map(|(name, inner)| (name.as_str(), inner));
    for (step, inner) in inner.chain(schema.get("items").map(|items| ("[]", items))) {
        found.extend(nodes(&[way, &[step.to_owned()]].concat(), inner));
    }
    found
}

fn spec_nodes() -> Vec<Node> {
    nodes(&["spec".to_owned()], &schema()["properties"]["spec"])
}

/// The least value a schema accepts.
fn least(schema: &Value) -> Value {
    if let Some(values) = schema.get("enum") {
        return values[0].clone();
    }
    match schema["type"].as_str().unwrap() {
        "integer" => schema["minimum"].clone(),
        "string" => json!("x".repeat(usize::try_from(schema["minLength"].as_u64().unwrap()).unwrap())),
        "array" => json!([]),
        "object" => {
            let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
            let field = |name: &Value| {
                let name = name.as_str().unwrap();
                (name.to_owned(), least(&schema["properties"][name]))
            };
            Value::Object(required.map(field).collect())
        }
        other => panic!("no value of type {other}"),
    }
}

/// An object with only what is required, and `leaf` at the end of the way.
fn planted(schema: &Value, way: &[String], leaf: &Value) -> Value {
    match way {
        [] => leaf.clone(),
        [step, rest @ ..] if step == "[]" => json!([planted(&schema["items"], rest, leaf)]),
        [step, rest @ ..] => {
            let mut object = least(schema);
            object[step] = planted(&schema["properties"][step], rest, leaf);
            object
        }
    }
}

/// Whether the schema refuses `leaf` at this node.
fn refuses(node: &Node, leaf: &Value) -> bool {
    let schema = schema();
    let mut object = planted(&schema, &node.way, leaf);
    object["apiVersion"] = json!("pacer.dev/v1alpha1");
    object["kind"] = json!("RateLimitPolicy");
    let faults = walk("", &object, &schema).faults;
    faults.iter().any(|fault| fault.path == node.path())
}

#[test]
fn the_walk_knows_every_keyword_of_the_schema() {
    let known: BTreeSet<_> = ACTED_ON.iter().chain(&HARMLESS).copied().collect();
    for node in nodes(&[], &schema()) {
        let used: BTreeSet<_> = node.schema.as_object().unwrap().keys().map(String::as_str).collect();
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", node.path());
        assert!(node.schema.get("additionalProperties").is_none_or(Value::is_boolean), "{}", node.path());
    }
}

#[test]
fn every_field_is_described_typed_and_bounded() {
    for node in spec_nodes() {
        let path = node.path();
        let needed: &[&str] = match node.schema["type"].as_str() {
            Some("integer") => &["minimum", "maximum", "format"],
            Some("string") if node.schema.get("enum").is_none() => &["minLength", "maxLength"],
            Some("array") => &["maxItems", "items", "x-kubernetes-list-type"],
            Some("object") => &["properties"],
            Some("string") => &["enum"],
            other => panic!("{path} is of type {other:?}, which a policy does not use"),
        };
        for keyword in needed {
            assert!(node.schema.get(keyword).is_some(), "{path} lacks {keyword}");
        }
        if node.is("integer") {
            let format = node.schema["format"].as_str().unwrap();
            assert!(["int32", "int64"].contains(&format), "{path}: API servers warn of {format}");
        }
        if node.way.last().is_some_and(|step| step != "[]") {
            assert!(node.schema["description"].as_str().is_some_and(|text| text.len() > 5), "{path}");
        }
    }
}

#[test]
fn every_choice_is_explained_where_it_is_made() {
    let nodes = spec_nodes();
    let choices = nodes.iter().filter(|node| node.schema.get("enum").is_some());
    for node in choices {
        // What the entries of a list are is said of the list.
        let field = node.way.strip_suffix(&["[]".to_owned()]).unwrap_or(&node.way);
        let said = nodes.iter().find(|other| other.way == field).unwrap().schema["description"].to_string();
        for word in node.schema["enum"].as_array().unwrap() {
            assert!(said.contains(word.as_str().unwrap()), "{}: {word} is not in {said}", node.path());
        }
    }
}

#[test]
fn nothing_is_in_the_schema_that_an_api_server_reads_otherwise() {
    for node in nodes(&[], &crate::api::schema()) {
        assert!(node.schema.get("nullable").is_none(), "{}", node.path());
        let default = node.schema.get("default").and_then(Value::as_object);
        assert!(
            default.is_none_or(serde_json::Map::is_empty),
            "{}: leaf defaults are the only truth",
            node.path()
        );
        if default.is_some() {
            assert!(
                node.schema.get("x-kubernetes-validations").is_none(),
                "{}: a rule on a default",
                node.path()
            );
        }
        assert!(
            !node.schema["description"].to_string().contains("\\n"),
            "{}: explain breaks lines",
            node.path()
        );
    }
}

#[test]
fn every_integer_is_accepted_within_its_bounds_and_refused_beyond() {
    let integers: Vec<_> = spec_nodes().into_iter().filter(|node| node.is("integer")).collect();
    assert!(integers.len() > 20, "{} integers", integers.len());
    for node in integers {
        let (least, most) = (node.bound("minimum").unwrap(), node.bound("maximum").unwrap());
        for (number, refused) in [(least - 1, true), (least, false), (most, false), (most + 1, true)] {
            assert_eq!(refuses(&node, &json!(number)), refused, "{} = {number}", node.path());
        }
        for other in [json!("1"), json!(1.5), json!(true), json!([1]), json!({})] {
            assert!(refuses(&node, &other), "{} = {other}", node.path());
        }
    }
}

/// A list or text of a size, as long as the schema says nothing about what is in it.
fn of_size(node: &Node, size: i64) -> Value {
    match node.schema.get("items") {
        Some(items) => (0..size).map(|_| least(items)).collect(),
        None => json!("ä".repeat(usize::try_from(size).unwrap())),
    }
}

#[test]
fn every_list_and_text_is_accepted_within_its_bounds_and_refused_beyond() {
    let mut sizes = 0;
    for node in spec_nodes() {
        let bounds = |least, most| Some((node.bound(least).unwrap_or(0), node.bound(most)?));
        let sized = bounds("minItems", "maxItems").or_else(|| bounds("minLength", "maxLength"));
        let Some((least, most)) = sized else { continue };
        for (size, refused) in [(least - 1, true), (least, false), (most, false), (most + 1, true)] {
            if size >= 0 {
                assert_eq!(refuses(&node, &of_size(&node, size)), refused, "{} of {size}", node.path());
                sizes += 1;
            }
        }
    }
    assert!(sizes > 12, "{sizes} sizes");
}

#[test]
fn every_choice_is_accepted_and_nothing_like_it() {
    for node in spec_nodes().iter().filter(|node| node.schema.get("enum").is_some()) {
        for value in node.schema["enum"].as_array().unwrap() {
            let word = value.as_str().unwrap();
            assert!(!refuses(node, value), "{} = {word}", node.path());
            for other in [word.to_ascii_lowercase(), format!("{word} ")] {
                assert!(refuses(node, &json!(other)), "{} = {other}", node.path());
            }
        }
    }
}
