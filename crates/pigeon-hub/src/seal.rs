//! Short codes that only this hub can have written: proofs of address, and resume words.
//!
//! A code is the first 80 bits of SipHash-2-4-128 over what it speaks for, under a key drawn when
//! the hub was made; nothing is remembered for a code that was given out. 80 bits cannot be guessed
//! over a network: at a million tries a second it takes ten billion years. SipHash and not HMAC,
//! because it is made for short inputs and a hub answers floods of forged addresses with these.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::Instant;
use siphasher::sip128::{Hasher128, SipHasher24};
use subtle::ConstantTimeEq;

/// The length of a code: 16 characters of five bits.
pub(crate) const CODE_LEN: usize = 16;

/// RFC 4648 section 6, in small letters.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// How long a proof may be on its way: the minute it was written in, and the next.
const MINUTE: Duration = Duration::from_secs(60);

/// The key, and what is sealed with it.
pub(crate) struct Seal {
    key: [u8; 16],
}

/// What a code speaks for; each kind has codes of its own.
#[derive(Clone, Copy)]
enum Subject {
    Address { address: SocketAddr, minute: u64 },
    Grant(u32),
}

impl Seal {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Seal { key }
    }

    /// A proof of `address` that is good until the end of the next minute.
    pub(crate) fn proof(&self, now: Instant, address: SocketAddr) -> [u8; CODE_LEN] {
        self.code(Subject::Address { address, minute: minute(now) })
    }

    /// Whether `word` is such a proof.
    pub(crate) fn proves(&self, now: Instant, address: SocketAddr, word: &[u8]) -> bool {
        let this = minute(now);
        let minutes = [Some(this), this.checked_sub(1)];
        minutes.into_iter().flatten().any(|minute| {
            bool::from(self.code(Subject::Address { address, minute }).as_slice().ct_eq(word))
        })
    }

    /// The word that takes back the name of this grant: the grant's number and a code.
    pub(crate) fn resume_word(&self, grant: u32) -> String {
        let code = self.code(Subject::Grant(grant));
        format!("{grant}-{}", String::from_utf8_lossy(&code))
    }

    /// The grant that a word takes back. `None` if the word is none of ours.
    pub(crate) fn grant(&self, word: &[u8]) -> Option<u32> {
        let (number, code) = std::str::from_utf8(word).ok()?.split_once('-')?;
        let grant = number.parse().ok()?;
        let expected = self.code(Subject::Grant(grant));
        bool::from(expected.as_slice().ct_eq(code.as_bytes())).then_some(grant)
    }

    /// A number that nobody outside can foresee, from what somebody sent.
    pub(crate) fn chance(&self, seed: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u8(3);
        hasher.write(seed);
        hasher.finish()
    }

    fn code(&self, subject: Subject) -> [u8; CODE_LEN] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        match subject {
            Subject::Address { address, minute } => {
                hasher.write_u8(1);
                match address.ip() {
                    IpAddr::V4(v4) => hasher.write(&v4.to_ipv6_mapped().octets()),
                    IpAddr::V6(v6) => hasher.write(&v6.octets()),
                }
                hasher.write(&address.port().to_be_bytes());
                hasher.write(&minute.to_be_bytes());
            }
            Subject::Grant(grant) => {
                hasher.write_u8(2);
                hasher.write(&grant.to_be_bytes());
            }
        }
        let bits = hasher.finish128().as_u128();
        std::array::from_fn(|n| BASE32[(bits >> (5 * n)) as usize % 32])
    }
}

fn minute(now: Instant) -> u64 {
    (now - Instant::ORIGIN).as_secs() / MINUTE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn a_proof_is_good_for_one_address_and_two_minutes() {
        let seal = Seal::new([7; 16]);
        let address: SocketAddr = "203.0.113.5:4000".parse().unwrap();
        let proof = seal.proof(at(59), address);
        assert!(seal.proves(at(59), address, &proof));
        assert!(seal.proves(at(119), address, &proof));
        assert!(!seal.proves(at(120), address, &proof));
        assert!(!seal.proves(at(59), "203.0.113.5:4001".parse().unwrap(), &proof));
        assert!(!seal.proves(at(59), "203.0.113.6:4000".parse().unwrap(), &proof));
        assert!(!Seal::new([8; 16]).proves(at(59), address, &proof));
        assert!(!seal.proves(at(59), address, &proof[..15]) && !seal.proves(at(59), address, b""));
    }

    #[test]
    fn a_resume_word_speaks_for_its_grant_alone() {
        let seal = Seal::new([7; 16]);
        let word = seal.resume_word(12);
        assert_eq!(seal.grant(word.as_bytes()), Some(12));
        assert_eq!(seal.grant(word.replacen("12-", "13-", 1).as_bytes()), None);
        for bad in ["", "-", "12-", "12", "x-abc", "99999999999-abcdefghijklmnop"] {
            assert_eq!(seal.grant(bad.as_bytes()), None, "{bad}");
        }
    }
}
