//! Codes that only this server can have written: proofs that a sender receives at its address, and
//! other tokens that clients return.
//!
//! A code is SipHash-2-4-128 over its subject, under a key drawn at the server's start. The server
//! stores nothing for a code it has issued, so a flood of forged senders uses no memory. SipHash is
//! made for short inputs; HMAC would be slower under such a flood.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::Instant;
use siphasher::sip128::{Hasher128, SipHasher24};
use subtle::ConstantTimeEq;

/// A proof is valid in the minute it was written in and in the next.
const MINUTE: Duration = Duration::from_secs(60);

/// RFC 4648 section 6, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The first byte hashed for codes that prove an address. A server's other codes use other kinds.
const ADDRESS: u8 = 1;

/// The secret key that codes are made with.
#[derive(Clone)]
pub struct TokenKey {
    key: [u8; 16],
}

/// A code of 128 bits.
#[derive(Clone, Copy)]
pub struct Code(u128);

impl TokenKey {
    /// A token key from 16 secret bytes.
    pub fn new(key: [u8; 16]) -> Self {
        TokenKey { key }
    }

    /// A proof of `address` and `about`, valid until the end of the next minute. `about` is empty
    /// or a number of fixed length.
    pub fn proof(&self, now: Instant, address: SocketAddr, about: &[u8]) -> Code {
        self.address(minute(now), address, about)
    }

    /// The proofs valid now: this minute's and the last minute's.
    pub fn proofs(
        &self,
        now: Instant,
        address: SocketAddr,
        about: &[u8],
    ) -> impl Iterator<Item = Code> {
        let this = minute(now);
        let minutes = [Some(this), this.checked_sub(1)].into_iter().flatten();
        minutes.map(move |minute| self.address(minute, address, about))
    }

    /// A code of the server's own `kind`; codes of different kinds never match. Kind 1 is reserved
    /// for addresses.
    pub fn code(&self, kind: u8, subject: &[u8]) -> Code {
        self.token_key(kind, |hasher| hasher.write(subject))
    }

    fn address(&self, minute: u64, address: SocketAddr, about: &[u8]) -> Code {
        self.token_key(ADDRESS, |hasher| {
            match address.ip() {
                IpAddr::V4(v4) => hasher.write(&v4.to_ipv6_mapped().octets()),
                IpAddr::V6(v6) => hasher.write(&v6.octets()),
            }
            hasher.write(&address.port().to_be_bytes());
            hasher.write(about);
            hasher.write(&minute.to_be_bytes());
        })
    }

    fn token_key(&self, kind: u8, write: impl FnOnce(&mut SipHasher24)) -> Code {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u8(kind);
        write(&mut hasher);
        Code(hasher.finish128().as_u128())
    }
}

impl Code {
    /// The number of letters in a code's text form.
    pub const LETTERS: usize = 16;

    /// All 16 bytes.
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The first 80 bits as 16 letters, for people and for text protocols. Guessing one over a
    /// network would take ten billion years at a million tries a second.
    pub fn letters(self) -> [u8; Code::LETTERS] {
        std::array::from_fn(|n| BASE32[(self.0 >> (5 * n)) as usize % 32])
    }

    /// The code as an unpredictable number.
    pub fn number(self) -> u64 {
        self.0 as u64
    }

    /// Compares with the code's bytes in constant time.
    pub fn has_bytes(self, bytes: &[u8]) -> bool {
        self.bytes().as_slice().ct_eq(bytes).into()
    }

    /// Compares with the code's letters in constant time.
    pub fn has_letters(self, letters: &[u8]) -> bool {
        self.letters().as_slice().ct_eq(letters).into()
    }
}

fn minute(now: Instant) -> u64 {
    (now - Instant::ORIGIN).as_secs() / MINUTE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_good_for_one_address_one_subject_and_two_minutes() {
        let at = |seconds| Instant::ORIGIN + Duration::from_secs(seconds);
        let address: SocketAddr = "203.0.113.5:4000".parse().unwrap();
        let proof = TokenKey::new([7; 16]).proof(at(59), address, b"7");
        let proves = |key: u8, seconds: u64, address: &str, about: &[u8]| {
            let address = address.parse().unwrap();
            let token_key = TokenKey::new([key; 16]);
            let mut proofs = token_key.proofs(at(seconds), address, about);
            let by_bytes = proofs.any(|good| good.has_bytes(&proof.bytes()));
            let mut proofs = token_key.proofs(at(seconds), address, about);
            assert_eq!(proofs.any(|good| good.has_letters(&proof.letters())), by_bytes);
            by_bytes
        };
        assert!(proves(7, 59, "203.0.113.5:4000", b"7"));
        assert!(proves(7, 119, "203.0.113.5:4000", b"7"));
        assert!(!proves(7, 120, "203.0.113.5:4000", b"7"), "too old");
        assert!(!proves(7, 59, "203.0.113.5:4001", b"7"), "another port");
        assert!(!proves(7, 59, "203.0.113.6:4000", b"7"), "another host");
        assert!(!proves(7, 59, "203.0.113.5:4000", b"8"), "about something else");
        assert!(!proves(8, 59, "203.0.113.5:4000", b"7"), "another server's");
    }

    #[test]
    fn a_part_of_a_code_is_none() {
        let code = TokenKey::new([7; 16]).code(2, b"subject");
        assert!(code.has_bytes(&code.bytes()) && code.has_letters(&code.letters()));
        assert!(!code.has_bytes(&code.bytes()[..15]) && !code.has_bytes(b""));
        assert!(!code.has_letters(&code.letters()[..15]) && !code.has_letters(b""));
    }

    #[test]
    fn kinds_do_not_share_codes() {
        let token_key = TokenKey::new([7; 16]);
        let bytes = |kind, subject: &[u8]| token_key.code(kind, subject).bytes();
        assert_ne!(bytes(2, b"subject"), bytes(3, b"subject"));
        assert_eq!(bytes(2, b"subject"), bytes(2, b"subject"));
    }
}
