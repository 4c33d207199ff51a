//! What `stats` and the hub's last log line say about members with a key: the counters of their
//! sessions and of QUIC.

use super::super::reliable::LinkState;
use crate::words::say;

/// The counters of the link since its start.
pub(in crate::cli::hub) struct Counters {
    pub(super) link: LinkState,
    pub(super) quic: pigeon_quic::Statistics,
}

impl Counters {
    /// The rows of the console's statistics. Reasons that have not occurred are left out.
    pub(in crate::cli::hub) fn rows(&self) -> Vec<[String; 2]> {
        let Counters { link, quic } = self;
        let sessions = &link.statistics;
        let always = [
            (say!("hub-stat-keyed"), link.members as u64),
            (say!("hub-stat-keyed-connections"), sessions.connections),
            (say!("hub-stat-keyed-half-open"), quic.handshakes),
            (say!("hub-stat-keyed-opened"), quic.opened),
            (say!("hub-stat-keyed-retries"), quic.retries),
            (say!("hub-stat-keyed-said"), sessions.said),
            (say!("hub-stat-keyed-delivered"), sessions.delivered),
            (say!("hub-stat-keyed-read"), quic.read),
            (say!("hub-stat-keyed-written"), quic.written),
        ];
        let if_any = [
            (say!("hub-stat-keyed-moved"), quic.moved),
            (say!("hub-stat-keyed-full"), quic.refused_full + sessions.refused_full),
            (say!("hub-stat-keyed-address"), quic.refused_address + sessions.refused_address),
            (say!("hub-stat-keyed-handshakes"), quic.refused_handshakes),
            (say!("hub-stat-keyed-initials"), quic.dropped_initials),
            (say!("hub-stat-keyed-met"), quic.met),
            (say!("hub-stat-keyed-failed"), quic.failed),
            (say!("hub-stat-keyed-unproved"), sessions.unproved),
            (say!("hub-stat-keyed-silent"), sessions.silent),
            (say!("hub-stat-keyed-broken"), sessions.broken),
            (say!("hub-stat-keyed-replaced"), sessions.replaced),
            (say!("hub-stat-keyed-overflowed"), sessions.overflowed),
            (say!("hub-stat-keyed-idle"), quic.silent),
            (say!("hub-stat-keyed-refused"), sessions.refused),
            (say!("hub-stat-keyed-conflicts"), sessions.conflicts),
            (say!("hub-stat-keyed-commands"), sessions.commands_dropped),
            (say!("hub-stat-keyed-behind"), sessions.fell_behind),
            (say!("hub-stat-keyed-resets"), sessions.resets),
            (say!("hub-stat-keyed-unreadable"), sessions.unreadable),
            (say!("hub-stat-keyed-unknown"), quic.dropped_unknown),
            (say!("hub-stat-keyed-unsent"), quic.unsent),
        ];
        let occurred = if_any.into_iter().filter(|(_, count)| *count > 0);
        always.into_iter().chain(occurred).map(|(name, count)| [name, count.to_string()]).collect()
    }

    /// Logs the counters when the hub stops.
    pub(in crate::cli::hub) fn log(&self) {
        let Counters { link, quic } = self;
        let sessions = &link.statistics;
        tracing::info!(
            opened = quic.opened,
            retries = quic.retries,
            refused_full = quic.refused_full + sessions.refused_full,
            refused_address = quic.refused_address + sessions.refused_address,
            refused_handshakes = quic.refused_handshakes,
            failed = quic.failed,
            unproved = sessions.unproved,
            broken = sessions.broken,
            said = sessions.said,
            refused = sessions.refused,
            delivered = sessions.delivered,
            read = quic.read,
            written = quic.written,
            "{}",
            say!("hub-keyed-stopped")
        );
    }
}
