//! Values as scenarios write them: seconds, whole numbers that may be written `40.0`, classes.

use std::fmt;
use std::time::Duration;

use pacer::limiter::Priority;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// The longest time a scenario may name: a year.
const LONGEST: f64 = 365.0 * 86_400.0;

/// A time or a length of time in seconds, 0 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) struct Seconds(pub(super) Duration);

/// A whole number, which may be written with a fraction of zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole(pub(super) u32);

/// A class by name or by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(pub(super) Priority);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondsVisitor).map(Self)
    }
}

// A visitor of its own, so that an error is told while the parser still stands at the value.
#[derive(Clone, Copy)]
struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seconds, from 0 to 31536000 (a year)")
    }

    fn visit_f64<E: Error>(self, written: f64) -> Result<Duration, E> {
        if !(0.0..=LONGEST).contains(&written) {
            return Err(E::invalid_value(Unexpected::Float(written), &self));
        }
        Ok(crate::time::seconds(written))
    }

    fn visit_u64<E: Error>(self, written: u64) -> Result<Duration, E> {
        u32::try_from(written)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(written), &self))
            .and_then(|whole| self.visit_f64(f64::from(whole)))
    }

    fn visit_i64<E: Error>(self, written: i64) -> Result<Duration, E> {
        Err(E::invalid_value(Unexpected::Signed(written), &self))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor).map(Self)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 to 4294967295")
    }

    fn visit_u64<E: Error>(self, written: u64) -> Result<u32, E> {
        u32::try_from(written).map_err(|_| E::invalid_value(Unexpected::Unsigned(written), &self))
    }

    fn visit_i64<E: Error>(self, written: i64) -> Result<u32, E> {
        u32::try_from(written).map_err(|_| E::invalid_value(Unexpected::Signed(written), &self))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked before"
    )]
    fn visit_f64<E: Error>(self, written: f64) -> Result<u32, E> {
        if written.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&written) {
            return Err(E::invalid_value(Unexpected::Float(written), &self));
        }
        Ok(written as u32)
    }
}

impl<'de> Deserialize<'de> for Class {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClassVisitor).map(Self)
    }
}

#[derive(Clone, Copy)]
struct ClassVisitor;

impl Visitor<'_> for ClassVisitor {
    type Value = Priority;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("URGENT, HIGH, NORMAL, LOW or their number, 0 to 3")
    }

    fn visit_str<E: Error>(self, written: &str) -> Result<Priority, E> {
        written.parse().map_err(|_| E::invalid_value(Unexpected::Str(written), &self))
    }

    fn visit_u64<E: Error>(self, written: u64) -> Result<Priority, E> {
        let known = Priority::ALL.into_iter().find(|priority| priority.index() as u64 == written);
        known.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(written), &self))
    }

    fn visit_i64<E: Error>(self, written: i64) -> Result<Priority, E> {
        Err(E::invalid_value(Unexpected::Signed(written), &self))
    }

    fn visit_f64<E: Error>(self, written: f64) -> Result<Priority, E> {
        let number = WholeVisitor.visit_f64::<E>(written);
        let known = number.ok().and_then(|number| self.visit_u64::<E>(u64::from(number)).ok());
        known.ok_or_else(|| E::invalid_value(Unexpected::Float(written), &self))
    }
}

/// `#[serde(deserialize_with)]` for the plain types behind the three.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Seconds::deserialize(deserializer).map(|Seconds(time)| time)
}

pub(super) fn some_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(|Seconds(time)| time))
}

pub(super) fn many_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    Ok(Vec::deserialize(deserializer)?.into_iter().map(|Seconds(time)| time).collect())
}

pub(super) fn four_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[Duration; 4], D::Error> {
    Ok(<[Seconds; 4]>::deserialize(deserializer)?.map(|Seconds(time)| time))
}

pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Whole::deserialize(deserializer).map(|Whole(number)| number)
}

pub(super) fn some_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(|Whole(number)| number))
}

pub(super) fn class<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Priority, D::Error> {
    Class::deserialize(deserializer).map(|Class(priority)| priority)
}
