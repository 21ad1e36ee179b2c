//! Every metric of the sidecar, in one registry of its own.
//!
//! Names, labels and buckets of the first thirteen families are fixed by the
//! product's origin; `docs/metrics.md` lists all of them and a test holds the two
//! together. Label values come from closed sets, handles are made once and kept by
//! index: a series exists at 0 from the first scrape, and counting costs no look-up.

mod distribution;
mod family;
mod policy;
mod queue;
mod requests;
mod retreat;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};

use prometheus::proto::{Metric, MetricFamily};
use prometheus::{Encoder, Registry, TextEncoder};

pub use distribution::Distribution;
pub use policy::{PolicyMetrics, PolicySource, PolicyState};
pub use queue::QueueMetrics;
pub use requests::{RefusalReason, RequestMetrics, RequestStatus};
pub use retreat::RetreatMetrics;
pub use upstream::{RetryReason, UpstreamMetrics};

use family::Families;

/// The metrics of one sidecar. Several may live in one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// What happened to requests.
    pub requests: RequestMetrics,
    /// Who waits, for what.
    pub queue: QueueMetrics,
    /// What the upstream did.
    pub upstream: UpstreamMetrics,
    /// The pace and its state.
    pub retreat: RetreatMetrics,
    /// Where the settings come from.
    pub policy: PolicyMetrics,
    /// 1 while the sidecar is ready, else 0.
    pub health_status: prometheus::IntGauge,
    /// Seconds since the sidecar started.
    pub uptime_seconds: prometheus::Gauge,
    /// Handlers that panicked.
    pub panics: prometheus::IntCounter,
}

impl Metrics {
    /// Registers every family; `provider` becomes the label of the upstream's series.
    ///
    /// # Panics
    /// Never in practice: a name registered twice is a mistake in this module that every test meets.
    pub fn new(provider: &str) -> Self {
        let registry = Registry::new();
        let families = Families::new(&registry);
        let metrics = Self {
            requests: RequestMetrics::new(&families),
            queue: QueueMetrics::new(&families),
            upstream: UpstreamMetrics::new(&families, provider),
            retreat: RetreatMetrics::new(&families),
            policy: PolicyMetrics::new(&families),
            health_status: families
                .int_gauge("sidecar_health_status", "1 while the sidecar is ready, else 0."),
            uptime_seconds: families.gauge("sidecar_uptime_seconds", "Seconds since the sidecar started."),
            panics: families.int_counter(
                "sidecar_panics_total",
                "Request handlers that panicked and were answered with 500.",
            ),
            registry: registry.clone(),
        };
        families.build_info(env!("CARGO_PKG_VERSION"));
        families.process();
        metrics
    }

    /// The Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        debug_assert!(encoded.is_ok(), "text encoding into memory: {encoded:?}");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Every registered family, sorted by name.
    pub fn families(&self) -> Vec<Family> {
        self.registry.gather().iter().map(Family::from).collect()
    }
}

/// What there is to know about a family without its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name series start with.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it counts.
    pub help: String,
    /// The labels of its series, and the values each has so far.
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

impl From<&MetricFamily> for Family {
    fn from(family: &MetricFamily) -> Self {
        let mut labels = BTreeMap::<String, BTreeSet<String>>::new();
        for pair in family.get_metric().iter().flat_map(Metric::get_label) {
            labels.entry(pair.name().to_owned()).or_default().insert(pair.value().to_owned());
        }
        Self {
            name: family.name().to_owned(),
            kind: format!("{:?}", family.get_field_type()).to_lowercase(),
            help: family.help().to_owned(),
            labels,
        }
    }
}
