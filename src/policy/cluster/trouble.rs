//! Why the API server cannot be asked, in the words of the sidecar's states.

use std::error::Error as StdError;
use std::iter;
use std::time::Duration;

use kube::client::AuthError;
use kube::config::KubeconfigError;
use kube::core::Status;
use kube::runtime::watcher;

use super::standstill::Standstill;
use crate::policy::error::brief;

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
    pub(super) fn unreachable(error: &(dyn StdError + 'static)) -> Self {
        let reason = brief(without_secrets(error).unwrap_or_else(|| chain(error)));
        Self { why: Standstill::Unreachable, reason, retry_after: None }
    }

    /// An attempt to connect has taken `waited` already.
    pub(super) fn hanging(waited: Duration) -> Self {
        let reason = format!(
            "connecting has taken {} s: does a file, or the kubeconfig's credential program, hang?",
            waited.as_secs()
        );
        Self { why: Standstill::Unreachable, reason, retry_after: None }
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
        Self { why, reason: brief(reason), retry_after: (asked > 0).then_some(retry_after) }
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
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let next = cause.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
    }
    text
}

/// An error and what it comes from.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// The words for an error that quotes what may be a secret: a kubeconfig's text, or what a credential program printed.
fn without_secrets(error: &(dyn StdError + 'static)) -> Option<String> {
    causes(error).find_map(|error| {
        if let Some(KubeconfigError::Parse(error)) = error.downcast_ref() {
            let place = error.location().map(|at| format!(": line {}, column {}", at.line(), at.column()));
            return Some(format!("the kubeconfig cannot be understood{}", place.unwrap_or_default()));
        }
        let error: &AuthError = error.downcast_ref()?;
        if let AuthError::AuthExecRun { out, .. } = error {
            return Some(format!("the kubeconfig's credential program failed: {}", out.status));
        }
        matches!(
            error,
            AuthError::AuthExecParse(_)
                | AuthError::ParseTokenKey(_)
                | AuthError::MalformedTokenExpirationDate(_)
        )
        .then(|| "the kubeconfig's credential program does not print an ExecCredential".to_owned())
    })
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

    #[test]
    fn a_page_in_place_of_an_answer_is_cut_short() {
        let page = Status { code: 502, message: "\u{e4}".repeat(100_000), ..Status::default() };
        let reason = Trouble::refused(&page).reason;
        assert!(
            reason.starts_with("the API server answers 502: \u{e4}") && reason.ends_with("..."),
            "{reason}"
        );
        assert!(reason.chars().count() < 1_100, "{}", reason.len());
        let failed = std::io::Error::other("x".repeat(100_000));
        assert!(Trouble::unreachable(&failed).reason.len() < 1_100);
    }

    #[test]
    fn a_cause_that_an_error_tells_itself_is_told_once() {
        let unread = KubeconfigError::ReadConfig(std::io::Error::other("no such disk"), "config".into());
        let reason = Trouble::unreachable(&unread).reason;
        assert_eq!(reason.matches("no such disk").count(), 1, "{reason}");
    }

    #[test]
    fn who_asks_to_be_left_alone_for_ever_is_left_alone_for_five_minutes() {
        let details = serde_json::from_str(r#"{"retryAfterSeconds": 4000000000}"#).unwrap();
        let status = Status { code: 429, details: Some(details), ..Status::default() };
        assert_eq!(Trouble::refused(&status).retry_after, Some(Duration::from_secs(300)));
    }
}
