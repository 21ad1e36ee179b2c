//! Why the API server cannot be asked, in the words of the sidecar's states.

use std::error::Error as StdError;
use std::time::Duration;

use kube::core::Status;
use kube::runtime::watcher;

use super::standstill::Standstill;

/// The longest time the API server may ask to be left alone for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Why the policy cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What it means for the policy.
    pub(super) why: Standstill,
    /// In words, for people.
    pub(super) reason: String,
    /// The API server asks to be left alone for so long.
    pub(super) retry_after: Option<Duration>,
}

impl Trouble {
    /// The API server cannot be asked.
    pub(super) fn unreachable(error: &dyn StdError) -> Self {
        Self { why: Standstill::Unreachable, reason: chain(error), retry_after: None }
    }

    /// The API server said no.
    fn refused(status: &Status) -> Self {
        let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        let retry_after = Duration::from_secs(asked.into()).min(RETRY_AFTER_MAX);
        let Status { code, message, .. } = status;
        let message = if message.is_empty() { &status.reason } else { message };
        let (why, reason) = match code {
            401 => (Standstill::Forbidden, format!("the API server does not know who asks (401): {message}")),
            403 => (Standstill::Forbidden, message.clone()),
            404 => {
                let reason = "the API server does not know RateLimitPolicies: is the CustomResourceDefinition installed?";
                (Standstill::NotFound, reason.to_owned())
            }
            code => (Standstill::Unreachable, format!("the API server answers {code}: {message}")),
        };
        Self { why, reason, retry_after: (asked > 0).then_some(retry_after) }
    }
}

impl From<&kube::Error> for Trouble {
    fn from(error: &kube::Error) -> Self {
        if let kube::Error::Api(status) = error {
            return Self::refused(status);
        }
        // What the HTTP client says of itself adds nothing to its cause.
        if let kube::Error::Service(cause) = error {
            return Self::unreachable(cause.as_ref());
        }
        Self::unreachable(error)
    }
}

/// The trouble behind a watcher's error; none if its history was merely forgotten, which happens.
pub(super) fn of_watcher(error: &watcher::Error) -> Option<Trouble> {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        WatchStartFailed(kube::Error::Api(status)) | WatchError(status) => known_history(status),
        InitialListFailed(cause) | WatchStartFailed(cause) | WatchFailed(cause) => Some(cause.into()),
        NoResourceVersion => Some(Trouble::unreachable(error)),
    }
}

/// 410: the server has forgotten what came after the version that was known. A new list mends that; a list that is
/// answered so has no such excuse.
fn known_history(status: &Status) -> Option<Trouble> {
    (status.code != 410).then(|| Trouble::refused(status))
}

/// An error with its causes, each said once.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forgotten_history_is_no_trouble_for_a_watch_but_for_a_list() {
        let gone = || Box::new(Status { code: 410, message: "too old".into(), ..Status::default() });
        assert_eq!(of_watcher(&watcher::Error::WatchStartFailed(kube::Error::Api(gone()))), None);
        assert_eq!(of_watcher(&watcher::Error::WatchError(gone())), None);
        let listed = of_watcher(&watcher::Error::InitialListFailed(kube::Error::Api(gone()))).unwrap();
        assert_eq!(listed.why, Standstill::Unreachable);
        assert_eq!(listed.reason, "the API server answers 410: too old");
    }
}
