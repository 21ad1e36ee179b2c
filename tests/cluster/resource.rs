//! The definition on a real API server: what it says when it is applied, and what users are shown.

use std::path::Path;

use crate::support::crd::CRD;
use crate::support::program::until;
use crate::support::server::Server;

/// The example policies, and their text.
fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let examples: Vec<_> =
        files.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect();
    assert!(examples.len() >= 4, "{} examples", examples.len());
    examples
}

#[test]
fn the_definition_is_accepted_without_a_warning_and_applied_again_it_changes_nothing() {
    let server = Server::shared();
    let generation = || {
        server.kubectl().get("crd", "ratelimitpolicies.pacer.dev").json()["metadata"]["generation"].clone()
    };
    let before = generation();
    let again = server.kubectl().apply(CRD).succeeds().without_warnings();
    assert!(again.stdout.ends_with(" unchanged\n"), "{}", again.stdout);
    assert_eq!(generation(), before);
}

#[test]
fn the_definition_is_structural_and_its_names_are_free() {
    let definition = Server::shared().kubectl().get("crd", "ratelimitpolicies.pacer.dev").json();
    let conditions: Vec<_> = definition["status"]["conditions"].as_array().unwrap().iter().collect();
    let is =
        |kind: &str, status: &str| conditions.iter().any(|it| it["type"] == kind && it["status"] == status);
    assert!(is("NamesAccepted", "True") && is("Established", "True"), "{conditions:?}");
    assert!(!is("NonStructuralSchema", "True"), "{conditions:?}");
}

#[test]
fn the_server_fills_in_every_default() {
    let namespace = Server::shared().namespace("defaults");
    let given = "apiVersion: pacer.dev/v1alpha1\nkind: RateLimitPolicy\nmetadata: {name: a}\n\
                 spec: {rate: {requestsPerMinute: 40}, queue: {maxDepth: 7}}\n";
    namespace.kubectl().apply(given).succeeds().without_warnings();
    let stored = namespace.kubectl().get("rlpol", "a").json()["spec"].clone();
    let expected = serde_json::json!({
        "mode": "Enforce",
        "rate": {"requestsPerMinute": 40, "windowSeconds": 60, "windowMarginMilliseconds": 500},
        "queue": {
            "maxDepth": 7, "whenFull": "Passthrough", "defaultPriority": "Normal", "maxWaitSeconds": 60, "priorities": [],
        },
        "retreat": {
            "mode": "Enabled", "thresholdPercent": 5, "factorPercent": 75, "windowSeconds": 60, "minimumSamples": 10,
            "recovery": {"probeAfterSeconds": 10, "probeMaxSeconds": 300},
        },
        "retry": {"rateLimited": "Enabled", "serverErrors": 4},
        "timeouts": {"connectSeconds": 5, "idleSeconds": 60, "totalSeconds": 0},
        "match": {"models": ["*"], "methods": ["POST"]},
        "readiness": {"gates": []},
    });
    assert_eq!(stored, expected);
}

#[test]
fn server_side_apply_replaces_a_default_list_and_adds_nothing_to_it() {
    let namespace = Server::shared().namespace("server-side");
    for (matched, models, methods) in [
        ("{}", ["*"], ["POST"]),
        (r#"{models: ["a*"], methods: [GET]}"#, ["a*"], ["GET"]),
        ("{}", ["*"], ["POST"]),
    ] {
        let given = format!(
            "apiVersion: pacer.dev/v1alpha1\nkind: RateLimitPolicy\nmetadata: {{name: a}}\n\
             spec: {{rate: {{requestsPerMinute: 40}}, match: {matched}}}\n"
        );
        let apply = ["apply", "--server-side", "--field-manager=gitops", "-f", "-"];
        namespace.kubectl().run_with(&given, &apply).succeeds().without_warnings();
        let stored = namespace.kubectl().get("rlpol", "a").json()["spec"]["match"].clone();
        assert_eq!(stored, serde_json::json!({"models": models, "methods": methods}));
    }
}

#[test]
fn a_list_of_policies_shows_rate_capacity_mode_and_age() {
    let namespace = Server::shared().namespace("columns");
    for (path, text) in examples() {
        let ran = namespace.kubectl().apply(&text).without_warnings();
        assert_eq!(ran.code, 0, "{path}: {ran:?}");
    }
    let list = namespace.kubectl().run(&["get", "rlpol", "--sort-by=.metadata.name"]).succeeds().stdout;
    let rows: Vec<Vec<_>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "RATE", "CAPACITY", "MODE", "AGE"]);
    assert_eq!(rows[1][..3], ["batch", "40", "Enforce"], "no capacity where none is given");
    assert_eq!(rows[2][..4], ["interactive", "40", "10", "Enforce"]);
    assert_eq!(rows[4][..3], ["observe", "40", "Observe"]);
    let of_category = namespace.kubectl().run(&["get", "pacer", "-o", "name"]).succeeds().stdout;
    assert_eq!(of_category.lines().count(), examples().len());
}

#[test]
fn every_example_is_accepted_by_a_dry_run() {
    let namespace = Server::shared().namespace("examples");
    for (path, text) in examples() {
        let ran = namespace.kubectl().apply_dry_run(&text).without_warnings();
        assert_eq!(ran.code, 0, "{path}: {ran:?}");
    }
}

#[test]
fn the_pod_that_the_docs_show_is_accepted_by_a_dry_run() {
    let namespace = Server::shared().namespace("pod");
    let docs = include_str!("../../docs/cluster.md");
    let shown = docs.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(shown.contains("kind: Pod") && shown.contains("restartPolicy: Always"), "{shown}");
    let here = shown.replace(", namespace: team-a", "");
    namespace.kubectl().apply_dry_run(&here).succeeds().without_warnings();
}

#[test]
fn kubectl_explains_every_field() {
    let kubectl = Server::shared().kubectl();
    let recursive = || kubectl.run(&["explain", "ratelimitpolicies.pacer.dev", "--recursive"]);
    // The server publishes what it knows of fields a moment after it serves the objects.
    until("the fields are published", || recursive().code == 0);
    let all = recursive().succeeds().stdout;
    let schema = &pacer::api::schema()["properties"]["spec"];
    let names = fields(schema);
    assert!(names.len() > 35, "{names:?}");
    for name in names {
        assert!(all.contains(&format!("{name}\t<")), "{name} is not in\n{all}");
    }
    let queue = kubectl.explain("ratelimitpolicies.pacer.dev.spec.queue").succeeds().stdout;
    // kubectl breaks the lines.
    let words = queue.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("0: none ever waits. Accepted: an integer from 0 to 100000. Default: 500."),
        "{queue}"
    );
    assert!(queue.contains("enum: Passthrough, Reject"), "{queue}");
}

/// The names of all fields inside a schema.
fn fields(schema: &serde_json::Value) -> Vec<String> {
    let own = schema["properties"].as_object().into_iter().flatten();
    let inner = own.flat_map(|(name, inner)| std::iter::once(name.clone()).chain(fields(inner)));
    inner.chain(schema.get("items").into_iter().flat_map(fields)).collect()
}
