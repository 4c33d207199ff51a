//! Limits the lines to addresses that are not members: requests for proof, refusals, and discovery
//! answers.
//!
//! Such a line is never longer than the datagram it answers. But its recipient may answer it, and
//! then the hub would answer again, for ever; or an attacker forges an address to have lines sent
//! there.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_guard::Throttle;

/// Lines per second to one address and port.
const TO_PORT: u32 = 1;

/// Lines per second to one address, on any port: a class behind one address joins within seconds.
const TO_ADDRESS: u32 = 20;

/// The rates of lines to other addresses, and the debts of members that left.
pub(super) struct Strangers {
    by_port: Throttle,
    by_address: Throttle,
    owed: Throttle,
}

impl Strangers {
    pub(super) fn new(hash_keys: [u64; 4]) -> Self {
        let [a, b, c, d] = hash_keys.map(u128::from);
        Strangers {
            by_port: Throttle::new((a << 64 | b).to_be_bytes(), TO_PORT),
            by_address: Throttle::new((c << 64 | d).to_be_bytes(), TO_ADDRESS),
            owed: Throttle::new((b << 64 | c).to_be_bytes(), 1),
        }
    }

    /// Records the debt of a member that leaves, from its messages or because it answers
    /// automatically. Otherwise `quit` would circumvent its rate.
    pub(super) fn leaves(&mut self, now: Instant, place: SocketAddr, owed: Duration) {
        if owed > Duration::ZERO {
            self.owed.take_cost(now, &(place.ip(), place.port()), owed);
        }
    }

    /// Whether an address may join: a former member with a debt of a second or more must wait.
    pub(super) fn may_come(&self, now: Instant, place: SocketAddr) -> bool {
        !self.owed.is_behind(now, &(place.ip(), place.port()))
    }

    /// Whether a line may be sent to an address now, which counts as `counted_as`. Counts it if so.
    pub(super) fn take(&mut self, now: Instant, to: SocketAddr, counted_as: IpAddr) -> bool {
        let place = (to.ip(), to.port());
        let may = self.by_port.has_room(now, &place) && self.by_address.has_room(now, &counted_as);
        if may {
            self.by_port.take(now, &place);
            self.by_address.take(now, &counted_as);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_gets_one_a_second_and_an_address_twenty() {
        let mut strangers = Strangers::new([1, 2, 3, 4]);
        let ip = IpAddr::from([203, 0, 113, 5]);
        let mut take = |millis: u64, port: u16| {
            let now = Instant::from_nanos(millis * 1_000_000);
            strangers.take(now, SocketAddr::from((ip, port)), ip)
        };
        assert_eq!((0..1_000).map(|n| take(n, 7)).filter(|&sent| sent).count(), 1);
        assert_eq!((1_000..1_040).filter(|&port| take(5_000, port)).count(), 20);
        assert_eq!((1_000..1_040).filter(|&port| take(6_000, port)).count(), 20);
    }
}
