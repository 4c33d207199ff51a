//! What a measurement shows: a line an interval, a table at the end, or JSON.

use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use pigeon_bench::{Mode, OneWay, Snapshot};
use serde_json::Value;

use super::plot::Point;
use crate::output::json;

/// The percentiles that are shown, and their names in JSON.
const PERCENTILES: [(f64, &str); 5] =
    [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99_9"), (99.99, "p99_99")];

/// Times on the way, to three digits, from a nanosecond to a minute.
pub(super) struct Times(Option<Histogram<u64>>);

impl Default for Times {
    fn default() -> Self {
        // Fails only for bounds that make no sense.
        Times(Histogram::new_with_bounds(1, 60_000_000_000, 3).ok())
    }
}

impl Times {
    pub(super) fn record(&mut self, time: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    fn histogram(&self) -> Option<&Histogram<u64>> {
        self.0.as_ref().filter(|histogram| !histogram.is_empty())
    }

    /// `p50 12.3 µs  p99 …`
    fn text(&self) -> Option<String> {
        let histogram = self.histogram()?;
        let mut text = format!("min {}", time(histogram.min()));
        for (percentile, _) in PERCENTILES {
            let value = histogram.value_at_percentile(percentile);
            text += &format!("  p{percentile} {}", time(value));
        }
        Some(text + &format!("  max {}", time(histogram.max())))
    }

    /// In seconds.
    fn fields(&self, prefix: &str, fields: &mut Fields) {
        let Some(histogram) = self.histogram() else { return };
        let mut put = |name: &str, nanos: u64| {
            fields.push((format!("{prefix}_{name}"), (nanos as f64 / 1e9).into()));
        };
        put("min", histogram.min());
        for (percentile, name) in PERCENTILES {
            put(name, histogram.value_at_percentile(percentile));
        }
        put("max", histogram.max());
        fields.push((format!("{prefix}_mean"), (histogram.mean() / 1e9).into()));
    }
}

type Fields = Vec<(String, Value)>;

/// One of the counts of a direction.
type Count = fn(&OneWay) -> u64;

/// A time in the unit that suits it: `840 ns`, `12.3 µs`, `51.2 ms`, `1.20 s`.
fn time(nanos: u64) -> String {
    let value = nanos as f64;
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (value / 1e3, "µs"),
        1_000_000..1_000_000_000 => (value / 1e6, "ms"),
        _ => (value / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// A number with its thousands apart: `12,345,678`.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn rate(number: u64, during: Duration) -> f64 {
    if during.is_zero() { 0.0 } else { number as f64 / during.as_secs_f64() }
}

/// A part of a measurement.
pub(super) struct Interval {
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) before: Snapshot,
    pub(super) after: Snapshot,
    pub(super) times: Times,
}

/// What happened in one direction in an interval.
struct Change {
    sent: u64,
    received: u64,
    /// Numbers found missing.
    missing: u64,
    /// Numbers that had been missing, or were overtaken, and came.
    late: u64,
    duplicated: u64,
    bytes: u64,
    jitter: Duration,
}

impl Change {
    fn between(before: Option<OneWay>, after: OneWay) -> Change {
        let before = before.unwrap_or_default();
        let (b, a) = (before.seen, after.seen);
        Change {
            sent: after.sent.saturating_sub(before.sent),
            received: a.received.saturating_sub(b.received),
            missing: (a.lost + a.reordered).saturating_sub(b.lost + b.reordered),
            late: a.reordered.saturating_sub(b.reordered),
            duplicated: a.duplicated.saturating_sub(b.duplicated),
            bytes: a.bytes.saturating_sub(b.bytes),
            jitter: after.jitter(),
        }
    }
}

impl Interval {
    /// Each direction with its name. Of datagrams that come back only the round trip is shown.
    fn changes(&self) -> Vec<(&'static str, Change)> {
        let (before, after) = (&self.before, &self.after);
        let trip = after.trip.map(|trip| ("trip", Change::between(before.trip, trip)));
        let one_way = |name, before, after: Option<OneWay>| {
            after.filter(|_| trip.is_none()).map(|way| (name, Change::between(before, way)))
        };
        let up = one_way("up", before.up, after.up);
        let down = one_way("down", before.down, after.down);
        [up, down, trip].into_iter().flatten().collect()
    }

    /// A line for people.
    pub(super) fn line(&self) -> String {
        let during = self.to.saturating_sub(self.from);
        let mut line = format!("{:>6.1} s", self.to.as_secs_f64());
        for (name, change) in self.changes() {
            let name = match name {
                "up" => "there: ",
                "down" => "back: ",
                _ => "",
            };
            line += &format!(
                "  {name}{}/s sent, {}/s received, {} missing, jitter {}",
                count(rate(change.sent, during) as u64),
                count(rate(change.received, during) as u64),
                count(change.missing),
                time(change.jitter.as_nanos() as u64),
            );
        }
        if let Some(histogram) = self.times.histogram() {
            let at = |percentile| time(histogram.value_at_percentile(percentile));
            line += &format!("  p50 {}  p99 {}", at(50.0), at(99.0));
        }
        line
    }

    /// What it adds to a plot.
    pub(super) fn point(&self) -> Point {
        let during = self.to.saturating_sub(self.from);
        let rates = self.changes().into_iter().map(|(name, change)| {
            let name = match name {
                "up" => "there",
                "down" => "back",
                _ => "there and back",
            };
            (name, rate(change.received, during), rate(change.missing, during))
        });
        let micros = |histogram: &Histogram<u64>, percentile| {
            histogram.value_at_percentile(percentile) as f64 / 1e3
        };
        Point {
            at: self.to.as_secs_f64(),
            rates: rates.collect(),
            times: self.times.histogram().map(|times| (micros(times, 50.0), micros(times, 99.0))),
            line: self.line(),
        }
    }

    /// An object for programs.
    ///
    /// | field | |
    /// | --- | --- |
    /// | `type` | `interval` |
    /// | `from`, `to` | seconds since the measurement began |
    /// | `up_…`, `down_…`, `trip_…` | from here to there, from there to here, there and back: |
    /// | `…sent`, `…received` | datagrams; duplicates are not received again |
    /// | `…missing` | datagrams found missing; some may still come |
    /// | `…late` | datagrams that came after a later one |
    /// | `…duplicated`, `…bytes`, `…jitter` | copies; bytes of payload; seconds (RFC 3550) |
    /// | `rtt_min` … `rtt_max`, `rtt_mean` | seconds from when each was due until it was back |
    ///
    /// The far end reports what it knows of `up` every interval, so it lags by about one.
    pub(super) fn json(&self) -> String {
        let mut fields: Fields = vec![
            ("type".into(), "interval".into()),
            ("from".into(), self.from.as_secs_f64().into()),
            ("to".into(), self.to.as_secs_f64().into()),
        ];
        for (name, change) in self.changes() {
            for (field, value) in [
                ("sent", change.sent.into()),
                ("received", change.received.into()),
                ("missing", change.missing.into()),
                ("late", change.late.into()),
                ("duplicated", change.duplicated.into()),
                ("bytes", change.bytes.into()),
                ("jitter", Value::from(change.jitter.as_secs_f64())),
            ] {
                fields.push((format!("{name}_{field}"), value));
            }
        }
        self.times.fields("rtt", &mut fields);
        object(fields)
    }
}

fn object(fields: Fields) -> String {
    let fields: Vec<(&str, Value)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    json::counts(&fields)
}

/// What is measured, for the title and the summary.
pub(super) struct Shown {
    pub(super) to: SocketAddr,
    pub(super) size: usize,
    pub(super) flows: u16,
    pub(super) rate: Option<u32>,
    pub(super) mode: Mode,
}

impl Shown {
    /// Whether the far end sends less than was asked for.
    pub(super) fn is_limited_to(&self, granted: u32) -> bool {
        let asked = self.rate.unwrap_or(u32::MAX);
        matches!(self.mode, Mode::Down | Mode::Both) && granted != 0 && granted < asked
    }

    pub(super) fn title(&self, duration: Duration) -> String {
        let Shown { to, size, flows, rate, mode } = self;
        let way = match mode {
            Mode::Up => "to",
            Mode::Down => "from",
            Mode::Both => "to and from",
            Mode::Ping => "to and back from",
        };
        let pace = match (rate, mode) {
            (Some(rate), _) => format!("{}/s", count(u64::from(*rate))),
            (None, Mode::Ping) => "one by one".to_string(),
            (None, _) => "as fast as it goes".to_string(),
        };
        let flows = if *flows == 1 { String::new() } else { format!(", {flows} flows") };
        let seconds = duration.as_secs_f64();
        format!("{way} {to} for {seconds} s: {size} bytes, {pace}{flows}")
    }

    /// The summary for people.
    pub(super) fn table(
        &self,
        elapsed: Duration,
        known: &Snapshot,
        times: &Times,
        uncorrected: &Times,
    ) -> Vec<String> {
        let ways: Vec<(&str, OneWay)> =
            [("there", known.up), ("back", known.down), ("there and back", known.trip)]
                .into_iter()
                .filter_map(|(name, way)| Some((name, way?)))
                .collect();
        let row = |name: &str, cell: &dyn Fn(&OneWay) -> String| {
            let cells = ways.iter().map(|(_, way)| format!("{:>18}", cell(way)));
            format!("{name:<22}{}", cells.collect::<String>())
        };
        let heads = ways.iter().map(|(name, _)| format!("{name:>18}")).collect::<String>();
        let per_second = |number: u64| count(rate(number, elapsed).round() as u64);
        let mut lines = vec![
            format!("{:<22}{heads}", ""),
            row("sent", &|way| count(way.sent)),
            row("  a second", &|way| per_second(way.sent)),
            row("received", &|way| count(way.received)),
            row("  a second", &|way| per_second(way.received)),
            row("  Mbit/s", &|way| format!("{:.1}", rate(way.seen.bytes * 8, elapsed) / 1e6)),
            row("lost", &|way| count(way.lost)),
            row("  share", &|way| format!("{:.4} %", way.loss_share() * 100.0)),
            row("  on the way", &|way| count(way.lost_on_way)),
            row("  in the receiver", &|way| count(way.lost_in_kernel)),
            row("late, not lost", &|way| count(way.seen.reordered)),
            row("duplicated", &|way| count(way.seen.duplicated)),
            row("jitter", &|way| time(way.seen.jitter)),
        ];
        let rare: [(&str, Count); 3] = [
            ("damaged (so lost)", |way| way.seen.damaged),
            ("too late to tell", |way| way.seen.beyond_window),
            ("not sent by the host", |way| way.unsent),
        ];
        for (name, number) in rare {
            if ways.iter().any(|(_, way)| number(way) > 0) {
                lines.push(row(name, &|way| count(number(way))));
            }
        }
        if let Some(text) = times.text() {
            lines.push(format!("round trip, since due   {text}"));
        }
        if let Some(text) = uncorrected.text().filter(|_| self.rate.is_some()) {
            lines.push(format!("            since sent  {text}"));
        }
        lines
    }

    /// The summary for programs.
    ///
    /// | field | |
    /// | --- | --- |
    /// | `type` | `summary` |
    /// | `target`, `size`, `flows`, `rate` | what was asked for; `rate` is null without a pace |
    /// | `elapsed` | seconds in which datagrams were sent |
    /// | `interrupted` | whether Ctrl-C ended it |
    /// | `result` | where the far end ended it: `refused`, or why in words |
    /// | `up_…`, `down_…`, `trip_…` | from here to there, from there to here, there and back: |
    /// | `…sent` | datagrams that the sender's kernel took |
    /// | `…received`, `…lost` | `sent` = `received` + `lost` |
    /// | `…lost_on_way`, `…lost_in_kernel` | together `lost`; the second by the receiver's kernel |
    /// | `…late`, `…max_extent` | came after a later one; by how many arrivals at most (RFC 4737) |
    /// | `…duplicated`, `…damaged` | copies; headers damaged on the way |
    /// | `…beyond_window`, `…unsent` | too late to distinguish; not sent by the sender's own host |
    /// | `…bytes`, `…jitter` | bytes of payload; seconds (RFC 3550) |
    /// | `rtt_…` | seconds from when each was due until it was back |
    /// | `rtt_since_sent_…` | the same from when it was sent, so with coordinated omission |
    pub(super) fn json(
        &self,
        elapsed: Duration,
        known: &Snapshot,
        times: &Times,
        uncorrected: &Times,
        interrupted: bool,
        result: Option<String>,
    ) -> String {
        let mut fields: Fields = vec![
            ("type".into(), "summary".into()),
            ("target".into(), self.to.to_string().into()),
            ("size".into(), self.size.into()),
            ("flows".into(), self.flows.into()),
            ("rate".into(), self.rate.into()),
            ("elapsed".into(), elapsed.as_secs_f64().into()),
            ("interrupted".into(), interrupted.into()),
        ];
        fields.extend(result.map(|result| ("result".into(), result.into())));
        for (name, way) in [("up", known.up), ("down", known.down), ("trip", known.trip)] {
            let Some(way) = way else { continue };
            for (field, value) in [
                ("sent", way.sent.into()),
                ("received", way.received.into()),
                ("lost", way.lost.into()),
                ("lost_on_way", way.lost_on_way.into()),
                ("lost_in_kernel", way.lost_in_kernel.into()),
                ("late", way.seen.reordered.into()),
                ("max_extent", way.seen.max_extent.into()),
                ("duplicated", way.seen.duplicated.into()),
                ("damaged", way.seen.damaged.into()),
                ("beyond_window", way.seen.beyond_window.into()),
                ("unsent", way.unsent.into()),
                ("bytes", way.seen.bytes.into()),
                ("jitter", Value::from(way.jitter().as_secs_f64())),
            ] {
                fields.push((format!("{name}_{field}"), value));
            }
        }
        times.fields("rtt", &mut fields);
        uncorrected.fields("rtt_since_sent", &mut fields);
        object(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let shown = [999, 1_500, 12_340, 51_234_000, 1_200_000_000].map(time);
        assert_eq!(shown, ["999 ns", "1.50 µs", "12.3 µs", "51.2 ms", "1.20 s"]);
    }
}
