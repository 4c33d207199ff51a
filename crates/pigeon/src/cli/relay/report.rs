//! A relay's statistics: one line per second for people, one object per second for programs, and a
//! summary on request and at the end.

use std::time::Duration;

use pigeon_net::Stats;
use pigeon_netsim::path::PathCounters;
use pigeon_netsim::relay::{Relay, Statistics, Way};
use serde_json::Value;

use crate::output::{is_quiet, json, wall};
use crate::ui::lines::Printer;
use crate::words::{self, key, say};

/// The totals at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    relay: Statistics,
    kernel_drops: u64,
    not_sent: u64,
}

impl Totals {
    pub(super) fn new(relay: &Relay, stats: &Stats) -> Totals {
        Totals {
            relay: relay.statistics(),
            kernel_drops: stats.kernel_drops,
            not_sent: stats.sent.dropped.total(),
        }
    }

    /// The change since `before`, in a line for 80 columns.
    pub(super) fn since(&self, before: &Totals, passed: Duration) -> String {
        let seconds = passed.as_secs_f64().max(0.001);
        let way = |name: &str, now: &PathCounters, then: &PathCounters, in_flight: usize| {
            let sent = now.sent - then.sent;
            let missing = (now.lost + now.dropped()) - (then.lost + then.dropped());
            let share = if sent == 0 { 0.0 } else { missing as f64 * 100.0 / sent as f64 };
            let rate = short(sent as f64 / seconds);
            let share = format!("{share:.1}");
            let mut line = say!("tools-relay-lost", way = name, rate = rate, share = share);
            if in_flight > 0 {
                line += " ";
                line += &say!("tools-relay-held", count = short(in_flight as f64));
            }
            line
        };
        let (now, then) = (&self.relay, &before.relay);
        let [up, down] = now.in_flight;
        let up = way("up", &now.up, &then.up, up);
        let down = way("down", &now.down, &then.down, down);
        format!("{}  {up}  {down}", clients(now.clients))
    }

    /// All counters in a few lines, without zeros.
    pub(super) fn lines(&self) -> Vec<String> {
        let relay = &self.relay;
        let mut lines = vec![
            line("up", &relay.up, relay, Way::Up),
            line("down", &relay.down, relay, Way::Down),
        ];
        let mut rest =
            vec![say!("tools-relay-clients-now", count = relay.clients, ever = relay.joined)];
        for (count, what) in [
            (relay.idle, key!("tools-relay-count-left")),
            (relay.turned_away, key!("tools-relay-count-turned-away")),
            (relay.looped, key!("tools-relay-count-looped")),
            (relay.from_target, key!("tools-relay-count-from-target")),
            (relay.strangers, key!("tools-relay-count-strangers")),
            (relay.followed, key!("tools-relay-count-followed")),
            (relay.no_socket, key!("tools-relay-count-no-socket")),
            (relay.gone, key!("tools-relay-count-gone")),
            (relay.refused, key!("tools-relay-count-refusals")),
            (relay.handovers, key!("tools-relay-count-handovers")),
            (relay.unsent[0], key!("tools-relay-count-unsent-up")),
            (relay.unsent[1], key!("tools-relay-count-unsent-down")),
            (relay.undelivered[0], key!("tools-relay-count-errors-up")),
            (relay.undelivered[1], key!("tools-relay-count-errors-down")),
            (self.kernel_drops, key!("tools-relay-count-kernel")),
        ] {
            if count > 0 {
                rest.push(say!(what, count = count));
            }
        }
        lines.push(rest.join(words::between_items()));
        lines
    }

    /// One object: `time`, `clients`, then for `up_` and `down_` each the counts of
    /// [`PathCounters`], `bytes` received and `in_flight`, where `delivered` counts datagrams sent
    /// on; then counters of clients. All are totals.
    pub(super) fn json(&self) -> String {
        let relay = &self.relay;
        let mut fields: Vec<(String, Value)> = vec![
            ("time".into(), wall::rfc3339(&wall::local(None)).into()),
            ("clients".into(), relay.clients.into()),
        ];
        for (way, link, index) in [("up", &relay.up, 0), ("down", &relay.down, 1)] {
            for (name, count) in [
                ("received", link.sent),
                ("bytes", relay.bytes[index]),
                ("delivered", relay.out[index]),
                ("lost", link.lost),
                ("duplicated", link.duplicated),
                ("corrupted", link.corrupted),
                ("held_back", link.held_back),
                ("dropped_mtu", link.dropped_mtu),
                ("dropped_queue", link.dropped_queue_full),
                ("dropped_room", link.dropped_in_flight_full),
                ("in_flight", relay.in_flight[index] as u64),
            ] {
                fields.push((format!("{way}_{name}"), count.into()));
            }
        }
        for (name, count) in [
            ("joined", relay.joined),
            ("idle", relay.idle),
            ("turned_away", relay.turned_away),
            ("looped", relay.looped),
            ("from_target", relay.from_target),
            ("strangers", relay.strangers),
            ("followed", relay.followed),
            ("no_socket", relay.no_socket),
            ("gone", relay.gone),
            ("refused", relay.refused),
            ("handovers", relay.handovers),
            ("up_unsent", relay.unsent[0]),
            ("down_unsent", relay.unsent[1]),
            ("up_undelivered", relay.undelivered[0]),
            ("down_undelivered", relay.undelivered[1]),
            ("kernel_drops", self.kernel_drops),
            ("not_sent", self.not_sent),
        ] {
            fields.push((name.into(), count.into()));
        }
        let fields: Vec<(&str, Value)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        json::counts(&fields)
    }
}

