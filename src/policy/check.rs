//! `pacer check`: what an API server would say about policies, without one.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::document::documents;
use crate::api::{self, GROUP, KIND};

/// Checks every policy in the files and writes one line a finding; `-` is standard input.
///
/// A policy without fault gets a line of its own, a document of another kind a note.
/// Returns how many faults there are; files that hold no policy at all are one.
///
/// # Errors
/// `out` cannot be written to. A file that cannot be read is a fault.
pub fn check(paths: &[PathBuf], out: &mut dyn Write) -> io::Result<usize> {
    let mut check = Check { out, policies: 0, faults: 0 };
    for path in paths {
        match read(path) {
            Ok((name, text)) => check.file(&name, &text)?,
            Err(error) => check.fault(&format!("{}: cannot be read: {error}", path.display()))?,
        }
    }
    if check.policies == 0 && check.faults == 0 {
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        check.fault(&format!("{}: no {KIND} of {GROUP} found", names.join(", ")))?;
    }
    Ok(check.faults)
}

fn read(path: &Path) -> io::Result<(String, Vec<u8>)> {
    if path == Path::new("-") {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        return Ok(("standard input".to_owned(), text));
    }
    Ok((path.display().to_string(), std::fs::read(path)?))
}

/// A check under way.
struct Check<'a> {
    out: &'a mut dyn Write,
    policies: usize,
    faults: usize,
}

impl Check<'_> {
    fn file(&mut self, name: &str, text: &[u8]) -> io::Result<()> {
        for (number, document) in (1..).zip(documents(text)) {
            let place = format!("{name}: document {number}");
            match document {
                Err(not_yaml) => self.fault(&format!("{place}: {not_yaml}"))?,
                Ok(object) => match identity(&object) {
                    Identity::Policy => self.policy(&place, object)?,
                    Identity::Other(what) => writeln!(self.out, "{place}: note: {what} is skipped")?,
                    Identity::None => {
                        let found = "is no Kubernetes object; accepted: a mapping with apiVersion and kind";
                        self.fault(&format!("{place}: {found}"))?;
                    }
                },
            }
        }
        Ok(())
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
                let name = policy.metadata.name.as_deref().unwrap_or("without a name");
                writeln!(self.out, "{place}: {KIND} {name}: ok")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn fault(&mut self, line: &str) -> io::Result<()> {
        self.faults += 1;
        writeln!(self.out, "{line}")
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
