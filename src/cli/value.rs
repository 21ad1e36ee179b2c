//! What one value may be.

use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::api;
use crate::demo::upstream::Step;
use crate::proxy::{BadBase, UpstreamBase};

/// The value is refused; the text says what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(String);

impl Refused {
    fn accepted_is(accepted: impl Display) -> Self {
        Self(format!("accepted is {accepted}"))
    }
}

/// The longest demonstration: a week.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// A parser of whole numbers within a range that `T` can hold.
pub(super) fn whole<T: TryFrom<u32>>(
    range: RangeInclusive<u32>,
) -> impl Fn(&str) -> Result<T, Refused> + Clone + Send + Sync {
    move |word| {
        let number = word.parse::<u32>().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            Refused::accepted_is(format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }
}

pub(super) fn boolean(word: &str) -> Result<bool, Refused> {
    word.to_ascii_lowercase().parse().map_err(|_| Refused::accepted_is("true or false"))
}

pub(super) fn ip_address(word: &str) -> Result<IpAddr, Refused> {
    word.parse().map_err(|_| Refused::accepted_is("an IP address such as 127.0.0.1, 0.0.0.0 or ::1"))
}

/// A value whose own error names what is accepted.
pub(super) fn one_of<T: FromStr<Err: Display>>(word: &str) -> Result<T, Refused> {
    word.parse().map_err(|accepted: T::Err| Refused::accepted_is(accepted))
}

pub(super) fn upstream(word: &str) -> Result<UpstreamBase, Refused> {
    word.parse().map_err(|fault: BadBase| Refused(fault.to_string()))
}

/// The name of a `RateLimitPolicy`.
pub(super) fn policy_name(word: &str) -> Result<String, Refused> {
    if api::is_name(word) { Ok(word.to_owned()) } else { Err(Refused::accepted_is(api::NAME_ACCEPTED)) }
}

/// The name of a namespace.
pub(super) fn namespace(word: &str) -> Result<String, Refused> {
    if api::is_label(word) { Ok(word.to_owned()) } else { Err(Refused::accepted_is(api::LABEL_ACCEPTED)) }
}

/// A label value that needs no quoting anywhere.
pub(super) fn provider(word: &str) -> Result<String, Refused> {
    let fits = (1..=63).contains(&word.len());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if fits && word.bytes().all(plain) {
        return Ok(word.to_owned());
    }
    Err(Refused::accepted_is("1 to 63 letters, digits, '.', '_' or '-'"))
}

/// `90s`, `2m`, `1h30m`: numbers with units, largest first or not.
pub(super) fn duration(word: &str) -> Result<Duration, Refused> {
    parse_duration(word)
        .filter(|duration| (Duration::from_secs(1)..=LONGEST).contains(duration))
        .ok_or_else(|| Refused::accepted_is("a duration such as 10s, 2m or 1h30m, from 1s to 168h"))
}

/// `24@60s`: a number of requests a minute and when it begins.
pub(super) fn step(word: &str) -> Result<Step, Refused> {
    let parsed = word.split_once('@').and_then(|(quota, at)| {
        let quota = whole::<u32>(1..=1_000_000)(quota).ok()?;
        Some(Step { at: duration(at).ok()?, quota })
    });
    parsed.ok_or_else(|| {
        Refused::accepted_is("a whole number from 1 to 1000000, @, and a duration, such as 24@60s or 40@5m")
    })
}

fn parse_duration(word: &str) -> Option<Duration> {
    let mut total: u64 = 0;
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit = tail.chars().next()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
        rest = tail.strip_prefix(unit)?;
    }
    Some(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (word, seconds) in [("10s", 10), ("2m", 120), ("1h30m", 5400), ("90s", 90), ("168h", 604_800)] {
            assert_eq!(duration(word), Ok(Duration::from_secs(seconds)), "{word}");
        }
        for word in ["", "10", "s", "1.5h", "-1s", "0s", "169h", "10 s", "10ms", "99999999999999999999h"] {
            assert!(duration(word).is_err(), "{word}");
        }
    }

    #[test]
    fn steps_are_a_number_and_when_it_begins() {
        assert_eq!(step("24@60s"), Ok(Step { at: Duration::from_secs(60), quota: 24 }));
        assert_eq!(step("40@1h30m"), Ok(Step { at: Duration::from_secs(5_400), quota: 40 }));
        for word in ["", "24", "@60s", "24@", "0@60s", "24@60", "24@0s", "24 @60s", "1000001@60s"] {
            assert!(step(word).is_err(), "{word}");
        }
    }

    #[test]
    fn whole_numbers_stop_at_both_ends() {
        let parse = whole::<u16>(1..=65_535);
        assert_eq!(parse("1"), Ok(1));
        assert_eq!(parse("65535"), Ok(65_535));
        for word in ["0", "65536", "1.0", "", " 1", "1e3", "4294967296"] {
            assert!(parse(word).is_err(), "{word}");
        }
    }

    #[test]
    fn booleans_are_words_in_any_case() {
        assert_eq!(boolean("True"), Ok(true));
        assert_eq!(boolean("FALSE"), Ok(false));
        assert!(boolean("yes").is_err());
    }
}
