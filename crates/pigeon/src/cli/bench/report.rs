//! Output of a measurement: one row per interval and a table at the end, or JSON, or CSV.

use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;
use pigeon_bench::{Mode, OneWay, Snapshot};
use pigeon_text::{pad, width};
use serde_json::Value;

use super::plot::Point;
use crate::output::json;
use crate::words::{self, key, say};

/// Percentiles shown, with their names in JSON.
const PERCENTILES: [(f64, &str); 5] =
    [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99_9"), (99.99, "p99_99")];

/// Durations from 1 ns to 1 min, with three significant digits.
pub(super) struct Times(Option<Histogram<u64>>);

impl Default for Times {
    fn default() -> Self {
        // Fails only for invalid bounds.
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

    pub(super) fn add(&mut self, others: &Times) {
        if let (Some(histogram), Some(others)) = (&mut self.0, &others.0) {
            // Fails only if the bounds differ.
            let _ = histogram.add(others);
        }
    }

    /// `min`, percentiles and `max` in nanoseconds, with their names for people and for JSON.
    fn values(&self) -> Vec<(String, &'static str, f64)> {
        let Some(histogram) = self.histogram() else { return Vec::new() };
        let mut values = vec![("min".to_string(), "min", histogram.min() as f64)];
        values.extend(PERCENTILES.map(|(percentile, name)| {
            let value = histogram.value_at_percentile(percentile);
            (format!("p{percentile}"), name, value as f64)
        }));
        values.push(("max".to_string(), "max", histogram.max() as f64));
        values.push(("mean".to_string(), "mean", histogram.mean()));
        values
    }

    /// Adds the same values to `fields`, in seconds.
    fn fields(&self, prefix: &str, fields: &mut Fields) {
        for (_, name, nanos) in self.values() {
            fields.push((format!("{prefix}_{name}"), (nanos / 1e9).into()));
        }
    }

    /// The values of `fields` as CSV columns.
    fn columns(&self) -> Vec<String> {
        match self.values() {
            values if values.is_empty() => vec![String::new(); PERCENTILES.len() + 3],
            values => values.iter().map(|(.., nanos)| format!("{}", nanos / 1e9)).collect(),
        }
    }
}

type Fields = Vec<(String, Value)>;

/// Returns one counter of a direction.
type Count = fn(&OneWay) -> u64;

/// Formats a time in a suitable unit: `840 ns`, `12.3 µs`, `51.2 ms`, `1.20 s`.
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

/// Formats a number with thousands separators: `12,345,678`.
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

/// Bits per second in about four characters: `840`, `512k`, `9.98M`, `1.25G`.
fn bits(bytes: u64, during: Duration) -> String {
    let bits = rate(8 * bytes, during);
    let (scaled, unit) = match bits {
        ..1e3 => return format!("{bits:.0}"),
        ..1e6 => (bits / 1e3, "k"),
        ..1e9 => (bits / 1e6, "M"),
        _ => (bits / 1e9, "G"),
    };
    let digits = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    format!("{scaled:.digits$}{unit}")
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    Json,
    Csv,
}

/// The column titles of [`Interval::rows`].
pub(super) fn head(mode: Mode) -> String {
    let way = if mode == Mode::Both { "       " } else { "" };
    let last = match mode {
        Mode::Ping => format!("{:>9}{:>9}", "p50", "p99"),
        _ => right(&say!("tools-bench-jitter"), 10),
    };
    [
        right(&say!("tools-bench-seconds"), 8).as_str(),
        way,
        &right(&say!("tools-bench-sent-per-second"), 11),
        &right(&say!("tools-bench-received-per-second"), 12),
        &right("bit/s", 9),
        &right(&say!("tools-bench-late-or-lost"), 13),
        &last,
    ]
    .concat()
}

/// Right-aligns a text that may hold wide characters.
fn right(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{:missing$}{text}", "")
}

/// The name of a direction, from its name in JSON.
fn way_name(way: &str) -> String {
    match way {
        "up" => say!("tools-bench-there"),
        "down" => say!("tools-bench-back"),
        _ => say!("tools-bench-there-and-back"),
    }
}

/// The CSV header. `lost` of an interval is negative if datagrams counted as missing before arrived
/// late.
pub(super) fn csv_head() -> String {
    let times =
        ["min", "p50", "p90", "p99", "p99_9", "p99_99", "max", "mean"].map(|n| format!(",rtt_{n}"));
    let columns =
        "type,from,to,way,sent,received,lost,late,duplicated,bytes,bits_per_second,jitter";
    columns.to_string() + &times.concat()
}

fn csv(kind: &str, [from, to]: [Duration; 2], way: &str, change: &Change, times: &Times) -> String {
    let Change { sent, received, late, duplicated, bytes, .. } = change;
    let a_second = rate(8 * bytes, to.saturating_sub(from));
    let (from, to, jitter) = (from.as_secs_f64(), to.as_secs_f64(), change.jitter.as_secs_f64());
    let lost = change.lost;
    let columns = format!(
        "{kind},{from},{to},{way},{sent},{received},{lost},{late},{duplicated},{bytes},\
         {a_second:.0},{jitter}"
    );
    [columns].into_iter().chain(times.columns()).collect::<Vec<_>>().join(",")
}

fn rate(number: u64, during: Duration) -> f64 {
    if during.is_zero() { 0.0 } else { number as f64 / during.as_secs_f64() }
}

/// One interval of a measurement.
pub(super) struct Interval {
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) before: Snapshot,
    pub(super) after: Snapshot,
    pub(super) times: Times,
    /// Whether the summary omits it.
    pub(super) is_omitted: bool,
}

/// The counters of one direction in one interval.
struct Change {
    sent: u64,
    received: u64,
    /// Sequence numbers found missing.
    missing: u64,
    /// Increase of the number missing.
    lost: i64,
    /// Number missing since the start.
    lost_so_far: u64,
    /// Datagrams that arrived after a later one.
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
            lost: after.lost.cast_signed() - before.lost.cast_signed(),
            lost_so_far: after.lost,
            late: a.reordered.saturating_sub(b.reordered),
            duplicated: a.duplicated.saturating_sub(b.duplicated),
            bytes: a.bytes.saturating_sub(b.bytes),
            jitter: after.jitter(),
        }
    }
}

