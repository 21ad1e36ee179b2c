//! `pacer check`: what an API server would say about policies, without one.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::document::documents;
use crate::api::{self, API_VERSION, GROUP, KIND};

/// Checks every policy in the files and writes one line a finding; `-` is standard input.
///
/// A policy without fault gets a line of its own, a document of another kind a note.
/// Returns how many faults there are; files that hold no policy at all are one.
///
/// # Errors
/// `out` cannot be written to. A file that cannot be read is a fault, and a reader of `out` that
/// has left is neither: the faults count all the same.
pub fn check(paths: &[PathBuf], out: &mut dyn Write) -> io::Result<usize> {
    let mut check = Check { out, reader_left: false, policies: 0, faults: 0 };
    for path in paths {
        match read(path) {
            Ok(text) => check.file(&name(path), &text)?,
            Err(error) => check.fault(&format!("{}: cannot be read: {error}", name(path)))?,
        }
    }
    if check.policies == 0 && check.faults == 0 {
        let names: Vec<_> = paths.iter().map(|path| name(path)).collect();
        check.fault(&format!("{}: no {KIND} of {GROUP} found", names.join(", ")))?;
    }
    Ok(check.faults)
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// What a file is called in a finding.
fn name(path: &Path) -> String {
    if is_standard_input(path) { "standard input".to_owned() } else { path.display().to_string() }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !is_standard_input(path) {
        return std::fs::read(path);
    }
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text)?;
    Ok(text)
}

/// A check under way.
struct Check<'a> {
    out: &'a mut dyn Write,
    /// As in `pacer check ... | head -1`.
    reader_left: bool,
    policies: usize,
    faults: usize,
}

impl Check<'_> {
    fn file(&mut self, name: &str, text: &[u8]) -> io::Result<()> {
        for (number, document) in (1..).zip(documents(text)) {
            let place = format!("{name}: document {number}");
            match document {
                Err(not_yaml) => self.fault(&format!("{place}: {not_yaml}"))?,
                Ok(object) => self.document(&place, object)?,
            }
        }
        Ok(())
    }

    /// An object, or the list of them that `kubectl get` prints and `kubectl apply` takes.
    fn document(&mut self, place: &str, mut document: Value) -> io::Result<()> {
        let Some(items) = items(&mut document) else {
            return self.object(place, document);
        };
        for (number, item) in (1..).zip(items) {
            self.object(&format!("{place}: item {number}"), item)?;
        }
        Ok(())
    }

    fn object(&mut self, place: &str, object: Value) -> io::Result<()> {
        match identity(&object) {
            Identity::Policy => self.policy(place, object),
            Identity::Other(what) => self.say(&format!("{place}: note: {what} is skipped")),
            Identity::None => {
                let found = "is no Kubernetes object; accepted: a mapping with apiVersion and kind";
                self.fault(&format!("{place}: {found}"))
            }
        }
    }

    fn policy(&mut self, place: &str, object: Value) -> io::Result<()> {
        self.policies += 1;
        let checked = api::check(object);
        let (policy, mut faults) = match checked.policy {
            Ok(policy) => (Some(policy), Vec::new()),
            Err(faults) => (None, faults),
        };
        faults.extend(checked.unknown);
        for fault in &faults {
            self.fault(&format!("{place}: {fault}"))?;
        }
        match policy {
            Some(policy) if faults.is_empty() => {
                let name = policy.metadata.name.unwrap_or_default();
                self.say(&format!("{place}: {KIND} {name}: ok"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn fault(&mut self, line: &str) -> io::Result<()> {
        self.faults += 1;
        self.say(line)
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        if self.reader_left {
            return Ok(());
        }
        match writeln!(self.out, "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.reader_left = true,
            written => written?,
        }
        Ok(())
    }
}

/// What a document says it is.
enum Identity {
    /// One of ours, or meant to be: our group with another kind, or our kind without a group.
    Policy,
    /// Another kind of object.
    Other(String),
    /// No object at all.
    None,
}

/// What a list holds; nothing for another object.
fn items(document: &mut Value) -> Option<Vec<Value>> {
    let text = |field| document.get(field).and_then(Value::as_str);
    let is_list = match (text("apiVersion")?, text("kind")?) {
        ("v1", "List") => true,
        (version, kind) => version == API_VERSION && kind.strip_suffix("List") == Some(KIND),
    };
    let items = is_list.then(|| document.get_mut("items"))??;
    items.as_array_mut().map(std::mem::take)
}

fn identity(object: &Value) -> Identity {
    let text = |field| object.get(field).and_then(Value::as_str);
    let group = |version: &str| version.split_once('/').map(|(group, _)| group.to_owned());
    match (text("apiVersion"), text("kind")) {
        (Some(version), _) if group(version).as_deref() == Some(GROUP) => Identity::Policy,
        (version, Some(kind)) if kind == KIND && version.and_then(group).is_none() => Identity::Policy,
        (Some(version), Some(kind)) => Identity::Other(format!("{kind} of {version}")),
        (Some(_), None) | (None, _) => Identity::None,
    }
}
