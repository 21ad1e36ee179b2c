//! The last good policy of the cluster, kept for the next start of the container.
//!
//! One JSON file with the object as the API server gave it, its uid and generation among the rest. It is
//! written beside itself and renamed, so that whoever reads it finds a whole policy or none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::api::DynamicObject;
use serde_json::Value;
use tracing::warn;

use super::error::{Error, Problem};
use crate::file_watch;

/// What takes longer is left to itself: following the policy must not hang with a disk.
const DONE_WITHIN: Duration = Duration::from_secs(2);

/// A file for the last good policy.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    path: PathBuf,
}

impl Cache {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What is kept; nothing if there is no such file yet.
    pub(super) async fn load(&self) -> Result<Option<DynamicObject>, Error> {
        let path = self.path.clone();
        let text = match beside(move || file_watch::read(&path)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| self.error(error))?,
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| self.error(error.into()))
    }

    /// Keeps `object` for the next start. What goes wrong is logged: the policy in force does not depend on it.
    pub(super) async fn store(&self, object: &Value) {
        let (path, text) = (self.path.clone(), object.to_string());
        if let Err(error) = beside(move || replace(&path, text.as_bytes())).await {
            warn!(path = %self.path.display(), %error, "the policy cannot be cached for the next start");
        }
    }

    fn error(&self, error: io::Error) -> Error {
        Error::new(self.path.display(), Problem::Unreadable(error))
    }
}

/// Runs what may block on a thread of its own.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::time::timeout(DONE_WITHIN, tokio::task::spawn_blocking(work)).await {
        Ok(ended) => ended.unwrap_or_else(|failed| Err(io::Error::other(failed))),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Replaces a file by another with this text, in one step that a crash does not split.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}
