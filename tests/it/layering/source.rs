//! Reading the imports out of Rust source text, without a parser for the rest of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What stands before an item that is only there for tests.
const MARK: &str = "#[cfg(test)]";

/// A path that leaves the module it is written in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Import {
    /// Of this crate; without the leading `crate::`.
    Module(String),
    /// A dependency.
    Crate(String),
}

/// One file of `src`, with all that is no code blanked out.
pub(super) struct Source<'a> {
    layer: String,
    /// How many `super::` lead from this file's module to the crate's root.
    depth: usize,
    code: String,
    dependencies: &'a BTreeSet<String>,
}

impl<'a> Source<'a> {
    /// `path` is relative to `src`.
    pub(super) fn new(path: &Path, text: &str, dependencies: &'a BTreeSet<String>) -> Self {
        let modules: Vec<_> =
            path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        Self {
            layer: modules.first().cloned().unwrap_or_default(),
            depth: modules.len(),
            code: without_tests(&without_text(text)),
            dependencies,
        }
    }

    /// The top-level module this file belongs to.
    pub(super) fn layer(&self) -> &str {
        &self.layer
    }

    /// Every import with its line, in the order of the text.
    pub(super) fn imports(&self) -> Vec<(usize, Import)> {
        let words = words(&self.code);
        let mut found = Vec::new();
        for (index, (line, word)) in words.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| words.get(before)).map(|(_, word)| *word);
            if matches!(before, Some("::" | ".")) {
                continue;
            }
            let rest: Vec<&str> = words.iter().skip(index).map(|(_, word)| *word).take(256).collect();
            if let Some(to_root) = self.words_to_root(&rest) {
                let mut paths = Vec::new();
                paths_of(rest.get(to_root..).unwrap_or_default(), "", &mut paths);
                found.extend(paths.into_iter().map(|path| (*line, Import::Module(path))));
            } else if self.dependencies.contains(*word)
                && (rest.get(1) == Some(&"::") || before == Some("use"))
            {
                found.push((*line, Import::Crate((*word).to_owned())));
            }
        }
        found
    }

    /// How many words of `crate::` or `super::super::` lead to the crate's root, if these do.
    fn words_to_root(&self, words: &[&str]) -> Option<usize> {
        let is_crate = words.first() == Some(&"crate") && words.get(1) == Some(&"::");
        let climbs = words.chunks(2).take_while(|pair| *pair == ["super", "::"]).count();
        match (is_crate, climbs) {
            (true, _) => Some(2),
            (false, climbs) if climbs > 0 && climbs >= self.depth => Some(2 * climbs),
            _ => None,
        }
    }
}

/// The paths of a use tree such as `a::{b, c::{d, e}}`; returns how many words it took.
fn paths_of(words: &[&str], prefix: &str, paths: &mut Vec<String>) -> usize {
    let mut path = prefix.to_owned();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match *word {
            "{" => {
                at += 1;
                while words.get(at).is_some_and(|word| *word != "}") {
                    at += paths_of(words.get(at..).unwrap_or_default(), &path, paths).max(1);
                }
                return at + 1;
            }
            "::" => path.push_str("::"),
            name if is_name(name) && (path.is_empty() || path.ends_with("::")) => path.push_str(name),
            _ => break,
        }
        at += 1;
    }
    if path != prefix {
        paths.push(path);
    }
    at
}

/// Whether this is a segment of a path, the glob `*` included.
fn is_name(word: &str) -> bool {
    word == "*" || word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Identifiers, `::` and single signs, each with its line.
fn words(code: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let name = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let sign = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            let (word, after) = rest.split_at(if name > 0 { name } else { sign });
            words.push((number + 1, word));
            rest = after.trim_start();
        }
    }
    words
}

/// Blanks out comments, strings and characters; lines stay where they are.
fn without_text(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (blank, end) = match skipped(rest, after_word) {
            0 => (false, first.len_utf8()),
            end => (true, end),
        };
        let (part, after) = rest.split_at(end.min(rest.len()));
        if blank {
            code.extend(part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(part);
        }
        rest = after;
    }
    code
}

/// The length of the comment or literal `text` starts with, else 0.
fn skipped(text: &str, after_word: bool) -> usize {
    let until = |end: &str, from: usize| {
        let found = text.get(from..).and_then(|rest| rest.find(end));
        found.map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return until("*/", 2);
    }
    if text.starts_with('"') {
        return quoted(text);
    }
    let raw = text.strip_prefix("br").or_else(|| text.strip_prefix('r')).filter(|_| !after_word);
    if let Some(raw) = raw {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw.get(hashes..).is_some_and(|rest| rest.starts_with('"')) {
            let opening = text.len() - raw.len() + hashes + 1;
            return until(&format!("\"{}", "#".repeat(hashes)), opening);
        }
    }
    let mut signs = text.chars();
    match (signs.next(), signs.next(), signs.next()) {
        (Some('\''), Some('\\'), _) => until("'", 3),
        (Some('\''), Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

/// The length of the string literal `text` starts with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Where the modules are, relative to `src`, that this file declares as `#[cfg(test)] mod name;`.
pub(super) fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let code = without_text(text);
    let module = path.with_extension("");
    let folder =
        if module == Path::new("lib") || module == Path::new("main") { Path::new("") } else { &module };
    let mut found = Vec::new();
    for (start, _) in code.match_indices(MARK) {
        let (_, item) = code.split_at(start);
        let (item, _) = item.split_at(item_end(item, MARK.len()));
        let words: Vec<&str> = words(item).into_iter().map(|(_, word)| word).collect();
        if let [.., "mod", name, ";"] = words.as_slice() {
            found.push(folder.join(name));
        }
    }
    found
}

/// Blanks out every item under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        let (before, item) = rest.split_at(start);
        kept.push_str(before);
        let (test, after) = item.split_at(item_end(item, MARK.len()));
        kept.extend(test.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// Where the item that follows `from` ends: at its `;`, or at the brace that closes it.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices().skip_while(|(at, _)| *at < from) {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}
