//! The real `kubectl`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::kept::PATH;

/// `kubectl` with one kubeconfig, in one namespace.
#[derive(Clone, Debug)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
    namespace: Option<String>,
}

/// What one run of `kubectl` did. The asserts show all of it when they fail.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The command line, as it would be typed.
    pub(crate) command: String,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    /// Errors, and the API server's warnings, each a line `Warning: ...`.
    pub(crate) stderr: String,
}

impl Kubectl {
    pub(super) fn new(program: PathBuf, kubeconfig: &Path, cache: &Path) -> Self {
        Self { program, kubeconfig: kubeconfig.to_owned(), cache: cache.to_owned(), namespace: None }
    }

    /// The same in another namespace than the kubeconfig's.
    pub(crate) fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// The namespace it was given.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Runs any command.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with("", args)
    }

    /// Runs any command with `input` on its standard input.
    pub(crate) fn run_with(&self, input: &str, args: &[&str]) -> Ran {
        let mut child = self.command(args).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // A command that does not read its input closes it, which is no fault.
        let feed = std::thread::spawn(move || stdin.write_all(input.as_bytes()).ok());
        let output = child.wait_with_output().unwrap();
        feed.join().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            command: format!("kubectl {}", args.join(" ")),
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// `kubectl apply`, as users do it: unknown fields are refused.
    pub(crate) fn apply(&self, yaml: &str) -> Ran {
        self.run_with(yaml, &["apply", "-f", "-"])
    }

    /// `kubectl apply` that the server checks in full and does not store.
    pub(crate) fn apply_dry_run(&self, yaml: &str) -> Ran {
        self.run_with(yaml, &["apply", "--dry-run=server", "-f", "-"])
    }

    /// `kubectl get RESOURCE NAME -o json`; see [`Ran::json`].
    pub(crate) fn get(&self, resource: &str, name: &str) -> Ran {
        self.run(&["get", resource, name, "-o", "json"])
    }

    /// A JSON merge patch.
    pub(crate) fn patch(&self, resource: &str, name: &str, patch: &str) -> Ran {
        self.run(&["patch", resource, name, "--type=merge", "-p", patch])
    }

    pub(crate) fn delete(&self, resource: &str, name: &str) -> Ran {
        self.run(&["delete", resource, name])
    }

    /// `kubectl explain FIELD`, such as `ratelimitpolicies.pacer.dev.spec.rate`.
    pub(crate) fn explain(&self, field: &str) -> Ran {
        self.run(&["explain", field])
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("PATH", PATH);
        // The cache knows servers by their ports, and a port may be another server's next time.
        command.env("KUBECACHEDIR", &self.cache).env("KUBECONFIG", &self.kubeconfig);
        if let Some(namespace) = &self.namespace {
            command.args(["--namespace", namespace]);
        }
        // Only ends a test that has failed.
        command.arg("--request-timeout=60s");
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Ran {
    /// Asserts exit code 0.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// Asserts another exit code than 0, and that standard error says `why`.
    #[track_caller]
    pub(crate) fn fails(self, why: &str) -> Self {
        assert_ne!(self.code, 0, "{self:#?}");
        assert!(self.stderr.contains(why), "not said: {why:?}\n{self:#?}");
        self
    }

    /// Asserts that neither the API server nor `kubectl` warned of anything.
    #[track_caller]
    pub(crate) fn without_warnings(self) -> Self {
        assert!(!self.stderr.to_lowercase().contains("warning"), "{self:#?}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self:#?}"))
    }
}
