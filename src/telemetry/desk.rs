//! Where metrics are made and registered. Must not know which there are.

use prometheus::core::Collector;
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::metrics::Error;

/// Makes metrics and keeps them in the registry.
pub(super) struct Desk(pub(super) Registry);

impl Desk {
    fn keep<M: Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<M>,
    ) -> Result<M, Error> {
        let made = made?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, Error> {
        self.keep(IntCounter::new(name, help))
    }

    pub(super) fn counters(
        &self,
        name: &str,
        labels: &[&str],
        help: &str,
    ) -> Result<IntCounterVec, Error> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn number(&self, name: &str, help: &str) -> Result<IntGauge, Error> {
        self.keep(IntGauge::new(name, help))
    }

    pub(super) fn numbers(
        &self,
        name: &str,
        labels: &[&str],
        help: &str,
    ) -> Result<IntGaugeVec, Error> {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn seconds(&self, name: &str, help: &str) -> Result<Gauge, Error> {
        self.keep(Gauge::new(name, help))
    }

    pub(super) fn spreads(
        &self,
        name: &str,
        labels: &[&str],
        buckets: &[f64],
        help: &str,
    ) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.keep(HistogramVec::new(options, labels))
    }
}
