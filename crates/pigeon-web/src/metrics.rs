//! The text of `/metrics`, in the format of OpenMetrics that Prometheus reads.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::http::Response;

/// The figures of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Vec<Series>);

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Something that only grows. Its name gets the suffix `_total`.
    Sum,
    /// Something that grows and shrinks.
    Level,
}

#[derive(Clone, Debug)]
struct Series {
    kind: Counted,
    name: &'static str,
    help: &'static str,
    /// The label's name, if there is one.
    label: Option<&'static str>,
    values: Vec<(Cow<'static, str>, f64)>,
}

impl Snapshot {
    /// Adds a figure.
    pub fn add(&mut self, kind: Counted, name: &'static str, help: &'static str, value: f64) {
        self.0.push(Series { kind, name, help, label: None, values: vec![("".into(), value)] });
    }

    /// Adds a figure for each value of a label. Their number must be bounded.
    pub fn add_each(
        &mut self,
        kind: Counted,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = (Cow<'static, str>, f64)>,
    ) {
        let values = values.into_iter().collect();
        self.0.push(Series { kind, name, help, label: Some(label), values });
    }

    /// The answer to a scrape.
    pub fn response(self) -> Response {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => {
                Response::of("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
            }
            Err(fmt::Error) => Response::text(503, "The figures cannot be written.\n"),
        }
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Series { kind, name, help, label, values } in &self.0 {
            let metric_type = match kind {
                Counted::Sum => MetricType::Counter,
                Counted::Level => MetricType::Gauge,
            };
            let mut series = encoder.encode_descriptor(name, help, None, metric_type)?;
            let write = |value: f64, encoder: MetricEncoder<'_>| match kind {
                Counted::Sum => ConstCounter::new(value).encode(encoder),
                Counted::Level => ConstGauge::new(value).encode(encoder),
            };
            for (word, value) in values {
                match label {
                    Some(label) => {
                        let labels = [(*label, word.as_ref())];
                        write(*value, series.encode_family(&labels)?)?;
                    }
                    // The only value.
                    None => {
                        write(*value, series)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_with_their_kind_and_labels() {
        let mut snapshot = Snapshot::default();
        snapshot.add(Counted::Level, "pigeon_members", "Members", 3.0);
        let drops = [("rate".into(), 2.0), ("muted".into(), 0.0)];
        snapshot.add_each(Counted::Sum, "pigeon_dropped", "Dropped", "reason", drops);
        let response = snapshot.response();
        let text = std::str::from_utf8(&response.body).unwrap();
        for line in [
            "# TYPE pigeon_members gauge",
            "pigeon_members 3.0",
            "# TYPE pigeon_dropped counter",
            "pigeon_dropped_total{reason=\"rate\"} 2.0",
            "pigeon_dropped_total{reason=\"muted\"} 0.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|given| given == line), "{line}: {text}");
        }
    }
}