impl Interval {
    /// Each direction with its name. With `--ping` only the round trip is shown.
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

    /// One text row per direction, under [`head`].
    pub(super) fn rows(&self) -> Vec<String> {
        let during = self.to.saturating_sub(self.from);
        let changes = self.changes();
        let is_both = changes.len() > 1;
        let row = |(name, change): &(&str, Change)| {
            let way = if is_both { right(&way_name(name), 7) } else { String::new() };
            let omitted = match self.is_omitted {
                true => format!(" {}", say!("tools-bench-is-omitted")),
                false => String::new(),
            };
            let last = match (*name, self.times.histogram()) {
                ("trip", Some(histogram)) => {
                    let at = |percentile| time(histogram.value_at_percentile(percentile));
                    format!("{:>9}{:>9}", at(50.0), at(99.0))
                }
                ("trip", None) => String::new(),
                _ => format!("{:>10}", time(change.jitter.as_nanos() as u64)),
            };
            format!(
                "{:>8.1}{way}{:>11}{:>12}{:>9}{:>13}{last}{omitted}",
                self.to.as_secs_f64(),
                count(rate(change.sent, during).round() as u64),
                count(rate(change.received, during).round() as u64),
                bits(change.bytes, during),
                count(change.lost_so_far),
            )
        };
        changes.iter().map(row).collect()
    }

    /// The interval as a sentence.
    fn line(&self) -> String {
        let during = self.to.saturating_sub(self.from);
        let mut line = format!("{:>6.1} s", self.to.as_secs_f64());
        for (name, change) in self.changes() {
            let said = say!(
                "tools-bench-interval",
                sent = count(rate(change.sent, during).round() as u64),
                received = count(rate(change.received, during).round() as u64),
                bits = bits(change.bytes, during),
                lost = count(change.lost_so_far),
                jitter = time(change.jitter.as_nanos() as u64),
            );
            line += "  ";
            line += &match name {
                "trip" => said,
                name => words::because(way_name(name), said),
            };
        }
        if let Some(histogram) = self.times.histogram() {
            let at = |percentile| time(histogram.value_at_percentile(percentile));
            line += &format!("  p50 {}  p99 {}", at(50.0), at(99.0));
        }
        line
    }

