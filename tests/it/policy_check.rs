//! `pacer check` against a table of good and bad policies.
//!
//! The table is data, so that the same objects can be put before a real API server. A
//! bad one says what is expected in leading comments, one for each fault, all of them:
//! `# fault: PATH | TEXT THE MESSAGE HOLDS`, and `# server: TEXT` where an API server
//! refuses it with that text and names no field.

use std::fs;
use std::path::{Path, PathBuf};

use pacer::policy;

use crate::support::policies::files;

fn check(paths: &[PathBuf]) -> (usize, String) {
    let mut out = Vec::new();
    let faults = policy::check(paths, &mut out).unwrap();
    (faults, String::from_utf8(out).unwrap())
}

/// Checks text as one file called `policy.yaml`; that name is all that is left of its path.
fn check_text(text: &str) -> (usize, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.yaml");
    fs::write(&path, text).unwrap();
    let (faults, out) = check(&[path]);
    (faults, out.replace(&format!("{}/", dir.path().display()), ""))
}

#[test]
fn good_policies_are_accepted() {
    for path in files("good") {
        let (faults, out) = check(std::slice::from_ref(&path));
        let name = path.file_stem().unwrap().to_str().unwrap();
        let expected = format!("{}: document 1: RateLimitPolicy {name}: ok\n", path.display());
        assert_eq!((faults, out), (0, expected));
    }
}

#[test]
fn bad_policies_are_refused_at_the_right_fields() {
    for path in files("bad") {
        let text = fs::read_to_string(&path).unwrap();
        let expected: Vec<_> =
            text.lines().filter_map(|line| line.strip_prefix("# fault: ")?.split_once(" | ")).collect();
        assert!(!expected.is_empty(), "{} expects nothing", path.display());

        let (faults, out) = check(std::slice::from_ref(&path));
        assert_eq!(faults, expected.len(), "{out}");
        assert_eq!(out.lines().count(), expected.len(), "{out}");
        for (field, message) in expected {
            let start = format!("{}: document 1: {field} ", path.display());
            let found = out.lines().any(|line| line.starts_with(&start) && line.contains(message));
            assert!(found, "{} lacks {field} {message}\n{out}", path.display());
        }
    }
}

#[test]
fn every_example_is_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples");
    let examples: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(examples.len() >= 4, "{examples:?}");
    let (faults, out) = check(&examples);
    assert_eq!(faults, 0, "{out}");
    assert_eq!(out.lines().filter(|line| line.ends_with(": ok")).count(), examples.len(), "{out}");
}

const GOOD: &str = "apiVersion: pacer.dev/v1alpha1\nkind: RateLimitPolicy\n\
                    metadata: {name: good}\nspec: {rate: {requestsPerMinute: 40}}\n";

#[test]
fn every_document_of_a_file_is_checked_and_other_kinds_are_noted() {
    let text = format!(
        "{GOOD}---\napiVersion: v1\nkind: ConfigMap\n---\n{}---\n\
         apiVersion: kuadrant.io/v1\nkind: RateLimitPolicy\nspec: {{}}\n",
        GOOD.replace("40", "0")
    );
    let expected = "policy.yaml: document 1: RateLimitPolicy good: ok\n\
                    policy.yaml: document 2: note: ConfigMap of v1 is skipped\n\
                    policy.yaml: document 3: spec.rate.requestsPerMinute is 0; accepted: an integer from 1 to 1000000\n\
                    policy.yaml: document 4: note: RateLimitPolicy of kuadrant.io/v1 is skipped\n";
    assert_eq!(check_text(&text), (1, expected.to_owned()));
}

#[test]
fn text_that_is_not_yaml_is_a_fault_with_line_and_column() {
    let (faults, out) = check_text(&format!("{GOOD}---\nspec: {{}}\nspec: {{}}\n"));
    assert_eq!(faults, 1);
    assert!(out.ends_with(
        "policy.yaml: document 2: line 7, column 1: duplicate mapping key: spec not allowed here\n"
    ));
}

#[test]
fn a_document_that_is_no_object_is_a_fault() {
    let (faults, out) = check_text(&format!("{GOOD}---\n- 1\n---\nrate: 40\n"));
    assert_eq!(faults, 2);
    assert!(out.contains("policy.yaml: document 2: is no Kubernetes object"), "{out}");
    assert!(out.contains("policy.yaml: document 3: is no Kubernetes object"), "{out}");
}

#[test]
fn files_without_a_policy_are_a_fault() {
    assert_eq!(check_text(""), (1, "policy.yaml: no RateLimitPolicy of pacer.dev found\n".to_owned()));
    let (faults, out) = check_text("apiVersion: v1\nkind: Secret\n");
    assert_eq!(faults, 1);
    assert!(out.ends_with("policy.yaml: no RateLimitPolicy of pacer.dev found\n"), "{out}");
}

#[test]
fn the_items_of_a_list_are_checked_as_kubectl_get_prints_them() {
    for list in ["apiVersion: v1, kind: List", "apiVersion: pacer.dev/v1alpha1, kind: RateLimitPolicyList"] {
        let bad = GOOD.replace("40", "0");
        let items = [GOOD, &bad].map(|policy| policy.replace('\n', "\n  ").trim_end().to_owned());
        let text = format!("{}\nitems:\n- {}\n", list.replace(", ", "\n"), items.join("\n- "));
        let (faults, out) = check_text(&text);
        assert_eq!(faults, 1, "{out}");
        assert!(out.starts_with("policy.yaml: document 1: item 1: RateLimitPolicy good: ok\n"), "{out}");
        assert!(out.contains("document 1: item 2: spec.rate.requestsPerMinute is 0; accepted: "), "{out}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_and_the_others_are_still_checked() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.yaml");
    fs::write(&good, GOOD).unwrap();
    let (faults, out) = check(&[dir.path().join("missing.yaml"), good]);
    assert_eq!(faults, 1);
    assert!(out.contains("missing.yaml: cannot be read: No such file or directory"), "{out}");
    assert!(out.ends_with("good.yaml: document 1: RateLimitPolicy good: ok\n"), "{out}");
}

#[test]
fn a_name_with_a_line_break_still_makes_one_line() {
    let (faults, out) = check_text(&GOOD.replace("spec: {", "spec: {\"a\\nb\": 1, "));
    assert_eq!(faults, 1);
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains(r#"spec["a\nb"] is not a field"#), "{out}");
}

#[test]
fn a_reader_that_leaves_is_no_error_and_the_faults_still_count() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(policy::check(&files("good"), &mut Closed).unwrap(), 0);
    let bad = files("bad");
    assert_eq!(policy::check(&bad, &mut Closed).unwrap(), check(&bad).0);
}
