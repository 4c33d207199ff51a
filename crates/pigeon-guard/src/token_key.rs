//! Codes that only this server can have written: proof that somebody receives at an address, and
//! other words that are handed out and taken back.
//!
//! A code is SipHash-2-4-128 over what it speaks for, under a key drawn when the server was made.
//! Nothing is remembered for a code that was given out, so a flood of forged senders leaves no
//! trace. SipHash and not HMAC, because it is made for short inputs and a server answers such floods
//! with these.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::Instant;
use siphasher::sip128::{Hasher128, SipHasher24};
use subtle::ConstantTimeEq;

/// A proof is good in the minute it was written in and the next.
const MINUTE: Duration = Duration::from_secs(60);

/// RFC 4648 section 6, in small letters.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The first byte under each code that proves an address; a server's own subjects begin otherwise.
const ADDRESS: u8 = 1;

/// The key, and the codes it makes.
#[derive(Clone)]
pub struct TokenKey {
    key: [u8; 16],
}

/// The code for some bytes: 128 bits.
#[derive(Clone, Copy)]
pub struct Code(u128);

impl TokenKey {
    /// A token key from bytes that nobody else knows.
    pub fn new(key: [u8; 16]) -> Self {
        TokenKey { key }
    }

    /// A proof of `address`, and of `about` with it (nothing, or a number of a length that is always
    /// the same), that is good until the end of the next minute.
    pub fn proof(&self, now: Instant, address: SocketAddr, about: &[u8]) -> Code {
        self.address(minute(now), address, about)
    }

    /// The proofs that are good now.
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

    /// A code for anything else of a server's own. Each kind has codes of its own; 1 stands for
    /// addresses.
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
    /// How many letters it has.
    pub const LETTERS: usize = 16;

    /// All of it.
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Its first 80 bits as 16 letters, for people and for protocols of lines. They cannot be guessed
    /// over a network: at a million tries a second that takes ten billion years.
    pub fn letters(self) -> [u8; Code::LETTERS] {
        std::array::from_fn(|n| BASE32[(self.0 >> (5 * n)) as usize % 32])
    }

    /// A number that nobody outside can foresee.
    pub fn number(self) -> u64 {
        self.0 as u64
    }

    /// Whether these are its bytes, in constant time.
    pub fn has_bytes(self, bytes: &[u8]) -> bool {
        self.bytes().as_slice().ct_eq(bytes).into()
    }

    /// Whether these are its letters, in constant time.
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
