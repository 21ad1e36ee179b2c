//! How numbers are written.

use std::time::Duration;

/// Three digits are enough to compare, and `-` is honest about what is not known.
pub(super) fn seconds(duration: Option<Duration>) -> String {
    let Some(duration) = duration else { return "-".into() };
    let seconds = duration.as_secs_f64();
    match seconds {
        ..9.995 => format!("{seconds:.2} s"),
        ..99.95 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// `1:05`, or `2:01:05` from an hour on.
pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

/// `1 request`, `40 requests`.
pub(super) fn requests(count: u32) -> String {
    if count == 1 { "1 request".into() } else { format!("{count} requests") }
}

/// A share of 1 in percent, never rounded up to the whole: 99.97 % is not everything.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1000.0).floor() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_is_singular() {
        assert_eq!([requests(1), requests(2)], ["1 request", "2 requests"]);
    }

    #[test]
    fn durations_keep_three_digits() {
        let text = |milliseconds| seconds(Some(Duration::from_millis(milliseconds)));
        assert_eq!([text(0), text(840), text(9_994)], ["0.00 s", "0.84 s", "9.99 s"]);
        assert_eq!([text(9_996), text(99_940), text(123_456)], ["10.0 s", "99.9 s", "123 s"]);
        assert_eq!(seconds(None), "-");
    }

    #[test]
    fn clocks_show_hours_when_there_are_some() {
        assert_eq!(clock(Duration::from_millis(65_900)), "1:05");
        assert_eq!(clock(Duration::from_secs(7_265)), "2:01:05");
    }

    #[test]
    fn shares_are_never_rounded_up() {
        assert_eq!([percent(0.9997), percent(1.0), percent(0.985)], ["99.9 %", "100.0 %", "98.5 %"]);
    }
}
