//! One line of `fields.yaml`, and the policies it stands for.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Case, policy};

/// What one field accepts. The head of `fields.yaml` explains the words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    pub(crate) at: String,
    from: Option<i64>,
    to: Option<i64>,
    words: Option<Vec<String>>,
    letters: Option<[usize; 2]>,
    entries: Option<[usize; 2]>,
    #[serde(default)]
    section: bool,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    with: Value,
    #[serde(default)]
    below: Vec<String>,
    #[serde(default)]
    above: Vec<String>,
}

/// A value, and the paths that are refused with it.
type Trial = (Value, Vec<String>);

impl Field {
    /// The field's path in a policy.
    pub(crate) fn path(&self) -> String {
        format!("spec.{}", self.at)
    }

    /// Every policy this line stands for.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let of_type = [self.integers(), self.choices(), self.texts(), self.lists(), self.sections()];
        assert_eq!(of_type.iter().filter(|trials| !trials.is_empty()).count(), 1, "{}: of one type", self.at);
        let null = (Value::Null, if self.required { vec![self.path()] } else { Vec::new() });
        of_type.into_iter().flatten().chain([null]).map(|trial| self.case(trial)).collect()
    }

    fn case(&self, (value, faults): Trial) -> Case {
        let mut spec = json!({"rate": {"requestsPerMinute": 40}});
        merge(&mut spec, &self.with);
        let name = format!("fields.yaml: {} = {}", self.at, shortened(&value));
        place(&mut spec, &steps(&self.at), value);
        Case { name, object: policy(&spec), faults: faults.into_iter().collect(), server: None }
    }

    fn accepted(value: impl Into<Value>) -> Trial {
        (value.into(), Vec::new())
    }

    fn refused(&self, value: impl Into<Value>) -> Trial {
        (value.into(), vec![self.path()])
    }

    fn refused_with(&self, value: impl Into<Value>, others: &[String]) -> Trial {
        (value.into(), [&[self.path()], others].concat())
    }

    fn integers(&self) -> Vec<Trial> {
        let (Some(from), Some(to)) = (self.from, self.to) else { return Vec::new() };
        let others = [json!(from.to_string()), json!(0.5), json!(true), json!([from]), json!({})];
        let mut trials = vec![
            Self::accepted(from),
            Self::accepted(to),
            self.refused_with(from - 1, &self.below),
            self.refused_with(to + 1, &self.above),
        ];
        trials.extend(others.map(|other| self.refused(other)));
        trials
    }

    fn choices(&self) -> Vec<Trial> {
        let Some(words) = &self.words else { return Vec::new() };
        let mut trials: Vec<_> = words.iter().map(|word| Self::accepted(word.as_str())).collect();
        for word in words {
            let variants = [word.to_lowercase(), word.to_uppercase(), format!("{word} ")];
            let others = variants.into_iter().filter(|variant| variant != word);
            trials.extend(others.map(|other| self.refused(other)));
        }
        trials.extend(
            [json!(""), json!(1), json!(true), json!(words), json!({})].map(|other| self.refused(other)),
        );
        trials
    }

    fn texts(&self) -> Vec<Trial> {
        let Some([shortest, longest]) = self.letters else { return Vec::new() };
        // Letters count, not bytes.
        let text = |letters| "ä".repeat(letters);
        let mut trials = vec![
            Self::accepted(text(shortest)),
            Self::accepted(text(longest)),
            self.refused(text(shortest - 1)),
            self.refused(text(longest + 1)),
        ];
        trials.extend([json!(1), json!(true), json!(["x"]), json!({})].map(|other| self.refused(other)));
        trials
    }

    fn lists(&self) -> Vec<Trial> {
        let Some([shortest, longest]) = self.entries else { return Vec::new() };
        let mut trials = vec![Self::accepted(self.list(shortest)), Self::accepted(self.list(longest))];
        trials.extend(shortest.checked_sub(1).map(|shorter| self.refused(self.list(shorter))));
        // One choice more is one that is there already; in `match` an entry may be.
        let repeated = (!self.at.starts_with("match.")).then(|| format!("{}[{longest}]", self.path()));
        trials.push(self.refused_with(self.list(longest + 1), repeated.as_slice()));
        trials.extend([json!("x"), json!(1), json!({})].map(|other| self.refused(other)));
        trials
    }

    /// A list of this length, which repeats an entry only where there are no more.
    fn list(&self, length: usize) -> Value {
        let words: &[&str] = match self.at.as_str() {
            "queue.priorities" => &["Urgent", "High", "Normal", "Low", "Low"],
            "match.methods" => &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET"],
            "readiness.gates" => &["Upstream", "Queue", "Tokens", "Queue"],
            _ => return (0..length).map(|number| json!(format!("model-{number}"))).collect(),
        };
        let entry =
            |word: &&str| if self.at == "queue.priorities" { json!({"name": word}) } else { json!(word) };
        words.iter().take(length).map(entry).collect()
    }

    fn sections(&self) -> Vec<Trial> {
        if !self.section {
            return Vec::new();
        }
        let mut trials = vec![(json!({"unheardOf": 1}), vec![format!("{}.unheardOf", self.path())])];
        trials.extend([json!("x"), json!(1), json!(true), json!([])].map(|other| self.refused(other)));
        trials
    }
}

/// `queue.priorities[0].name` as `queue`, `priorities`, `0`, `name`.
fn steps(at: &str) -> Vec<&str> {
    at.split(['.', '[', ']']).filter(|step| !step.is_empty()).collect()
}

/// Puts a value at the end of a way; an object is added to what is there.
fn place(at: &mut Value, steps: &[&str], value: Value) {
    match steps {
        [] if value.is_object() => merge(at, &value),
        [] => *at = value,
        [step, rest @ ..] => match step.parse::<usize>() {
            Ok(index) => place(&mut at[index], rest, value),
            Err(_) => place(&mut at[*step], rest, value),
        },
    }
}

/// Adds the fields of `more`, fields of fields included.
fn merge(into: &mut Value, more: &Value) {
    match (&mut *into, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (name, value) in more {
                merge(fields.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        _ => *into = more.clone(),
    }
}

fn shortened(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}
