//! Following the contents of one small file.
//!
//! Kubernetes replaces mounted `ConfigMap`s and `Secret`s by swapping a symlink, which
//! inotify on the file itself does not see. Reading a few kilobytes once a second does,
//! and works on every file system.
//!
//! A read can block for ever: a FIFO that nobody writes to, a mount whose server is gone. So
//! only regular files are read, on a thread where blocking hurts nobody, and one that
//! takes too long is an error to its reader while it stays the only read under way.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;

/// How often the file is read: with the reader's own work, a change is in force within a second.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// The longest file that is read, in bytes: what a `ConfigMap` or a `Secret` can hold.
pub const LENGTH_LIMIT: u64 = 1 << 20;

/// A read that takes longer hangs: a local file takes microseconds, a slow network's a second.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A file and what it held when it was last read.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    last: Result<Vec<u8>, io::ErrorKind>,
    reading: Reading,
}

impl FileWatch {
    /// Reads the file for the first time; blocks until it is read.
    ///
    /// # Errors
    /// Whatever reading the file says, or that it is no regular file, or longer than
    /// [`LENGTH_LIMIT`]; there is no watch then.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<(Self, Vec<u8>)> {
        let path = path.into();
        let contents = read(&path)?;
        Ok((Self { path, last: Ok(contents.clone()), reading: Reading::default() }, contents))
    }

    /// Waits until the file reads differently from last time, and says how.
    ///
    /// A file that cannot be read is such a change, told once. Cancel-safe.
    pub async fn changed(&mut self) -> io::Result<Vec<u8>> {
        loop {
            tokio::time::sleep(POLL_EVERY).await;
            let path = self.path.clone();
            let read = self.reading.finish(move || read(&path)).await;
            let seen = read.as_ref().map(Clone::clone).map_err(io::Error::kind);
            if seen != self.last {
                self.last = seen;
                return read;
            }
        }
    }
}

/// At most one read under way, whether somebody waits for it or not.
#[derive(Debug, Default)]
struct Reading {
    under_way: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl Reading {
    /// Waits for the read under way, or starts one. Cancel-safe.
    async fn finish(
        &mut self,
        start: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
    ) -> io::Result<Vec<u8>> {
        let under_way = self.under_way.get_or_insert_with(|| tokio::task::spawn_blocking(start));
        let Ok(ended) = tokio::time::timeout(READ_WITHIN, under_way).await else {
            let seconds = READ_WITHIN.as_secs();
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("not read within {seconds} s; still trying"),
            ));
        };
        self.under_way = None;
        ended.unwrap_or_else(|failed| Err(io::Error::other(failed)))
    }
}

/// The contents of a regular file, or of the one that a symlink leads to.
///
/// # Errors
/// Whatever reading the file says, or that it is no regular file, or longer than [`LENGTH_LIMIT`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a FIFO blocks until somebody writes to it: look first.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut contents = Vec::new();
    let length = File::open(path)?.take(LENGTH_LIMIT + 1).read_to_end(&mut contents)?;
    if u64::try_from(length).is_ok_and(|length| length > LENGTH_LIMIT) {
        let fault = format!("longer than {LENGTH_LIMIT} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, fault));
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_swapped_symlink_is_a_change_and_a_missing_file_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        for (name, contents) in [("one", "1"), ("two", "2")] {
            std::fs::write(dir.path().join(name), contents).unwrap();
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("one", &link).unwrap();
        let (mut watch, first) = FileWatch::open(&link).unwrap();
        assert_eq!(first, b"1");

        let next = dir.path().join("next");
        std::os::unix::fs::symlink("two", &next).unwrap();
        std::fs::rename(&next, &link).unwrap();
        assert_eq!(watch.changed().await.unwrap(), b"2");

        std::fs::remove_file(&link).unwrap();
        assert_eq!(watch.changed().await.unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&link, "3").unwrap();
        assert_eq!(watch.changed().await.unwrap(), b"3");
    }

    #[tokio::test]
    async fn a_fifo_is_told_as_an_error_and_does_not_end_the_watch() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "1").unwrap();
        let (mut watch, _) = FileWatch::open(&path).unwrap();

        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = watch.changed().await.unwrap_err();
        assert_eq!(error.to_string(), "not a regular file");
        assert_eq!(FileWatch::open(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);

        let next = dir.path().join("next");
        std::fs::write(&next, "2").unwrap();
        std::fs::rename(&next, &path).unwrap();
        assert_eq!(watch.changed().await.unwrap(), b"2");
    }

    #[tokio::test]
    async fn a_file_is_read_up_to_its_limit_and_no_further() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let limit = usize::try_from(LENGTH_LIMIT).unwrap();
        std::fs::write(&path, vec![b'x'; limit]).unwrap();
        let (mut watch, contents) = FileWatch::open(&path).unwrap();
        assert_eq!(contents.len(), limit);
        // A sparse file of a size that would fill any memory.
        File::create(&path).unwrap().set_len(1 << 42).unwrap();
        assert_eq!(watch.changed().await.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_an_error_and_stays_the_only_one_until_it_ends() {
        let (end, hangs) = std::sync::mpsc::channel::<()>();
        let mut reading = Reading::default();
        {
            let mut first = pin!(reading.finish(move || {
                hangs.recv().ok();
                Ok(b"late".to_vec())
            }));
            assert!(first.as_mut().now_or_never().is_none());
            tokio::time::advance(READ_WITHIN).await;
            assert_eq!(first.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        let another = || -> io::Result<Vec<u8>> { panic!("a second read is under way") };
        assert!(reading.finish(another).now_or_never().is_none(), "the first still hangs");
        end.send(()).unwrap();
        assert_eq!(reading.finish(another).await.unwrap(), b"late");
        assert_eq!(reading.finish(|| Ok(b"next".to_vec())).await.unwrap(), b"next");
    }
}
