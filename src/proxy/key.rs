//! The API key: where it comes from, and never where it shows.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::HeaderValue;

use crate::file_watch::FileWatch;

/// Where the API key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Nowhere: the client's own `authorization` is forwarded.
    None,
    /// Fixed for the life of the process.
    Value(ApiKey),
    /// A file that is read again when it changes.
    File(PathBuf),
}

/// A key that an HTTP header can hold. Shown by nothing.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

/// A text that is no key. Does not say which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Nothing but white space.
    #[error("the API key is empty")]
    Empty,
    /// A character that a header cannot hold.
    #[error("the API key holds a character no HTTP header may hold (visible ASCII is accepted)")]
    NotAHeader,
}

impl TryFrom<String> for ApiKey {
    type Error = BadKey;

    /// White space around the key is not part of it: files end in a line break.
    fn try_from(text: String) -> Result<Self, BadKey> {
        let key = text.trim();
        if key.is_empty() {
            return Err(BadKey::Empty);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadKey::NotAHeader);
        }
        let mut header = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| BadKey::NotAHeader)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(redacted)")
    }
}

/// The key file cannot be used at start.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read the API key file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds no key.
    #[error("the API key file {}: {source}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BadKey,
    },
}

/// The key in force.
#[derive(Debug)]
pub(super) struct Key {
    current: ArcSwapOption<ApiKey>,
}

impl Key {
    /// The key, and the file to follow if it comes from one.
    pub(super) fn open(source: KeySource) -> Result<(Arc<Self>, Option<KeyFile>), KeyFileError> {
        let (key, file) = match source {
            KeySource::None => (None, None),
            KeySource::Value(key) => (Some(key), None),
            KeySource::File(path) => {
                let (file, key) = KeyFile::open(path)?;
                (Some(key), Some(file))
            }
        };
        Ok((Arc::new(Self { current: ArcSwapOption::new(key.map(Arc::new)) }), file))
    }

    /// The value of `authorization` the upstream gets; `None` leaves the client's.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        self.current.load().as_ref().map(|key| key.0.clone())
    }
}

/// The file a key comes from.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    watch: FileWatch,
}

impl KeyFile {
    fn open(path: PathBuf) -> Result<(Self, ApiKey), KeyFileError> {
        let (watch, contents) = FileWatch::open(&path)
            .map_err(|source| KeyFileError::Unreadable { path: path.clone(), source })?;
        let key = parse(&contents).map_err(|source| KeyFileError::NoKey { path: path.clone(), source })?;
        Ok((Self { path, watch }, key))
    }

    /// Takes every new key of the file into force; a file without one leaves the last key.
    pub(super) async fn follow(mut self, key: Arc<Key>) {
        loop {
            let changed = self.watch.changed().await;
            replace(&key, &self.path, changed);
        }
    }
}

fn replace(key: &Key, path: &Path, contents: std::io::Result<Vec<u8>>) {
    let path = path.display();
    match contents.map(|contents| parse(&contents)) {
        Ok(Ok(new)) => {
            key.current.store(Some(Arc::new(new)));
            tracing::info!(%path, "the API key file changed: the new key is in force");
        }
        Ok(Err(reason)) => {
            tracing::warn!(%path, %reason, "the API key file holds no key: the last one stays in force");
        }
        Err(reason) => {
            tracing::warn!(%path, %reason, "cannot read the API key file: the last key stays in force");
        }
    }
}

fn parse(contents: &[u8]) -> Result<ApiKey, BadKey> {
    let text = std::str::from_utf8(contents).map_err(|_| BadKey::NotAHeader)?;
    ApiKey::try_from(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_key_is_dropped_and_the_header_is_sensitive() {
        let key = ApiKey::try_from(" nvapi-x\n".to_owned()).unwrap();
        assert_eq!(key.0, "Bearer nvapi-x");
        assert!(key.0.is_sensitive());
    }

    #[test]
    fn what_no_header_may_hold_is_refused_without_quoting_it() {
        for (text, expected) in [
            ("", BadKey::Empty),
            (" \n", BadKey::Empty),
            ("secret\nkey", BadKey::NotAHeader),
            ("secret key", BadKey::NotAHeader),
            ("secré", BadKey::NotAHeader),
        ] {
            let error = ApiKey::try_from(text.to_owned()).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("secr"));
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let key = ApiKey::try_from("nvapi-secret".to_owned()).unwrap();
        let (in_force, _) = Key::open(KeySource::Value(key.clone())).unwrap();
        for shown in [format!("{key:?}"), format!("{:?}", KeySource::Value(key)), format!("{in_force:?}")] {
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn an_unusable_file_is_named_at_start() {
        let error = Key::open(KeySource::File("/nowhere/key".into())).unwrap_err();
        assert!(error.to_string().contains("/nowhere/key"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Key::open(KeySource::File(file.path().into())).unwrap_err();
        assert!(error.to_string().ends_with("the API key is empty"), "{error}");
    }

    #[test]
    fn a_rotated_key_is_taken_and_a_bad_one_leaves_the_last() {
        let (key, _) = Key::open(KeySource::None).unwrap();
        let path = Path::new("key");
        assert_eq!(key.authorization(), None);
        replace(&key, path, Ok(b"one\n".to_vec()));
        assert_eq!(key.authorization().unwrap(), "Bearer one");
        replace(&key, path, Ok(Vec::new()));
        replace(&key, path, Err(std::io::ErrorKind::NotFound.into()));
        assert_eq!(key.authorization().unwrap(), "Bearer one");
    }
}
