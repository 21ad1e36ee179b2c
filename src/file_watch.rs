//! Following the contents of one small file.
//!
//! Kubernetes replaces mounted `ConfigMap`s and `Secret`s by swapping a symlink, which
//! inotify on the file itself does not see. Reading a few kilobytes once a second does,
//! and works on every file system.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How often the file is read: with the reader's own work, a change is in force within a second.
const POLL_EVERY: Duration = Duration::from_millis(500);

/// A file and what it held when it was last read.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    last: Result<Vec<u8>, io::ErrorKind>,
}

impl FileWatch {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// Whatever reading the file says; there is no watch then.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<(Self, Vec<u8>)> {
        let path = path.into();
        let contents = std::fs::read(&path)?;
        Ok((Self { path, last: Ok(contents.clone()) }, contents))
    }

    /// Waits until the file reads differently from last time, and says how.
    ///
    /// A file that cannot be read is such a change, told once. Cancel-safe.
    pub async fn changed(&mut self) -> io::Result<Vec<u8>> {
        loop {
            tokio::time::sleep(POLL_EVERY).await;
            let read = tokio::fs::read(&self.path).await;
            let seen = read.as_ref().map(Clone::clone).map_err(io::Error::kind);
            if seen != self.last {
                self.last = seen;
                return read;
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
}
