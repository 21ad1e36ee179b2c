//! Registering families without repeating the ceremony.

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// Makes families and registers them.
pub(super) struct Families<'a> {
    registry: &'a Registry,
}

impl<'a> Families<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self { registry }
    }

    pub(super) fn int_counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    pub(super) fn int_counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn int_gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    pub(super) fn int_gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::new(name, help))
    }

    /// One histogram a label value, in the order of `values`.
    pub(super) fn histograms<const N: usize>(
        &self,
        opts: HistogramOpts,
        label: &str,
        values: [&str; N],
    ) -> [Histogram; N] {
        let family: HistogramVec = self.register(HistogramVec::new(opts, &[label]));
        values.map(|value| family.with_label_values(&[value]))
    }

    pub(super) fn build_info(&self, version: &str) {
        self.int_gauge_vec(
            "sidecar_build_info",
            "Always 1; the label tells the version that runs.",
            &["version"],
        )
        .with_label_values(&[version])
        .set(1);
    }

    /// CPU, memory, file descriptors and threads of the process.
    pub(super) fn process(&self) {
        self.add(Box::new(prometheus::process_collector::ProcessCollector::for_self()));
    }

    #[expect(clippy::expect_used, reason = "a bad name is a mistake in this module that every test meets")]
    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("metric names and labels are literals of this module");
        self.add(Box::new(collector.clone()));
        collector
    }

    #[expect(
        clippy::expect_used,
        reason = "a repeated name is a mistake in this module that every test meets"
    )]
    fn add(&self, collector: Box<dyn Collector>) {
        self.registry.register(collector).expect("every metric name is registered once");
    }
}
