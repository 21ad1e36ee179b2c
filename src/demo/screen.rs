//! Where the demo writes: a table redrawn in place, or a line now and then.

use std::io::{self, Write};
use std::time::Duration;

use super::table;
use super::view::View;

/// Often enough to look alive, seldom enough to be read.
const REDRAW_EVERY: Duration = Duration::from_millis(250);

/// A log keeps every line.
const LINE_EVERY: Duration = Duration::from_secs(2);

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// A terminal that becomes narrower while it is written to must not wrap: that would break redrawing in place.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
const CLEAR_LINE: &str = "\x1b[2K";
const CLEAR_BELOW: &str = "\x1b[J";

/// How much a terminal shows, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Size {
    /// The smallest usual terminal.
    pub(super) const USUAL: Self = Self { columns: 80, rows: 24 };

    /// As much of the table as fits above the line that the cursor is left on.
    fn crop(self, mut lines: Vec<String>) -> Vec<String> {
        let most = self.rows.saturating_sub(1).max(1);
        if lines.len() > most {
            lines.retain(|line| !line.is_empty());
        }
        lines.truncate(most);
        lines.into_iter().map(|line| line.chars().take(self.columns).collect()).collect()
    }
}

/// What is written to, and whether it is a terminal. Dropping it gives the terminal back as it was.
#[derive(Debug)]
pub(super) struct Screen<W: Write> {
    out: W,
    /// How much the terminal shows now; `None` if it is no terminal.
    terminal: Option<fn() -> Size>,
    /// Lines of the table that is on the screen.
    drawn: usize,
}

impl<W: Write> Screen<W> {
    pub(super) fn new(out: W, terminal: Option<fn() -> Size>) -> Self {
        Self { out, terminal, drawn: 0 }
    }

    /// How often [`Screen::show`] is worth calling.
    pub(super) fn period(&self) -> Duration {
        if self.terminal.is_some() { REDRAW_EVERY } else { LINE_EVERY }
    }

    /// Writes lines that stay.
    pub(super) fn print(&mut self, lines: &[String]) -> io::Result<()> {
        self.leave_table()?;
        for line in lines {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }

    /// Shows the present state, in the place of the last one if there is a terminal.
    pub(super) fn show(&mut self, view: &View) -> io::Result<()> {
        let Some(size) = self.terminal else {
            writeln!(self.out, "{}", table::line(view))?;
            return self.out.flush();
        };
        let lines = size().crop(table::table(view));
        write!(self.out, "{HIDE_CURSOR}{NO_WRAP}")?;
        if self.drawn > 0 {
            write!(self.out, "\x1b[{}A\r{CLEAR_BELOW}", self.drawn)?;
        }
        for line in &lines {
            write!(self.out, "{CLEAR_LINE}{line}\r\n")?;
        }
        self.drawn = lines.len();
        self.out.flush()
    }

    /// What is written next comes below the table, on a terminal as it was.
    fn leave_table(&mut self) -> io::Result<()> {
        if self.drawn > 0 {
            self.drawn = 0;
            writeln!(self.out, "{WRAP}{SHOW_CURSOR}")?;
        }
        Ok(())
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        // Nobody is left to tell when the terminal itself is gone.
        let _ = self.leave_table().and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::mk_view;
    use super::*;

    fn written(terminal: Option<fn() -> Size>, work: impl FnOnce(&mut Screen<&mut Vec<u8>>)) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, terminal);
        work(&mut screen);
        drop(screen);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_small_terminal_gets_what_fits_and_is_redrawn_within_its_rows() {
        let small = || Size { columns: 20, rows: 6 };
        let text = written(Some(small), |screen| {
            screen.show(&mk_view()).unwrap();
            screen.show(&mk_view()).unwrap();
        });
        assert_eq!(text.matches("\x1b[5A\r").count(), 1, "five lines, and one for the cursor: {text:?}");
        let (_, redrawn) = text.split_once(CLEAR_BELOW).unwrap();
        let lines: Vec<_> = redrawn.split(CLEAR_LINE).skip(1).map(|line| line.lines().next()).collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[1], Some("priority    waiting "));
        assert!(lines.iter().flatten().all(|line| line.chars().count() <= 20), "{lines:?}");
        let least = Size { columns: 0, rows: 0 };
        assert_eq!(least.crop(table::table(&mk_view())), [""]);
    }

    #[test]
    fn a_terminal_is_redrawn_in_place_and_given_back() {
        let text = written(Some(|| Size::USUAL), |screen| {
            screen.show(&mk_view()).unwrap();
            screen.show(&mk_view()).unwrap();
        });
        let height = table::table(&mk_view()).len();
        assert_eq!(
            text.matches(&format!("\x1b[{height}A\r")).count(),
            1,
            "only the second has a place to go to"
        );
        assert!(text.starts_with(HIDE_CURSOR), "{text:?}");
        assert!(text.ends_with(&format!("{WRAP}{SHOW_CURSOR}\n")), "{text:?}");
    }

    #[test]
    fn what_is_printed_after_the_table_is_below_it() {
        let text = written(Some(|| Size::USUAL), |screen| {
            screen.show(&mk_view()).unwrap();
            screen.print(&["Summary".into()]).unwrap();
        });
        assert!(text.ends_with(&format!("{WRAP}{SHOW_CURSOR}\nSummary\n")), "{text:?}");
    }

    #[test]
    fn without_a_terminal_there_are_lines_and_no_escapes() {
        let text = written(None, |screen| {
            screen.print(&["Hello".into()]).unwrap();
            screen.show(&mk_view()).unwrap();
        });
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
