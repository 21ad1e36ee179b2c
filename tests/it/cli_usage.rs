//! What the program says to a command line or an environment that makes no sense.

use std::net::TcpListener;

use crate::support::process::run;

#[track_caller]
fn refuses(args: &[&str], variables: &[(&str, &str)], fragments: &[&str]) {
    let (code, stdout, stderr) = run(args, variables);
    assert_eq!(code, 2, "{stderr}");
    assert_eq!(stdout, "");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("pacer: "), "{stderr}");
    for fragment in fragments {
        assert!(stderr.contains(fragment), "{fragment:?} is not in {stderr:?}");
    }
}

#[test]
fn a_value_that_does_not_parse_is_refused_with_its_flag() {
    for (flag, value, accepted) in [
        ("--host", "localhost", "an IP address such as 127.0.0.1"),
        ("--port", "65536", "a whole number from 0 to 65535"),
        ("--metrics-host", "*", "an IP address"),
        ("--metrics-port", "http", "a whole number from 0 to 65535"),
        ("--upstream", "integrate.api.nvidia.com", "http"),
        ("--provider", "", "1 to 63 letters, digits"),
        ("--drain-seconds", "3601", "a whole number from 0 to 3600"),
        ("--log-level", "verbose", "error, warn, info, debug, trace"),
        ("--log-format", "yaml", "json or text"),
        ("--rate-rpm", "0", "a whole number from 1 to 1000000"),
        ("--bucket-capacity", "1000001", "a whole number from 1 to 1000000"),
        ("--queue-max", "-1", "a whole number from 0 to 100000"),
        ("--timeout", "1.5", "a whole number from 1 to 3600"),
        ("--low-timeout", "2s", "a whole number from 1 to 3600"),
        ("--fallback-passthrough", "on", "true or false"),
    ] {
        refuses(&["run", flag, value], &[], &[&format!("pacer: {flag}: {value:?} is refused: "), accepted]);
    }
}

#[test]
fn a_value_from_the_environment_is_refused_with_its_variable() {
    for (variable, flag) in [
        ("SIDECAR_HOST", "--host"),
        ("SIDECAR_PORT", "--port"),
        ("SIDECAR_METRICS_HOST", "--metrics-host"),
        ("SIDECAR_METRICS_PORT", "--metrics-port"),
        ("SIDECAR_UPSTREAM", "--upstream"),
        ("SIDECAR_DRAIN_SECONDS", "--drain-seconds"),
        ("SIDECAR_LOG_LEVEL", "--log-level"),
        ("SIDECAR_LOG_FORMAT", "--log-format"),
        ("SIDECAR_RATE_RPM", "--rate-rpm"),
        ("SIDECAR_BUCKET_CAPACITY", "--bucket-capacity"),
        ("SIDECAR_QUEUE_MAX", "--queue-max"),
        ("SIDECAR_TIMEOUT", "--timeout"),
        ("SIDECAR_LOW_TIMEOUT", "--low-timeout"),
        ("SIDECAR_FALLBACK_PASSTHROUGH", "--fallback-passthrough"),
    ] {
        let expected = format!("pacer: {variable} ({flag}): \"x y\" is refused: ");
        refuses(&["run"], &[(variable, "x y")], &[&expected]);
    }
}

#[test]
fn a_flag_wins_over_its_variable() {
    refuses(&["run", "--port=x"], &[("SIDECAR_PORT", "9190")], &["pacer: --port: \"x\""]);
}

#[test]
fn the_address_of_a_kubernetes_service_in_a_variable_is_explained() {
    refuses(&["run"], &[("SIDECAR_PORT", "tcp://10.0.0.1:80")], &["enableServiceLinks: false"]);
}

#[test]
fn two_sources_of_the_policy_are_one_too_many() {
    let both = [
        "--policy (SIDECAR_POLICY) is \"nvidia\"",
        "--policy-file (SIDECAR_POLICY_FILE) is /p.yaml",
        "set one",
    ];
    refuses(&["run", "--policy=nvidia", "--policy-file=/p.yaml"], &[], &both);
    refuses(&["run", "--policy-file=/p.yaml"], &[("SIDECAR_POLICY", "nvidia")], &both);
}

#[test]
fn names_that_no_policy_or_namespace_can_have_are_refused() {
    refuses(
        &["run", "--policy=Nvidia"],
        &[],
        &["pacer: --policy: \"Nvidia\" is refused: accepted is up to 63 of a-z"],
    );
    refuses(&["run", "--policy=a..b"], &[], &["a letter or digit at both ends and beside each '.'"]);
    let variables = [("SIDECAR_POLICY", "nvidia"), ("SIDECAR_POLICY_NAMESPACE", "a.b")];
    refuses(
        &["run"],
        &variables,
        &["SIDECAR_POLICY_NAMESPACE", "\"a.b\" is refused: accepted is up to 63 of a-z"],
    );
}

