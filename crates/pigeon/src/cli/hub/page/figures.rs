//! The hub's figures of one moment: for `/metrics` and for the operator's plots.

use std::borrow::Cow;
use std::time::Duration;

use pigeon_hub::{Dropped, Hub, Left};
use pigeon_net::{DropReason, Stats};
use pigeon_web::{Counted, Snapshot};
use serde_json::{Map, Value, json};

use super::super::archive::Archive;
use super::super::figure::Figure;
use super::super::reliable::LinkState;

/// Figures since the hub's start, and those of the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    /// Milliseconds since 1970.
    time: u64,
    members: u64,
    by_link: Vec<(&'static str, u64)>,
    rooms: u64,
    joined: u64,
    left: Vec<(String, u64)>,
    messages: u64,
    deliveries: Vec<(&'static str, u64)>,
    dropped: Vec<(String, u64)>,
    unsent: Vec<(String, u64)>,
    received: u64,
    received_bytes: u64,
    sent: u64,
    sent_bytes: u64,
    kernel_drops: u64,
    stored: u64,
    refused: u64,
    connections: Vec<(&'static str, u64)>,
    fell_behind: u64,
    queued: u64,
    lag: Duration,
    lost: u64,
    is_stored: bool,
    /// Members at other hubs, and the cluster's figures.
    elsewhere: u64,
    cluster: Vec<Figure>,
    web: Web,
}

/// Figures of the page's server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Web {
    pub(super) statistics: pigeon_web::Statistics,
    /// The median and the 99th percentile.
    pub(super) round_trips: Option<[Duration; 2]>,
    /// Wrong tokens for the operator's view.
    pub(super) wrong_tokens: u64,
    /// Tokens refused because of earlier wrong ones.
    pub(super) tokens_refused: u64,
}

impl Figures {
    pub(super) fn of(
        hub: &Hub,
        stats: &Stats,
        archive: &Archive,
        links: &[LinkState],
        web: Web,
        now: pigeon_datagram::Instant,
    ) -> Figures {
        let counted = hub.statistics();
        let sum = |of: fn(&LinkState) -> u64| links.iter().map(of).sum::<u64>();
        let elsewhere = archive.elsewhere() as u64;
        let members = (hub.member_count() as u64).saturating_sub(elsewhere);
        let others = sum(|link| link.members as u64);
        let mut by_link = vec![("plain", members.saturating_sub(others))];
        by_link.extend(links.iter().map(|link| (link.kind.word(), link.members as u64)));
        let mut deliveries = vec![("datagrams", stats.sent.datagrams)];
        deliveries.extend(links.iter().map(|it| (it.kind.word(), it.statistics.delivered)));
        let (lag, waiting) = archive.take_lag();
        Figures {
            time: hub.wall(now).as_millis() as u64,
            members,
            by_link,
            rooms: hub.rooms().count() as u64,
            joined: counted.joined,
            left: Left::ALL.map(|reason| (word(reason), counted.left(reason))).into(),
            messages: counted.messages,
            deliveries,
            dropped: Dropped::ALL.map(|reason| (word(reason), counted.dropped(reason))).into(),
            unsent: DropReason::ALL
                .into_iter()
                .zip(stats.sent.dropped.iter())
                .map(|(reason, (_, count))| (word(reason), count))
                .collect(),
            received: stats.received.datagrams,
            received_bytes: stats.received.bytes,
            sent: stats.sent.datagrams,
            sent_bytes: stats.sent.bytes,
            kernel_drops: stats.kernel_drops,
            stored: sum(|link| link.statistics.said),
            refused: sum(|link| link.statistics.refused),
            connections: links
                .iter()
                .map(|link| (link.kind.word(), link.statistics.connections))
                .collect(),
            fell_behind: sum(|link| link.statistics.fell_behind),
            queued: sum(|link| link.queued as u64) + waiting as u64,
            lag,
            lost: archive.lost(),
            is_stored: archive.is_well(),
            elsewhere,
            cluster: archive.cluster_figures(),
            web,
        }
    }

    /// Whether they were taken at all.
    pub(super) fn is_taken(&self) -> bool {
        self.time > 0
    }

    /// What has happened since earlier figures, as a point of the operator's plots.
    pub(super) fn sample(&self, earlier: &Figures) -> Value {
        let sum = |counts: &[(&str, u64)]| counts.iter().map(|(_, count)| count).sum::<u64>();
        let deliveries = sum(&self.deliveries).saturating_sub(sum(&earlier.deliveries));
        let changes = |now: &[(String, u64)], before: &[(String, u64)]| -> Vec<(String, u64)> {
            let change = |((word, now), (_, before)): (&(String, u64), &(String, u64))| {
                (word.clone(), now.saturating_sub(*before))
            };
            now.iter().zip(before).map(change).filter(|(_, count)| *count > 0).collect()
        };
        let mut drops = changes(&self.dropped, &earlier.dropped);
        drops.extend(changes(&self.unsent, &earlier.unsent));
        drops.push(("kernel".into(), self.kernel_drops.saturating_sub(earlier.kernel_drops)));
        let drops: Map<String, Value> = drops
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| (word, count.into()))
            .collect();
        let by_link: Map<String, Value> =
            self.by_link.iter().map(|(word, count)| ((*word).into(), (*count).into())).collect();
        let mut sample = json!({
            "time": self.time,
            "members": self.members,
            "by_link": by_link,
            "received": self.messages.saturating_sub(earlier.messages),
            "deliveries": deliveries,
            "drops": drops,
            "queues": self.queued,
            "durable_lag_ms": millis(self.lag),
        });
        if let Some([median, high]) = self.web.round_trips {
            sample["round_trip_ms"] = json!({"median": millis(median), "99": millis(high)});
        }
        sample
    }

    /// The answer to Prometheus.
    pub(super) fn snapshot(&self) -> Snapshot {
        use Counted::{Level, Sum};
        let mut all = Snapshot::default();
        let each = |counts: &[(&'static str, u64)]| -> Vec<(Cow<'static, str>, f64)> {
            counts.iter().map(|(word, count)| (Cow::from(*word), *count as f64)).collect()
        };
        let each_of = |counts: &[(String, u64)]| -> Vec<(Cow<'static, str>, f64)> {
            counts.iter().map(|(word, count)| (word.clone().into(), *count as f64)).collect()
        };
        let by_link = each(&self.by_link);
        all.add_each(Level, "pigeon_members", "Members by link", "link", by_link);
        all.add(Level, "pigeon_rooms", "Rooms with members", self.rooms as f64);
        all.add(Sum, "pigeon_joined", "Members that joined", self.joined as f64);
        let left = each_of(&self.left);
        all.add_each(Sum, "pigeon_left", "Members that left, by reason", "reason", left);
        all.add(Sum, "pigeon_messages", "Messages taken from members", self.messages as f64);
        let deliveries = each(&self.deliveries);
        all.add_each(
            Sum,
            "pigeon_deliveries",
            "Datagrams sent, and messages sent to followers, by link",
            "link",
            deliveries,
        );
        let dropped = each_of(&self.dropped);
        let help = "Input that had no effect, by reason";
        all.add_each(Sum, "pigeon_dropped", help, "reason", dropped);
        let unsent = each_of(&self.unsent);
        all.add_each(Sum, "pigeon_unsent", "Datagrams not sent, by reason", "reason", unsent);
        let received = self.received as f64;
        all.add(Sum, "pigeon_received_datagrams", "Datagrams received", received);
        let bytes = self.received_bytes as f64;
        all.add(Sum, "pigeon_received_bytes", "Bytes of datagrams received", bytes);
        all.add(Sum, "pigeon_sent_datagrams", "Datagrams sent", self.sent as f64);
        all.add(Sum, "pigeon_sent_bytes", "Bytes of datagrams sent", self.sent_bytes as f64);
        let drops = self.kernel_drops as f64;
        all.add(Sum, "pigeon_kernel_drops", "Datagrams that the kernel dropped", drops);
        let connections = each(&self.connections);
        let help = "Connections of members by link";
        all.add_each(Level, "pigeon_connections", help, "link", connections);
        let help = "Messages of reliable members passed to the log";
        all.add(Sum, "pigeon_said", help, self.stored as f64);
        let refused = self.refused as f64;
        all.add(Sum, "pigeon_refused", "Messages of reliable members refused", refused);
        let behind = self.fell_behind as f64;
        all.add(Sum, "pigeon_fell_behind", "How often a follower stopped being live", behind);
        let queued = self.queued as f64;
        all.add(Level, "pigeon_queued", "Requests and messages that wait in queues", queued);
        let lag = self.lag.as_secs_f64();
        let help = "Longest time in the last second until a message was on disk";
        all.add(Level, "pigeon_durable_lag_seconds", help, lag);
        all.add(Sum, "pigeon_not_kept", "Messages relayed but not stored", self.lost as f64);
        let is_stored = f64::from(u8::from(self.is_stored));
        all.add(Level, "pigeon_history_well", "1 if what is said is stored", is_stored);
        if !self.cluster.is_empty() {
            let elsewhere = self.elsewhere as f64;
            all.add(Level, "pigeon_cluster_members", "Members at other hubs", elsewhere);
        }
        for Figure { name, help, is_sum, value } in &self.cluster {
            all.add(if *is_sum { Sum } else { Level }, name, help, *value);
        }
        self.web(&mut all);
        all
    }

    fn web(&self, all: &mut Snapshot) {
        use Counted::{Level, Sum};
        let Web { statistics: web, round_trips, wrong_tokens, tokens_refused } = &self.web;
        let open = web.connections as f64;
        all.add(Level, "pigeon_page_connections", "Connections to the page that are open", open);
        let sockets = web.websockets as f64;
        all.add(Level, "pigeon_page_websockets", "WebSockets that are open", sockets);
        let accepted = web.accepted as f64;
        all.add(Sum, "pigeon_page_accepted", "Connections to the page accepted", accepted);
        let requests = web.requests as f64;
        all.add(Sum, "pigeon_page_requests", "Requests to the page answered", requests);
        let read = web.read as f64;
        all.add(Sum, "pigeon_page_received_bytes", "Bytes received by the page", read);
        let written = web.written as f64;
        all.add(Sum, "pigeon_page_sent_bytes", "Bytes sent by the page", written);
        let refused = [
            ("full", web.refused_full),
            ("address", web.refused_address),
            ("displaced", web.displaced),
            ("bad_request", web.bad_requests),
            ("host", web.foreign_hosts),
            ("origin", web.foreign_origins),
            ("silent", web.silent),
            ("stuck", web.stuck),
            ("broken", web.broken),
            ("tls", web.tls_failed),
            ("token", *wrong_tokens),
            ("token_limited", *tokens_refused),
        ];
        let refused = refused.map(|(word, count)| (Cow::from(word), count as f64));
        let help = "Connections and requests to the page that were refused or ended, by reason";
        all.add_each(Sum, "pigeon_page_refused", help, "reason", refused);
        if let Some([median, high]) = round_trips {
            let trips = [("0.5", median), ("0.99", high)];
            let trips = trips.map(|(word, trip)| (Cow::from(word), trip.as_secs_f64()));
            let help = "Round trips of WebSocket pings in the last twenty seconds, by quantile";
            all.add_each(Level, "pigeon_page_round_trip_seconds", help, "quantile", trips);
        }
    }
}

/// A reason as a word: `RateLimited` as `rate_limited`.
fn word(reason: impl std::fmt::Debug) -> String {
    let mut word = String::new();
    for letter in format!("{reason:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// Milliseconds, to a hundredth.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}
