//! The policy from a file.

use std::path::{Path, PathBuf};

use super::document::documents;
use super::error::{Error, Problem};
use super::publish::{Policy, Publisher};
use crate::api;
use crate::file_watch::FileWatch;
use crate::metrics::PolicySource;

/// A file whose contents are followed as a policy.
#[derive(Debug)]
pub(super) struct PolicyFile {
    path: PathBuf,
    watch: FileWatch,
}

/// Reads the file for the first time.
pub(super) fn open(path: PathBuf) -> Result<(PolicyFile, Policy), Error> {
    let opened =
        FileWatch::open(&path).map_err(|error| Error::new(path.display(), Problem::Unreadable(error)));
    let (watch, contents) = opened?;
    let policy = read(&path, &contents)?;
    Ok((PolicyFile { path, watch }, policy))
}

/// Publishes every change of the file, for ever.
pub(super) async fn follow(mut file: PolicyFile, publisher: Publisher) {
    loop {
        let policy = match file.watch.changed().await {
            Ok(contents) => read(&file.path, &contents),
            Err(error) => Err(Error::new(file.path.display(), Problem::Unreadable(error))),
        };
        match policy {
            Ok(policy) => publisher.accept(policy),
            Err(error) => publisher.reject(&error),
        }
    }
}

fn read(path: &Path, contents: &[u8]) -> Result<Policy, Error> {
    parse(contents).map_err(|problem| Error::new(path.display(), problem))
}

fn parse(contents: &[u8]) -> Result<Policy, Problem> {
    let mut documents =
        documents(contents).into_iter().collect::<Result<Vec<_>, _>>().map_err(Problem::NotYaml)?;
    match (documents.pop(), documents.len()) {
        (Some(only), 0) => {
            let checked = api::check(only);
            let object = checked.policy.map_err(Problem::Faults)?;
            Ok(Policy::new(PolicySource::File, object, checked.unknown))
        }
        (last, others) => Err(Problem::Documents(others + usize::from(last.is_some()))),
    }
}
