//! Who asks, and who else uses the key.

use std::fmt;
use std::time::Duration;

use pacer::limiter::Priority;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::values;

/// A group of clients. Keys that another kind uses are accepted and have no effect.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// How they behave.
    pub kind: Kind,
    /// The class of their requests; NORMAL.
    #[serde(default = "normal", deserialize_with = "values::class")]
    pub cls: Priority,
    /// How many clients (`closed`, `onoff`), or requests at once (`burst`).
    #[serde(default, deserialize_with = "values::some_whole")]
    pub n: Option<u32>,
    /// When they begin; 0, and 5 s for `burst`.
    #[serde(default, deserialize_with = "values::some_seconds")]
    pub t0: Option<Duration>,
    /// When they stop asking; never.
    #[serde(default, deserialize_with = "values::some_seconds")]
    pub t1: Option<Duration>,
    /// Requests a minute (`poisson`).
    #[serde(default)]
    pub rpm: Option<f64>,
    /// Time between two bursts.
    #[serde(default, deserialize_with = "values::some_seconds")]
    pub every: Option<Duration>,
    /// How long they ask (`onoff`).
    #[serde(default, deserialize_with = "values::some_seconds")]
    pub on: Option<Duration>,
    /// How long they then are silent (`onoff`).
    #[serde(default, deserialize_with = "values::some_seconds")]
    pub off: Option<Duration>,
}

/// How clients behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `n` clients, each of which asks again once it has its answer.
    Closed,
    /// Requests come independently, `rpm` a minute.
    Poisson,
    /// `n` requests at once, `every` so many seconds.
    Burst,
    /// `n` closed clients for `on` seconds, nobody for `off`, and again.
    Onoff,
}

/// Somebody else on the same key: greedy, never retries.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Requests a minute.
    pub rpm: f64,
    /// When it begins; 0.
    #[serde(default, deserialize_with = "values::seconds")]
    pub t0: Duration,
    /// When it stops; never.
    #[serde(default, deserialize_with = "values::some_seconds")]
    pub t1: Option<Duration>,
    /// How long it asks before it is silent for `off`; always, by default.
    #[serde(default, deserialize_with = "values::some_seconds")]
    pub on: Option<Duration>,
    /// How long it is silent.
    #[serde(default, deserialize_with = "values::some_seconds")]
    pub off: Option<Duration>,
    /// Whether its requests come evenly instead of independently.
    #[serde(rename = "const", default)]
    pub even: bool,
}

fn normal() -> Priority {
    Priority::Normal
}

/// One tenant, or a list of them.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Tenant>, D::Error> {
    deserializer.deserialize_any(Tenants)
}

struct Tenants;

impl<'de> Visitor<'de> for Tenants {
    type Value = Vec<Tenant>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tenant or a list of tenants")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Tenant::deserialize(MapAccessDeserializer::new(map)).map(|tenant| vec![tenant])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list))
    }
}
