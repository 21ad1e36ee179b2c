//! Where requests go: the upstream's base URL, and the URL of one request under it.

use std::fmt;
use std::str::FromStr;

use http::Uri;

use super::upstream::Url;

/// The application's side of the mapping: `/v1/X` here is `{base}/X` there.
const PREFIX: &str = "/v1/";

/// The upstream's base URL, such as `https://integrate.api.nvidia.com/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamBase(Url);

/// The text is no base URL. Says what is accepted, and not what was given, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBase {
    /// No absolute http or https URL.
    #[error(
        "accepted is an http:// or https:// URL with a host, such as https://integrate.api.nvidia.com/v1"
    )]
    NoUrl,
    /// A name or password before the host.
    #[error("a user name or password in the URL is not accepted: the key has a setting of its own")]
    UserInfo,
    /// Something after the path.
    #[error("a `?query` or `#fragment` in the URL is not accepted")]
    Query,
}

impl FromStr for UpstreamBase {
    type Err = BadBase;

    fn from_str(text: &str) -> Result<Self, BadBase> {
        let mut url = Url::parse(text.trim()).map_err(|_| BadBase::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(BadBase::NoUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadBase::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BadBase::Query);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl fmt::Display for UpstreamBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Why a request has no URL at the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTarget {
    /// Its path is not under `/v1/`.
    Outside,
    /// Its path would not arrive as it was sent.
    Odd,
}

impl UpstreamBase {
    /// The URL of the upstream's list of models, which any key may read.
    pub(super) fn models(&self) -> Url {
        self.join("models", None)
    }

    /// The URL a request to `uri` goes to.
    ///
    /// The URL library would resolve dot segments and turn `\` into `/`; a path it would
    /// resolve could leave the base, so it is turned away instead.
    pub(super) fn target(&self, uri: &Uri) -> Result<Url, NoTarget> {
        let rest = uri.path().strip_prefix(PREFIX).ok_or(NoTarget::Outside)?;
        if is_odd(rest) {
            return Err(NoTarget::Odd);
        }
        Ok(self.join(rest, uri.query()))
    }

    fn join(&self, rest: &str, query: Option<&str>) -> Url {
        let mut url = self.0.clone();
        let base = self.0.path().trim_end_matches('/');
        url.set_path(&format!("{base}/{rest}"));
        url.set_query(query);
        url
    }
}

/// Whether somebody on the way could take a part of the path for `.` or `..`, or for a backslash: in
/// plain, or after decoding dots and slashes, as some servers do before they resolve.
fn is_odd(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let plain = lower.replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    path.contains('\\') || plain.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base: &str, uri: &str) -> Result<String, NoTarget> {
        let base: UpstreamBase = base.parse().unwrap();
        base.target(&uri.parse().unwrap()).map(String::from)
    }

    #[test]
    fn the_prefix_is_replaced_by_the_base() {
        for (base, uri, expected) in [
            ("https://a.example/v1", "/v1/chat/completions", "https://a.example/v1/chat/completions"),
            (
                "https://a.example/v1/",
                "/v1/models?limit=2&x=%20",
                "https://a.example/v1/models?limit=2&x=%20",
            ),
            ("http://127.0.0.1:8080", "/v1/models", "http://127.0.0.1:8080/models"),
            ("http://a.example/x/y", "/v1/", "http://a.example/x/y/"),
            ("http://a.example/v1", "/v1/a%2Fb/c%20d/..e", "http://a.example/v1/a%2Fb/c%20d/..e"),
            ("http://a.example/v1", "/v1//twice", "http://a.example/v1//twice"),
            ("http://a.example/v1", "http://other.example/v1/models", "http://a.example/v1/models"),
        ] {
            assert_eq!(target(base, uri).as_deref(), Ok(expected), "{base} {uri}");
        }
    }

    #[test]
    fn what_is_not_under_the_prefix_has_no_target() {
        for uri in ["/", "/v1", "/v2/models", "/V1/models", "/health", "/%761/models"] {
            assert_eq!(target("http://a.example/v1", uri), Err(NoTarget::Outside), "{uri}");
        }
    }

    #[test]
    fn paths_that_would_be_rewritten_are_turned_away() {
        for uri in [
            "/v1/../admin",
            "/v1/a/./b",
            "/v1/%2e%2e/admin",
            "/v1/.%2E/x",
            "/v1/a/..",
            "/v1/..%2fadmin",
            "/v1/%2e%2e%2Fadmin",
            "/v1/a%2f..%2fb",
            "/v1/..%5Cadmin",
        ] {
            assert_eq!(target("http://a.example/v1", uri), Err(NoTarget::Odd), "{uri}");
        }
    }

    #[test]
    fn a_base_is_shown_without_a_trailing_slash() {
        for base in ["https://a.example/v1", "http://a.example", "http://[::1]:8080/x"] {
            assert_eq!(format!("{base}/").parse::<UpstreamBase>().unwrap().to_string(), base);
            assert_eq!(base.parse::<UpstreamBase>().unwrap().to_string(), base);
        }
    }

    #[test]
    fn what_is_no_base_is_refused_without_quoting_it() {
        for (text, expected) in [
            ("", BadBase::NoUrl),
            ("a.example/v1", BadBase::NoUrl),
            ("ftp://a.example", BadBase::NoUrl),
            ("unix:/run/x", BadBase::NoUrl),
            ("https://", BadBase::NoUrl),
            ("https://user:secret@a.example/v1", BadBase::UserInfo),
            ("https://a.example/v1?key=secret", BadBase::Query),
            ("https://a.example/v1#secret", BadBase::Query),
        ] {
            let error = text.parse::<UpstreamBase>().unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
