//! A page of metrics, made anew for each request from what the programs tell of themselves.

use std::fmt;
use std::sync::atomic::AtomicU64;

use lbproxy::plan::latency::{BOUNDS_MICROS, Latency};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Names and values.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The type of [`Page::finish`]'s text.
pub(in crate::console) const CONTENT_TYPE: &str =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page(Registry);

impl Page {
    /// Something that goes up and down.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    /// Something that only grows, until its program starts anew. The text adds `_total` to the name.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    /// How long something took. The text adds `_bucket`, `_count` and `_sum` to the name.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels, Latency)>,
    ) {
        self.0.register(name, help, Histograms(rows.into_iter().collect()));
    }

    /// The page as text.
    pub(super) fn finish(self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        encode(&mut text, &self.0).ok();
        text
    }
}

/// Counts that were made elsewhere.
#[derive(Debug)]
struct Histograms(Vec<(Labels, Latency)>);

impl EncodeMetric for Histograms {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS_MICROS.iter().map(|micros| seconds_of_micros(*micros));
        let bounds: Vec<f64> = bounds.chain([f64::INFINITY]).collect();
        for (labels, Latency { counts, sum_micros }) in &self.0 {
            let buckets: Vec<_> = bounds.iter().copied().zip(counts.iter().copied()).collect();
            let (sum, count) = (seconds_of_micros(*sum_micros), counts.iter().sum());
            encoder
                .encode_family(labels)?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

fn seconds_of_micros(micros: u64) -> f64 {
    count(micros) / 1e6
}

/// 1 for yes, 0 for no.
pub(super) fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// Seconds of milliseconds.
pub(super) fn seconds(millis: u64) -> f64 {
    // Exact up to thousands of years.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let millis = millis as f64;
    millis / 1_000.0
}

/// A count as a value; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "nobody counts further")]
pub(super) fn count(number: u64) -> f64 {
    number as f64
}
