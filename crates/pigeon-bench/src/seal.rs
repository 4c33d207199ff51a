//! Tokens that only this server can have written: proof that a client receives at its address.
//!
//! A token is SipHash-2-4-128 over address, port, session and minute, under a key drawn when the
//! server began. Nothing is remembered for one that was given out, so a flood of forged senders
//! leaves no trace.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::Instant;
use siphasher::sip128::{Hasher128, SipHasher24};
use subtle::ConstantTimeEq;

use crate::wire::TOKEN;

/// A token is good in the minute it was written in and the next.
const MINUTE: u64 = 60;

pub(crate) struct Seal {
    key: [u8; 16],
}

impl Seal {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Seal { key }
    }

    pub(crate) fn token(&self, now: Instant, address: SocketAddr, session: u64) -> [u8; TOKEN] {
        self.code(minute(now), address, session)
    }

    pub(crate) fn proves(
        &self,
        now: Instant,
        address: SocketAddr,
        session: u64,
        token: &[u8; TOKEN],
    ) -> bool {
        let this = minute(now);
        [Some(this), this.checked_sub(1)]
            .into_iter()
            .flatten()
            .any(|minute| bool::from(self.code(minute, address, session).ct_eq(token)))
    }

    fn code(&self, minute: u64, address: SocketAddr, session: u64) -> [u8; TOKEN] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        match address.ip() {
            IpAddr::V4(v4) => hasher.write(&v4.to_ipv6_mapped().octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        hasher.write(&address.port().to_be_bytes());
        hasher.write(&session.to_be_bytes());
        hasher.write(&minute.to_be_bytes());
        hasher.finish128().as_u128().to_be_bytes()
    }
}

fn minute(now: Instant) -> u64 {
    (now - Instant::ORIGIN).as_secs() / MINUTE
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_token_is_good_for_one_address_one_session_and_two_minutes() {
        let at = |seconds| Instant::ORIGIN + Duration::from_secs(seconds);
        let seal = Seal::new([7; 16]);
        let address: SocketAddr = "203.0.113.5:4000".parse().unwrap();
        let token = seal.token(at(59), address, 1);
        assert!(seal.proves(at(59), address, 1, &token));
        assert!(seal.proves(at(119), address, 1, &token));
        assert!(!seal.proves(at(120), address, 1, &token));
        assert!(!seal.proves(at(59), address, 2, &token));
        assert!(!seal.proves(at(59), "203.0.113.5:4001".parse().unwrap(), 1, &token));
        assert!(!Seal::new([8; 16]).proves(at(59), address, 1, &token));
    }
}
