//! From an object of unknown worth to a policy that keeps every rule.

use serde_json::{Number, Value};

use super::fault::{Fault, Found};
use super::identity;
use super::rules::RULES;
use super::schema::{self, Findings};
use super::v1alpha1::RateLimitPolicy;

/// What an object turned out to be.
#[derive(Debug)]
pub struct Checked {
    /// The policy, within every bound and rule, or everything that is wrong with it.
    pub policy: Result<RateLimitPolicy, Vec<Fault>>,
    /// Fields this version does not know. A newer definition may have them, so that a
    /// running sidecar ignores what an author wants to hear about.
    pub unknown: Vec<Fault>,
}

/// Checks an object the way an API server does that was given [`schema::schema`] and [`RULES`].
pub fn check(mut object: Value) -> Checked {
    tidy(&mut object);
    let Findings { mut faults, mut unknown, mut blocks_rules } =
        schema::walk("", &object, &schema::of_object());
    let about_names = identity::faults(&object);
    blocks_rules |= about_names.iter().any(|fault| fault.found == Found::Missing);
    faults.extend(about_names);
    if faults.iter().any(is_about_identity) {
        // Another kind of thing: what the rest says is no fault of it.
        faults.retain(is_about_identity);
        unknown.clear();
    }
    if blocks_rules {
        return Checked { policy: Err(faults), unknown };
    }
    let policy = match typed(object) {
        Ok(policy) => {
            faults.extend(RULES.iter().filter_map(|rule| rule.check(&policy.spec)));
            if faults.is_empty() { Ok(policy) } else { Err(faults) }
        }
        // A number out of range may be too large for its type; then that is what is wrong.
        Err(unreadable) if faults.is_empty() => Err(vec![unreadable]),
        Err(_) => Err(faults),
    };
    Checked { policy, unknown }
}

fn is_about_identity(fault: &Fault) -> bool {
    matches!(fault.path.as_str(), "apiVersion" | "kind")
}

/// What happens to an object between a manifest and the API server's validation: whole numbers
/// lose their fraction (`40.0`, `4e1`).
fn tidy(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => fields.values_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn whole(number: &Number) -> Option<Number> {
    /// Up to here every whole number has a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|_| number.is_f64())?;
    let exact = float.fract() == 0.0 && float.abs() <= EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within 2^53")]
    exact.then(|| Number::from(float as i64))
}

/// Fields set to null count as left out, as they do for an API server whose schema allows no null.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn typed(mut object: Value) -> Result<RateLimitPolicy, Fault> {
    without_nulls(&mut object);
    if let Some(fault) = object.get("metadata").and_then(identity::unreadable) {
        return Err(fault);
    }
    // The schema is derived from the type, so that this cannot fail; a mistake there is reported, not hidden.
    serde_json::from_value(object).map_err(|error| {
        let found = Found::Value(error.to_string());
        Fault { path: "object".into(), found, accepted: "a RateLimitPolicy".into() }
    })
}