    /// The interval as a point of the plot.
    pub(super) fn point(&self) -> Point {
        let during = self.to.saturating_sub(self.from);
        let rates = self.changes().into_iter().map(|(name, change)| {
            (way_name(name), rate(change.received, during), change.lost_so_far as f64)
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

    /// A JSON object.
    ///
    /// | field | |
    /// | --- | --- |
    /// | `type` | `interval` |
    /// | `from`, `to` | seconds since the start |
    /// | `up_…`, `down_…`, `trip_…` | client to server, server to client, round trip: |
    /// | `…sent`, `…received` | datagrams; duplicates not counted |
    /// | `…missing` | datagrams found missing; some may still come |
    /// | `…late` | datagrams that came after a later one |
    /// | `…lost_so_far` | datagrams missing at its end, since the measurement began; some may still come |
    /// | `…duplicated`, `…bytes`, `…jitter` | copies; bytes of payload; seconds (RFC 3550) |
    /// | `rtt_min` … `rtt_max`, `rtt_mean` | seconds from when each was due to its reply |
    /// | `omitted` | with `--omit`: whether the summary omits it |
    ///
    /// Received `up` datagrams count in the interval in which they were sent, from the server's
    /// report for that interval. If that report is lost, the interval becomes part of the next one.
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
                ("lost_so_far", change.lost_so_far.into()),
                ("duplicated", change.duplicated.into()),
                ("bytes", change.bytes.into()),
                ("jitter", Value::from(change.jitter.as_secs_f64())),
            ] {
                fields.push((format!("{name}_{field}"), value));
            }
        }
        self.times.fields("rtt", &mut fields);
        fields.extend(self.is_omitted.then(|| ("omitted".into(), true.into())));
        object(fields)
    }

    /// One CSV row per direction, under [`csv_head`].
    pub(super) fn csv(&self) -> Vec<String> {
        let kind = if self.is_omitted { "omitted" } else { "interval" };
        let row = |(way, change): (&str, Change)| {
            csv(kind, [self.from, self.to], way, &change, &self.times)
        };
        self.changes().into_iter().map(row).collect()
    }
}

/// A finished measurement.
pub(super) struct Whole<'a> {
    /// The duration of sending.
    pub(super) elapsed: Duration,
    pub(super) known: Snapshot,
    pub(super) times: &'a Times,
    pub(super) uncorrected: &'a Times,
}

impl Whole<'_> {
    /// One CSV row per direction, under [`csv_head`].
    pub(super) fn csv(&self) -> Vec<String> {
        let Snapshot { up, down, trip } = self.known;
        let ways = [("up", up), ("down", down), ("trip", trip)];
        let row = |(name, way): (&str, Option<OneWay>)| {
            let nothing = Times::default();
            let times = if name == "trip" { self.times } else { &nothing };
            let change = Change::between(None, way?);
            Some(csv("summary", [Duration::ZERO, self.elapsed], name, &change, times))
        };
        ways.into_iter().filter_map(row).collect()
    }
}

fn object(fields: Fields) -> String {
    let fields: Vec<(&str, Value)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    json::counts(&fields)
}

/// The settings shown in the title and the summary.
pub(super) struct Shown {
    pub(super) to: SocketAddr,
    pub(super) size: usize,
    pub(super) flows: u16,
    pub(super) rate: Option<u32>,
    pub(super) mode: Mode,
    /// The duration at the start that the summary omits.
    pub(super) omit: Duration,
}

impl Shown {
    /// Whether the server grants less than the requested rate.
    pub(super) fn is_limited_to(&self, granted: u32) -> bool {
        let asked = self.rate.unwrap_or(u32::MAX);
        matches!(self.mode, Mode::Down | Mode::Both) && granted != 0 && granted < asked
    }

