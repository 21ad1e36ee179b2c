//! Which requests are paced.

use http::Method;

use crate::limiter::settings::Matching;

/// Whether requests with this method may be paced at all.
pub(super) fn paces_method(matching: &Matching, method: &Method) -> bool {
    matching.methods.iter().any(|paced| paced == method.as_str())
}

/// Whether requests for this model are paced. A request that names none is matched by `*` only.
pub(super) fn paces_model(matching: &Matching, model: Option<&str>) -> bool {
    matching.models.iter().any(|pattern| match model {
        Some(model) => glob(pattern, model),
        None => pattern == "*",
    })
}

/// `*` stands for any run of characters, `?` for exactly one, everything else for itself.
///
/// Walks both strings once and, on a mismatch, lets the latest `*` take one character
/// more; earlier stars never need to be tried again, so the cost is at most the product of the lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut retry = None;
    loop {
        let mut rest = pattern.clone();
        match (rest.next(), text.clone().next()) {
            (Some('*'), _) => {
                retry = Some((rest.clone(), text.clone()));
                pattern = rest;
                continue;
            }
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                pattern = rest;
                text.next();
                continue;
            }
            _ => {}
        }
        let Some((after_star, mut taken)) = retry.take() else { return false };
        if taken.next().is_none() {
            return false;
        }
        pattern = after_star.clone();
        text = taken.clone();
        retry = Some((after_star, taken));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(patterns: &[&str]) -> Matching {
        Matching {
            models: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
            methods: vec!["POST".into()],
        }
    }

    #[test]
    fn globs_match_the_whole_name() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("*", "meta/llama", true),
            ("meta/*", "meta/llama-3.1-8b", true),
            ("meta/*", "nvidia/meta/x", false),
            ("*llama*", "meta/llama-3", true),
            ("*-8b", "llama-70b-8b", true),
            ("*-8b", "llama-8b-70b", false),
            ("llama-?", "llama-3", true),
            ("llama-?", "llama-", false),
            ("llama-?", "llama-33", false),
            ("é?", "éß", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("", "", true),
            ("", "a", false),
            ("a", "A", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_cost_no_exponential_time() {
        assert!(!glob(&"*a".repeat(200), &"a".repeat(199)));
        assert!(glob(&"*a".repeat(200), &"a".repeat(5_000)));
    }

    #[test]
    fn any_pattern_is_enough() {
        assert!(paces_model(&models(&["gpt-*", "meta/*"]), Some("meta/x")));
        assert!(!paces_model(&models(&[]), Some("meta/x")));
    }

    #[test]
    fn a_request_without_a_model_is_matched_by_the_bare_star_only() {
        assert!(paces_model(&models(&["*"]), None));
        assert!(!paces_model(&models(&["**", "?*", "meta/*"]), None));
    }

    #[test]
    fn methods_match_exactly() {
        assert!(paces_method(&models(&["*"]), &Method::POST));
        assert!(!paces_method(&models(&["*"]), &Method::GET));
    }
}
