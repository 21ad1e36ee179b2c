//! The last good policy of the cluster, kept for the next start of the container.
//!
//! One JSON file with the object as the API server gave it, its uid and generation among the rest. It is
//! written beside itself and renamed, so that whoever reads it finds a whole policy or none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::DynamicObject;
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::error::{Error, Problem};
use crate::file_watch;

/// What takes longer is left to itself: following the policy must not hang with a disk.
const DONE_WITHIN: Duration = Duration::from_secs(2);

/// A file for the last good policy.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    desk: Arc<Mutex<Desk>>,
}

/// Between whoever has something to write and the one thread that writes.
#[derive(Debug, Default)]
struct Desk {
    /// The newest text that is not on its way to the disk yet.
    unsaved: Option<String>,
    /// Since when the thread has been at work; none: there is no thread.
    writing_since: Option<Instant>,
}

impl Cache {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, desk: Arc::default() }
    }

    /// What is kept; nothing if there is no such file yet.
    pub(super) async fn load(&self) -> Result<Option<DynamicObject>, Error> {
        let path = self.path.clone();
        let text = match in_time(move || file_watch::read(&path)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| self.error(error))?,
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| self.error(error.into()))
    }

    /// Keeps `object` for the next start. What goes wrong is logged: the policy in force does not depend on it.
    ///
    /// Nobody waits for the disk, which may be slow, or hang. What it did not come to write is replaced by what is newer.
    pub(super) fn store(&self, object: &Value) {
        let (text, now) = (object.to_string(), Instant::now());
        let mut desk = lock(&self.desk);
        desk.unsaved = Some(text);
        match desk.writing_since {
            None => {
                desk.writing_since = Some(now);
                let (path, desk) = (self.path.clone(), self.desk.clone());
                spawn_blocking(move || write_all(&path, &desk));
            }
            Some(since) if now.duration_since(since) >= DONE_WITHIN => {
                warn_unsaved(&self.path, &io::ErrorKind::TimedOut.into());
            }
            Some(_) => {}
        }
    }

    fn error(&self, error: io::Error) -> Error {
        Error::new(self.path.display(), Problem::Unreadable(error))
    }
}

/// What `read` says, if it says it in time.
async fn in_time(read: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static) -> io::Result<Vec<u8>> {
    match timeout(DONE_WITHIN, spawn_blocking(read)).await {
        Ok(ended) => ended.unwrap_or_else(|failed| Err(io::Error::other(failed))),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes until nothing is unsaved.
fn write_all(path: &Path, desk: &Mutex<Desk>) {
    while let Some(text) = next_text(desk) {
        if let Err(error) = replace(path, text.as_bytes()) {
            warn_unsaved(path, &error);
        }
    }
}

/// The next text to write; without one, the thread has left when this returns.
fn next_text(desk: &Mutex<Desk>) -> Option<String> {
    let mut desk = lock(desk);
    let text = desk.unsaved.take();
    desk.writing_since = text.as_ref().map(|_| Instant::now());
    text
}

fn warn_unsaved(path: &Path, error: &io::Error) {
    warn!(path = %path.display(), %error, "the policy cannot be cached for the next start");
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc;

    use futures_util::FutureExt;
    use serde_json::json;
    use tokio::time::{advance, sleep};

    use super::*;

    #[test]
    fn whoever_reads_while_it_is_written_finds_the_whole_old_text() {
        let folder = tempfile::tempdir().unwrap();
        let (path, reader) = (folder.path().join("policy.json"), folder.path().join("reader"));
        fs::write(&path, "old").unwrap();
        fs::hard_link(&path, &reader).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!((fs::read(path).unwrap(), fs::read(reader).unwrap()), (b"new".to_vec(), b"old".to_vec()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_given_up_so_that_the_api_server_is_asked() {
        let (_goes_on, hangs) = mpsc::channel::<()>();
        let mut read = pin!(in_time(move || {
            hangs.recv().ok();
            Ok(Vec::new())
        }));
        assert!(read.as_mut().now_or_never().is_none());
        advance(DONE_WITHIN).await;
        let given_up = read.now_or_never().expect("it is waited for no longer").unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_nobody_up_and_gets_the_newest_object_when_it_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (path, hangs) = (folder.path().join("policy.json"), folder.path().join("policy.json.new"));
        // Opening a FIFO that nobody reads blocks.
        assert!(std::process::Command::new("mkfifo").arg(&hangs).status().unwrap().success());
        let cache = Cache::new(path.clone());
        for generation in 1..=3 {
            cache.store(&json!({"metadata": {"generation": generation}}));
            // The first is on its way to the disk before there is another.
            while generation == 1 && lock(&cache.desk).unsaved.is_some() {
                sleep(Duration::from_millis(1)).await;
            }
        }
        let moved = folder.path().join("fifo");
        fs::rename(&hangs, &moved).unwrap();
        File::options().read(true).write(true).open(moved).unwrap();
        while lock(&cache.desk).writing_since.is_some() {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(fs::read_to_string(path).unwrap(), r#"{"metadata":{"generation":3}}"#);
    }
}