    pub(super) fn title(&self, duration: Duration) -> String {
        let Shown { to, size, flows, rate, mode, omit } = self;
        let way = match mode {
            Mode::Up => say!("tools-bench-to", to = to),
            Mode::Down => say!("tools-bench-from", to = to),
            Mode::Both => say!("tools-bench-both", to = to),
            Mode::Ping => say!("tools-bench-ping", to = to),
        };
        let comma = words::between_items();
        let pace = match (rate, mode) {
            (Some(rate), _) => {
                let bytes = u64::from(*rate) * *size as u64;
                let bits = bits(bytes, Duration::from_secs(1));
                format!("{}/s{comma}{bits}bit/s", count(u64::from(*rate)))
            }
            (None, Mode::Ping) => say!("tools-bench-one-by-one"),
            (None, _) => say!("tools-bench-unlimited"),
        };
        let flows = match flows {
            1 => String::new(),
            flows => format!("{comma}{}", say!("tools-bench-flows", flows = flows)),
        };
        let omitted = match omit.is_zero() {
            true => String::new(),
            false => {
                let seconds = omit.as_secs_f64();
                format!("{comma}{}", say!("tools-bench-omitted", seconds = &seconds))
            }
        };
        let seconds = duration.as_secs_f64();
        let during = say!("tools-bench-during", way = way, seconds = &seconds) + &omitted;
        let settings = format!("{}{comma}{pace}{flows}", say!("tools-bytes", count = *size));
        words::because(during, settings)
    }

    /// The summary for people.
    pub(super) fn table(&self, whole: &Whole<'_>) -> Vec<String> {
        let Whole { elapsed, known, times, uncorrected } = whole;
        let elapsed = *elapsed;
        let ways: Vec<(&str, OneWay)> =
            [("up", known.up), ("down", known.down), ("trip", known.trip)]
                .into_iter()
                .filter_map(|(name, way)| Some((name, way?)))
                .collect();
        let row = |name: String, cell: &dyn Fn(&OneWay) -> String| {
            let cells = ways.iter().map(|(_, way)| format!("{:>18}", cell(way)));
            pad(&name, 22) + &cells.collect::<String>()
        };
        let part = |name: String, cell: &dyn Fn(&OneWay) -> String| row(format!("  {name}"), cell);
        let heads = ways.iter().map(|(name, _)| right(&way_name(name), 18)).collect::<String>();
        let per_second = |number: u64| count(rate(number, elapsed).round() as u64);
        let mut lines = vec![
            format!("{:<22}{heads}", ""),
            row(say!("tools-bench-sent"), &|way| count(way.sent)),
            part(say!("tools-bench-a-second"), &|way| per_second(way.sent)),
            part("Mbit/s".to_string(), &|way| {
                format!("{:.1}", rate(8 * way.sent * self.size as u64, elapsed) / 1e6)
            }),
            row(say!("tools-bench-received"), &|way| count(way.received)),
            part(say!("tools-bench-a-second"), &|way| per_second(way.received)),
            part("Mbit/s".to_string(), &|way| {
                format!("{:.1}", rate(way.seen.bytes * 8, elapsed) / 1e6)
            }),
            row(say!("tools-bench-lost"), &|way| count(way.lost)),
            part(say!("tools-bench-share"), &|way| format!("{:.4} %", way.loss_share() * 100.0)),
            part(say!("tools-bench-lost-on-way"), &|way| count(way.lost_on_way)),
            part(say!("tools-bench-lost-in-receiver"), &|way| count(way.lost_in_kernel)),
            row(say!("tools-bench-late"), &|way| count(way.seen.reordered)),
            row(say!("tools-bench-duplicated"), &|way| count(way.seen.duplicated)),
            row(say!("tools-bench-jitter"), &|way| time(way.seen.jitter)),
        ];
        let rare: [(&str, Count); 4] = [
            (key!("tools-bench-unanswered"), |way| way.unanswered),
            (key!("tools-bench-damaged"), |way| way.seen.damaged),
            (key!("tools-bench-too-late"), |way| way.seen.beyond_window),
            (key!("tools-bench-unsent"), |way| way.unsent),
        ];
        for (name, number) in rare {
            if ways.iter().any(|(_, way)| number(way) > 0) {
                lines.push(row(say!(name), &|way| count(number(way))));
            }
        }
        // Without a rate, a datagram is due when it is sent.
        let uncorrected = if self.rate.is_some() { uncorrected.values() } else { Vec::new() };
        let times = times.values();
        if !times.is_empty() {
            let second = match uncorrected.is_empty() {
                true => String::new(),
                false => right(&say!("tools-bench-since-sent"), 18),
            };
            let first = right(&say!("tools-bench-since-due"), 18);
            lines.push(pad(&say!("tools-bench-round-trip"), 22) + &first + &second);
        }
        for (at, (name, _, nanos)) in times.iter().enumerate() {
            let sent = uncorrected.get(at).map_or(String::new(), |(.., nanos)| time(*nanos as u64));
            lines.push(format!("  {name:<20}{:>18}{sent:>18}", time(*nanos as u64)));
        }
        lines.iter().map(|line| line.trim_end().to_string()).collect()
    }

