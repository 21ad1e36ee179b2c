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

/// The path to the value that ends at byte `column` of a JSON text: `demand[0].rpm`.
fn path_to(text: &str, column: usize) -> String {
    let mut path: Vec<Step> = Vec::new();
    let mut word: Option<String> = None;
    let mut last_word = String::new();
    let mut escaped = false;
    for byte in text.bytes().take(column) {
        match (&mut word, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(inside), b'"') => {
                last_word = std::mem::take(inside);
                word = None;
            }
            (Some(inside), _) => inside.push(char::from(byte)),
            (None, b'"') => word = Some(String::new()),
            (None, b'{') => path.push(Step::Object(String::new())),
            (None, b'[') => path.push(Step::List(0)),
            (None, b'}' | b']') => {
                path.pop();
            }
            (None, b':') => {
                if let Some(Step::Object(key)) = path.last_mut() {
                    key.clone_from(&last_word);
                }
            }
            (None, b',') => {
                if let Some(Step::List(index)) = path.last_mut() {
                    *index += 1;
                }
            }
            (None, _) => {}
        }
    }
    written(&path)
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