#[test]
fn a_key_is_never_echoed() {
    for key in ["s3cret\nkey", "s3cret\u{7f}"] {
        let (code, stdout, stderr) = run(&["run"], &[("SIDECAR_API_KEY", key)]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.starts_with("pacer: SIDECAR_API_KEY: "), "{stderr}");
        assert!(!format!("{stdout}{stderr}").contains("s3cret"), "{stderr}");
    }
    let both = [("SIDECAR_API_KEY", "s3cret"), ("SIDECAR_API_KEY_FILE", "/key")];
    let (code, _, stderr) = run(&["run"], &both);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("set one of them") && !stderr.contains("s3cret"), "{stderr}");
}

#[test]
fn a_policy_that_is_not_valid_is_refused_with_its_field() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.yaml");
    let path = file.to_str().unwrap();
    refuses(&["run", "--policy-file", path], &[], &[path]);
    let policy = "apiVersion: pacer.dev/v1alpha1\nkind: RateLimitPolicy\nmetadata: {name: test}\n\
                  spec: {rate: {requestsPerMinute: 0}}\n";
    std::fs::write(&file, policy).unwrap();
    refuses(
        &["run", "--policy-file", path],
        &[],
        &[&format!("pacer: --policy-file: {path}: spec.rate.requestsPerMinute is 0")],
    );
    std::fs::write(&file, policy.replace("Minute: 0", "Minute: 0, capacity: 0")).unwrap();
    let (code, _, stderr) = run(&["run", "--policy-file", path], &[]);
    assert_eq!((code, stderr.lines().count()), (2, 2), "{stderr}");
    let expected = format!("pacer: --policy-file: {path}: spec.rate.");
    assert!(stderr.lines().all(|line| line.starts_with(&expected)), "{stderr}");
}

#[test]
fn a_key_file_that_cannot_be_used_is_one_line_with_its_flag() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let path = file.to_str().unwrap();
    refuses(&["run"], &[("SIDECAR_API_KEY_FILE", path)], &["pacer: --api-key-file: ", path, "No such file"]);
    std::fs::write(&file, "").unwrap();
    refuses(&["run", "--api-key-file", path], &[], &["pacer: --api-key-file: ", path, "is empty"]);
}

#[test]
fn check_exits_1_on_a_fault_and_0_without() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("policy.yaml");
    let path = file.to_str().unwrap();
    for (rpm, expected) in [("40", 0), ("-40", 1)] {
        let policy = format!(
            "apiVersion: pacer.dev/v1alpha1\nkind: RateLimitPolicy\nmetadata: {{name: test}}\n\
             spec: {{rate: {{requestsPerMinute: {rpm}}}}}\n"
        );
        std::fs::write(&file, policy).unwrap();
        let (code, stdout, stderr) = run(&["check", path], &[]);
        assert_eq!(code, expected, "{stdout}{stderr}");
        assert!(stdout.contains(path), "{stdout}");
    }
}

#[test]
fn standard_input_is_called_so_in_every_finding() {
    let (code, stdout, _) = run(&["check", "-"], &[]);
    assert_eq!((code, stdout.as_str()), (1, "standard input: no RateLimitPolicy of pacer.dev found\n"));
}

#[test]
fn a_port_in_use_is_told_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = address.rsplit(':').next().unwrap();
    for (flag, other) in [("--port", "--metrics-port"), ("--metrics-port", "--port")] {
        let args = ["run", "--metrics-host=127.0.0.1", flag, port, other, "0"];
        let (code, stdout, stderr) = run(&args, &[]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        let expected =
            format!("pacer: {address} is in use by another process: choose another port with {flag}\n");
        assert_eq!(stderr, expected);
    }
}

#[test]
fn the_program_explains_itself() {
    let (code, stdout, stderr) = run(&[], &[]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("Usage: pacer"), "{stderr}");

    for word in ["help", "--help", "-h"] {
        let (code, stdout, stderr) = run(&[word], &[]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{word}");
        for command in ["run", "demo", "check", "healthcheck"] {
            assert!(stdout.contains(&format!("\n  {command} ")), "{stdout}");
        }
    }
    let (code, stdout, _) = run(&["--version"], &[]);
    assert_eq!((code, stdout), (0, format!("pacer {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let (code, stdout, _) = run(&["run", "--help"], &[("SIDECAR_UPSTREAM", "https://me:s3cret@api.test/v1")]);
    assert_eq!(code, 0);
    assert!(stdout.contains("SIDECAR_UPSTREAM]") && !stdout.contains("s3cret"), "{stdout}");
}
