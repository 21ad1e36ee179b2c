//! The laws that can be run: Pacer's and its peers'.

use std::fmt;
use std::str::FromStr;

use crate::figures::Figures;
use crate::history::History;
use crate::peers::{Aws, Nemo, Netflix, PeerSidecar, RollingLog, Sre, TokenBucket};
use crate::rng::Rng;
use crate::scenario::{Retreat, Scenario};
use crate::sidecar::{Pacer, Sidecar};
use crate::world::{Unwatched, Watch, World};

/// What decides when requests leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Pacer, with `retreat` as the scenario says.
    Pacer,
    /// Pacer with `retreat` disabled, whatever the scenario says.
    Disabled,
    /// A token bucket at the configured rate.
    Static,
    /// A rolling log of 61 s with a 10 s bench.
    RollingLog,
    /// AWS's adaptive client rate limiter over the static bucket.
    Aws,
    /// Concurrency AIMD over the static bucket.
    Netflix,
    /// Concurrency AIMD with cool-down and retries over the static bucket.
    Nemo,
    /// Client-side throttling over the static bucket.
    Sre,
}

impl Law {
    /// Every law.
    pub const ALL: [Self; 8] = [
        Self::Pacer,
        Self::Disabled,
        Self::Static,
        Self::RollingLog,
        Self::Aws,
        Self::Netflix,
        Self::Nemo,
        Self::Sre,
    ];

    /// The name it is asked for by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pacer => "pacer",
            Self::Disabled => "disabled",
            Self::Static => "static",
            Self::RollingLog => "rolling-log",
            Self::Aws => "aws",
            Self::Netflix => "netflix",
            Self::Nemo => "nemo",
            Self::Sre => "sre",
        }
    }

    /// What it is, in a few words for a table.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Pacer => "Pacer",
            Self::Disabled => "Pacer with `retreat.mode: Disabled`",
            Self::Static => "token bucket at the configured rate",
            Self::RollingLog => "rolling log of 61 s, 10 s bench after a 429 (nim-proxy)",
            Self::Aws => "AWS's adaptive client rate, over the bucket",
            Self::Netflix => "concurrency AIMD (Netflix), over the bucket",
            Self::Nemo => "concurrency AIMD with cool-down (NeMo), over the bucket",
            Self::Sre => "client-side throttling (SRE book), over the bucket",
        }
    }

    /// The figures of one run.
    pub fn run(self, scenario: &Scenario, seed: u64) -> Figures {
        Figures::of(scenario, &self.history(scenario, seed, Unwatched))
    }

    /// One run with somebody who looks on.
    pub fn history<W: Watch<Box<dyn Sidecar>>>(self, scenario: &Scenario, seed: u64, watch: W) -> History {
        World::watched(scenario, self.sidecar(scenario, seed), seed, watch).run()
    }

    /// A sidecar that obeys it.
    pub fn sidecar(self, scenario: &Scenario, seed: u64) -> Box<dyn Sidecar> {
        let rng = Rng::named(&scenario.name, "sidecar", seed);
        match self {
            Self::Pacer => Box::new(Pacer::new(scenario, rng)),
            Self::Disabled => {
                let scenario = Scenario { retreat: Retreat::Disabled, ..scenario.clone() };
                Box::new(Pacer::new(&scenario, rng))
            }
            Self::Static => Box::new(PeerSidecar::<TokenBucket>::new(scenario, rng)),
            Self::RollingLog => Box::new(PeerSidecar::<RollingLog>::new(scenario, rng)),
            Self::Aws => Box::new(PeerSidecar::<Aws>::new(scenario, rng)),
            Self::Netflix => Box::new(PeerSidecar::<Netflix>::new(scenario, rng)),
            Self::Nemo => Box::new(PeerSidecar::<Nemo>::new(scenario, rng)),
            Self::Sre => Box::new(PeerSidecar::<Sre>::new(scenario, rng)),
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLaw(String);

impl fmt::Display for UnknownLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Law::ALL.map(Law::as_str).join(", ");
        write!(f, "{:?} is no law; known are {names}", self.0)
    }
}

impl std::error::Error for UnknownLaw {}

impl FromStr for Law {
    type Err = UnknownLaw;

    /// Accepts the names in any case.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|law| law.as_str().eq_ignore_ascii_case(word));
        known.ok_or_else(|| UnknownLaw(word.to_owned()))
    }
}
