//! How fast a streamed answer is generated.
//!
//! Tokens cannot be counted without reading the answer, which is nobody's business here. Events can: a blank line
//! ends each, and most APIs send one for each token.

use tokio::time::Instant;

/// The events of a stream that have passed.
#[derive(Debug, Default)]
pub(super) struct Generation {
    events: u32,
    /// When the first came, and how many came with it.
    first: Option<(Instant, u32)>,
    last: Option<Instant>,
    /// Nothing but a line's end was seen since the line before.
    at_line_start: bool,
}

impl Generation {
    /// A piece of the stream passes; events may be cut anywhere between pieces.
    pub(super) fn passes(&mut self, piece: &[u8], now: Instant) {
        let before = self.events;
        for byte in piece {
            match byte {
                b'\n' if self.at_line_start => {
                    self.events = self.events.saturating_add(1);
                    self.at_line_start = false;
                }
                b'\n' => self.at_line_start = true,
                b'\r' => {}
                _ => self.at_line_start = false,
            }
        }
        if self.events > before {
            self.first.get_or_insert((now, self.events));
            self.last = Some(now);
        }
    }

    /// Events a second from the first to the last; `None` where they took no time.
    pub(super) fn rate(&self) -> Option<f64> {
        let (first, with_it) = self.first?;
        let took = self.last?.saturating_duration_since(first).as_secs_f64();
        (took > 0.0).then(|| f64::from(self.events - with_it) / took)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The rate of a stream whose pieces come 100 ms apart.
    fn rate(pieces: &[&str]) -> Option<f64> {
        let mut generation = Generation::default();
        let mut now = Instant::now();
        for piece in pieces {
            generation.passes(piece.as_bytes(), now);
            now += Duration::from_millis(100);
        }
        generation.rate()
    }

    #[test]
    fn events_are_counted_from_the_first_to_the_last() {
        assert_eq!(rate(&["data: a\n\n", "data: b\n\n", "data: c\n\n"]), Some(10.0));
        assert_eq!(rate(&["data: a\n\n", "data: b\n\ndata: c\n\n"]), Some(20.0));
    }

    #[test]
    fn events_may_be_cut_anywhere_and_lines_may_end_as_on_windows() {
        assert_eq!(rate(&["data: a\n", "\nda", "ta: b\r\n\r", "\n"]), Some(5.0));
        assert_eq!(rate(&["id: 1\ndata: a\n\n", "id: 2\ndata: b\n\n"]), Some(10.0));
    }

    #[test]
    fn what_comes_at_once_or_alone_has_no_rate() {
        assert_eq!(rate(&["data: a\n\ndata: b\n\n"]), None);
        assert_eq!(rate(&["data: a\n\n", "data: b"]), None);
        assert_eq!(rate(&[]), None);
    }
}