    /// The summary as a JSON object.
    ///
    /// | field | |
    /// | --- | --- |
    /// | `type` | `summary` |
    /// | `target`, `size`, `flows`, `rate` | the settings; `rate` is null if unlimited |
    /// | `elapsed` | seconds in which datagrams were sent |
    /// | `interrupted` | whether Ctrl-C ended it |
    /// | `omit` | with `--omit`: the seconds omitted, also from `elapsed` |
    /// | `result` | if the server ended it: `refused`, or a sentence |
    /// | `answered_until` | in that case: seconds from the start to the server's last datagram |
    /// | `up_…`, `down_…`, `trip_…` | client to server, server to client, round trip: |
    /// | `…sent` | datagrams that the sender's kernel accepted |
    /// | `…received`, `…lost`, `…unanswered` | `sent` = `received` + `lost` + `unanswered`; `unanswered` were sent after the server's last reply |
    /// | `…lost_on_way`, `…lost_in_kernel` | add up to `lost`; the second by the receiver's kernel |
    /// | `…late`, `…max_extent` | arrived after a later one; the maximum distance in arrivals (RFC 4737) |
    /// | `…duplicated`, `…damaged` | copies; headers damaged on the way |
    /// | `…beyond_window`, `…unsent` | too late to distinguish; not sent by the sender's own host |
    /// | `…bytes`, `…jitter` | bytes of payload; seconds (RFC 3550) |
    /// | `rtt_…` | seconds from when each was due to its reply |
    /// | `rtt_since_sent_…` | the same from when it was sent: has coordinated omission |
    pub(super) fn json(
        &self,
        whole: &Whole<'_>,
        interrupted: bool,
        failure: Option<(String, Duration)>,
    ) -> String {
        let Whole { elapsed, known, times, uncorrected } = whole;
        let mut fields: Fields = vec![
            ("type".into(), "summary".into()),
            ("target".into(), self.to.to_string().into()),
            ("size".into(), self.size.into()),
            ("flows".into(), self.flows.into()),
            ("rate".into(), self.rate.into()),
            ("elapsed".into(), elapsed.as_secs_f64().into()),
            ("interrupted".into(), interrupted.into()),
        ];
        if !self.omit.is_zero() {
            fields.push(("omit".into(), self.omit.as_secs_f64().into()));
        }
        if let Some((result, heard)) = failure {
            fields.push(("result".into(), result.into()));
            fields.push(("answered_until".into(), heard.as_secs_f64().into()));
        }
        for (name, way) in [("up", known.up), ("down", known.down), ("trip", known.trip)] {
            let Some(way) = way else { continue };
            for (field, value) in [
                ("sent", way.sent.into()),
                ("received", way.received.into()),
                ("lost", way.lost.into()),
                ("lost_on_way", way.lost_on_way.into()),
                ("lost_in_kernel", way.lost_in_kernel.into()),
                ("unanswered", way.unanswered.into()),
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
