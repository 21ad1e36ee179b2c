//! Reading scenarios from text, one JSON object a line.

use serde::Deserialize;

use super::{Scenario, ScenarioError};

/// Reads one scenario a line; empty lines are skipped.
pub fn read(text: &str) -> Result<Vec<Scenario>, ScenarioError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| read_line(line, index + 1)).collect()
}

fn read_line(line: &str, number: usize) -> Result<Scenario, ScenarioError> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let located = |key: String, problem: String| ScenarioError {
        line: number,
        name: serde_json::from_str(line).ok().map(|Named { name }| name),
        key,
        problem,
    };
    let mut scenario: Scenario = serde_json::from_str(line).map_err(|error| {
        let path = if error.is_data() { path_to(line, error.column()) } else { String::new() };
        located(path, message(&error))
    })?;
    scenario.up.sched.sort_by_key(|step| step.at);
    match scenario.fault() {
        Some((key, problem)) => Err(located(key, problem)),
        None => Ok(scenario),
    }
}

/// What the parser says, without its own idea of where: a scenario is one line.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    if error.is_data() { text.to_owned() } else { format!("no JSON: {text} in column {}", error.column()) }
}

/// One step down into a JSON value.
enum Step {
    Object(String),
    List(usize),
}

/// The path to the key or the value that ends at byte `column` of a JSON text: `demand[0].rpm`.
fn path_to(text: &str, column: usize) -> String {
    let mut path: Vec<Step> = Vec::new();
    // The string the place is in, and whether a string here is a key.
    let mut inside: Option<String> = None;
    let mut key_next = false;
    let mut escaped = false;
    for byte in text.bytes().take(column) {
        match (&mut inside, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(word), b'"') => {
                if let (true, Some(Step::Object(key))) = (key_next, path.last_mut()) {
                    key.clone_from(word);
                }
                inside = None;
            }
            (Some(word), _) => word.push(char::from(byte)),
            (None, b'"') => inside = Some(String::new()),
            (None, _) => step(&mut path, &mut key_next, byte),
        }
    }
    written(&path)
}

/// Follows one byte outside of strings.
fn step(path: &mut Vec<Step>, key_next: &mut bool, byte: u8) {
    match byte {
        b'{' => {
            path.push(Step::Object(String::new()));
            *key_next = true;
        }
        b'[' => path.push(Step::List(0)),
        b'}' | b']' => {
            path.pop();
        }
        b':' => *key_next = false,
        b',' => match path.last_mut() {
            Some(Step::List(index)) => *index += 1,
            Some(Step::Object(_)) => *key_next = true,
            None => {}
        },
        _ => {}
    }
}

fn written(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Object(key) if key.is_empty() => {}
            Step::Object(key) if text.is_empty() => text.push_str(key),
            Step::Object(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::List(index) => text.extend(["[", &index.to_string(), "]"]),
        }
    }
    text
}

#[cfg(test)]
mod tests;
