//! The figures that `docs/rate-control.md` shows are those that are found.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

/// The tests write one after the other.
static PAGE: Mutex<()> = Mutex::new(());

/// Holds that part of the page against what it must be; `PACER_GENERATE=1` writes it instead.
pub(crate) fn shows(part: &str, text: &str) {
    let _alone = PAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rate-control.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no {begin}"));
    let (found, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no {end}"));
    if std::env::var_os("PACER_GENERATE").is_some() {
        fs::write(&path, format!("{before}{begin}{text}{end}{after}")).unwrap();
        return;
    }
    assert!(found == text, "docs/rate-control.md, {part}, is out of date: run `make figures`. Now:\n{text}");
}
