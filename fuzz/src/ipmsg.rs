//! A participant of IP Messenger, and its environment.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, WallClock};
use pigeon_guard::SourceRules;
use pigeon_ipmsg::{Config, GATEWAY_VERSION, Identity, Messenger};
use pigeon_text::Encoding;

/// A few addresses: 1 is the participant's own, and 9 is outside the open networks.
pub fn address(number: u8) -> SocketAddr {
    match number % 10 {
        9 => SocketAddr::from(([203, 0, 113, 9], 2425)),
        8 => SocketAddr::from(([10, 0, 0, 2], 40_000)),
        last => SocketAddr::from(([10, 0, 0, last], 2425)),
    }
}

/// A gateway at the first address.
pub fn messenger(seed: u64) -> Messenger {
    Messenger::new(Config {
        identity: Identity {
            version: GATEWAY_VERSION.into(),
            nick: "大厅".into(),
            group: "pigeon".into(),
            user: "pigeon".into(),
            host: "box".into(),
        },
        legacy: Encoding::GB18030,
        sources: SourceRules { own: vec![address(1)], ..SourceRules::default() },
        is_gateway: true,
        joins_texts: seed.is_multiple_of(2),
        pace: Duration::from_millis(seed % 3 * 500),
        seed,
        wall: WallClock::new(Duration::from_secs(1_800_000_000), Instant::ORIGIN),
    })
}