/// About three digits: `12`, `12.3k`, `1.23M`.
fn short(number: f64) -> String {
    let (scaled, unit) = match number {
        n if n < 1e3 => return format!("{n:.0}"),
        n if n < 1e6 => (n / 1e3, "k"),
        n => (n / 1e6, "M"),
    };
    match scaled {
        s if s < 10.0 => format!("{s:.2}{unit}"),
        s if s < 100.0 => format!("{s:.1}{unit}"),
        s => format!("{s:.0}{unit}"),
    }
}

/// `1 client`, `2 clients`
pub(super) fn clients(number: usize) -> String {
    say!("tools-relay-clients", count = number)
}

/// `up: 1000 in (64000 bytes), 989 out, 11 lost`
fn line(name: &str, link: &PathCounters, relay: &Statistics, way: Way) -> String {
    let [bytes, out] = [relay.bytes, relay.out].map(|counts| counts[way as usize]);
    let in_flight = relay.in_flight[way as usize];
    let mut parts =
        vec![say!("tools-relay-line", way = name, received = link.sent, bytes = bytes, out = out)];
    for (count, what) in [
        (link.lost, key!("tools-relay-way-lost")),
        (link.duplicated, key!("tools-relay-way-doubled")),
        (link.corrupted, key!("tools-relay-way-damaged")),
        (link.held_back, key!("tools-relay-way-held-back")),
        (link.dropped_mtu, key!("tools-relay-way-too-large-for-the")),
        (link.dropped_queue_full, key!("tools-relay-way-dropped-as-the-que")),
        (link.dropped_in_flight_full, key!("tools-relay-way-dropped-as-too-muc")),
        (in_flight as u64, key!("tools-relay-way-on-the-way")),
    ] {
        if count > 0 {
            parts.push(say!(what, count = count));
        }
    }
    parts.join(words::between_items())
}

/// Output lines, with a status line that is updated in place.
pub(super) struct Screen {
    printer: Printer,
    /// Whether the status line is shown.
    live: bool,
    /// Whether the last line is the status line.
    is_last: bool,
}

impl Screen {
    pub(super) fn new(printer: Printer, live: bool) -> Screen {
        Screen { printer, live, is_last: false }
    }

    /// Prints a permanent line on stderr.
    pub(super) fn note(&mut self, line: impl Into<String>) {
        let clear = self.leave_status();
        self.printer.notes.line(format!("{clear}{}", line.into()));
    }

    /// Prints a remark, which `--quiet` hides.
    pub(super) fn remark(&mut self, line: impl Into<String>) {
        if !is_quiet() {
            self.note(line);
        }
    }

    /// Prints a command's answer on stdout.
    pub(super) fn answer(&mut self, line: impl Into<String>) {
        let clear = self.leave_status();
        if !clear.is_empty() {
            self.printer.notes.push(clear.as_bytes().to_vec(), clear.len());
        }
        self.printer.data.line(line.into());
    }

    /// Updates the status line: above the prompt of an editor, else the last line.
    pub(super) fn status(&mut self, line: &str) {
        if !self.live {
            return;
        }
        if self.printer.interactive {
            let over = if self.is_last { "\x1b[1A\x1b[2K" } else { "" };
            self.printer.notes.line(format!("{over}{line}"));
        } else {
            let text = format!("\r{line}\x1b[K");
            let length = text.len();
            self.printer.notes.push(text.into_bytes(), length);
        }
        self.is_last = true;
    }

    /// What to print before a permanent line.
    fn leave_status(&mut self) -> &'static str {
        let was_last = std::mem::take(&mut self.is_last);
        if was_last && !self.printer.interactive { "\r\x1b[K" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refreshed_line_fits() {
        let link = |sent, lost| PathCounters { sent, lost, ..PathCounters::default() };
        let totals = |n: u64| Totals {
            relay: Statistics {
                clients: 650,
                up: link(n, n / 2),
                down: link(n, n / 2),
                in_flight: [1 << 18; 2],
                ..Statistics::default()
            },
            ..Totals::default()
        };
        let line = totals(12_345_678).since(&totals(0), Duration::from_secs(1));
        assert_eq!(
            line,
            "650 clients  up 12.3M/s 50.0% lost 262k held  down 12.3M/s 50.0% lost 262k held"
        );
    }

    #[test]
    fn numbers_are_short() {
        let said = [0.0, 999.0, 1_234.0, 12_345.0, 123_456.0, 1.5e6].map(short);
        assert_eq!(said, ["0", "999", "1.23k", "12.3k", "123k", "1.50M"]);
    }
}
