//! The commands that docs/cluster.md shows, run as they stand.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::components::Components;
use crate::support::program::until;
use crate::support::server::Server;
use crate::support::sidecar::Launch;

const PAGE: &str = include_str!("../../docs/cluster.md");

/// The comment before a block that is run here.
const MARK: &str = "tests/cluster/page.rs runs it on a real API server -->\n```console\n";

/// A command and the lines it is said to print.
struct Shown {
    command: String,
    output: Vec<String>,
}

/// The commands of one block.
fn shown(block: &str) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push(Shown { command: command.to_owned(), output: Vec::new() }),
            (None, Some(last)) => last.output.push(line.to_owned()),
            (None, None) => panic!("a block begins with output: {line}"),
        }
    }
    commands
}

/// The columns of a line. An age is another every time.
fn columns(line: &str) -> Vec<&str> {
    let is_age = |word: &str| word.strip_suffix('s').is_some_and(|age| age.parse::<u32>().is_ok());
    line.split_whitespace().map(|word| if is_age(word) { "AGE" } else { word }).collect()
}

/// A shell in which `kubectl` has the test's kubeconfig and namespace.
struct Shell {
    folder: tempfile::TempDir,
}

impl Shell {
    fn new(kubeconfig: &Path, namespace: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kubectl = Components::find().unwrap().kubectl();
        let script = format!(
            "#!/bin/sh\nexec '{}' --kubeconfig '{}' --namespace '{namespace}' \"$@\"\n",
            kubectl.display(),
            kubeconfig.display(),
        );
        let path = folder.path().join("kubectl");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// Runs a command in the project's folder; what it prints.
    fn run(&self, command: &str) -> String {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.folder.path().display());
        let mut shell = Command::new("bash");
        shell.args(["-c", command]).env("PATH", path).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the commands of a block; each must print what the page says, sooner or later.
    fn follow(&self, block: &str, port: u16) {
        for Shown { command, output } in shown(block) {
            let command = command.replace(":9191", &format!(":{port}"));
            let printed = self.run(&command);
            if output.is_empty() {
                continue;
            }
            let expected: Vec<_> = output.iter().map(|line| columns(line)).collect();
            let is_as_shown = |text: &str| text.lines().map(columns).collect::<Vec<_>>() == expected;
            if !is_as_shown(&printed) {
                until(&format!("{command} prints {expected:?}; it printed {printed}"), || {
                    is_as_shown(&self.run(&command))
                });
            }
        }
    }
}

#[test]
fn what_the_page_shows_happens() {
    let server = Server::shared();
    let namespace = server.namespace("readme");
    let kubeconfig = server.path("kubeconfig");
    let shell = Shell::new(&kubeconfig, &namespace.name);
    let blocks: Vec<_> = PAGE.split(MARK).skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [first, second] = blocks.as_slice() else { panic!("{} blocks are marked", blocks.len()) };
    shell.follow(first, 9191);

    let args = ["--policy=nvidia", "--policy-namespace", &namespace.name];
    let sidecar = Launch::new(&args).kubeconfig(&kubeconfig).start();
    assert_eq!(sidecar.status()["policy"]["state"], "synced");
    shell.follow(second, sidecar.metrics.port());
    until("the edit is in force", || sidecar.status()["settings"]["rate"]["requestsPerMinute"] == 30);
}
