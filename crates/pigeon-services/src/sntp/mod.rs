//! Network time: the 48 bytes of an SNTP packet (RFC 4330 section 4, RFC 5905 section 7.3), the
//! server's side in `server`, the client's in `client`.
//!
//! ```text
//!      0                   1                   2                   3
//!      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!   0 |LI | VN  |Mode |    Stratum    |     Poll      |   Precision   |
//!   4 |                          Root delay                           |
//!   8 |                       Root dispersion                         |
//!  12 |                        Reference id                           |
//!  16 |                     Reference timestamp                  (64) |
//!  24 |                     Originate timestamp                  (64) |
//!  32 |                      Receive timestamp                   (64) |
//!  40 |                      Transmit timestamp                  (64) |
//! ```
//!
//! ```text
//!   client                                 server
//!   T1  mode 3, transmit = a nonce   ──▶   T2
//!   T4  originate = that nonce,      ◀──   T3
//!       receive = T2, transmit = T3
//! ```

mod client;
mod server;

use std::time::Duration;

pub use client::{Leap, Measurement, ReferenceId, WhyNot, measure, request};
pub use server::Server;
pub(crate) use server::{check_request, reply};

/// The bytes of a packet without extensions or a message authentication code.
pub const PACKET: usize = 48;

/// The version of our requests.
const VERSION: u8 = 4;

/// A client's request.
const MODE_CLIENT: u8 = 3;

/// A server's reply.
const MODE_SERVER: u8 = 4;

// The positions of the fields.
const STRATUM: usize = 1;
const POLL: usize = 2;
const PRECISION: usize = 3;
const ROOT_DELAY: usize = 4;
const ROOT_DISPERSION: usize = 8;
const REFERENCE_ID: usize = 12;
const REFERENCE: usize = 16;
const ORIGINATE: usize = 24;
const RECEIVE: usize = 32;
const TRANSMIT: usize = 40;

/// The Unix epoch in seconds of NTP, which counts from 1900 (RFC 5905 appendix A.4).
const UNIX_EPOCH: u64 = 2_208_988_800;

/// A point in time in units of 2⁻³² s since 1900, modulo 2³² s: the next era begins on 7 February
/// 2036, 06:28:16 UTC, and the value does not contain the era (RFC 5905 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NtpTime(u64);

impl NtpTime {
    fn from_unix(unix: Duration) -> Self {
        let seconds = unix.as_secs().wrapping_add(UNIX_EPOCH);
        // Rounded to the nearest, so that nanoseconds survive the conversion back.
        let fraction = ((u64::from(unix.subsec_nanos()) << 32) + 500_000_000) / 1_000_000_000;
        // Zero means an unknown time, so the moment that it would stand for becomes 1 (232 ps
        // later).
        NtpTime(((seconds << 32) + fraction).max(1))
    }

    /// The difference from another point, in units of 2⁻³² s. Correct for points within 68 years of
    /// each other, across eras (RFC 5905 section 6).
    fn since(self, other: NtpTime) -> i64 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

/// A duration in units of 2⁻¹⁶ s, capped at the format's maximum.
fn to_short(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

fn from_short(short: u32) -> Duration {
    Duration::from_nanos((u64::from(short) * 1_000_000_000) >> 16)
}

/// The bytes at `start`. The packet must be long enough.
fn field<const N: usize>(packet: &[u8; PACKET], start: usize) -> [u8; N] {
    std::array::from_fn(|n| packet[start + n])
}

fn time_at(packet: &[u8; PACKET], start: usize) -> NtpTime {
    NtpTime(u64::from_be_bytes(field(packet, start)))
}

fn put(packet: &mut [u8; PACKET], start: usize, bytes: &[u8]) {
    packet[start..start + bytes.len()].copy_from_slice(bytes);
}

fn version(first: u8) -> u8 {
    first >> 3 & 7
}

fn mode(first: u8) -> u8 {
    first & 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_those_of_the_rfc() {
        // RFC 5905 figure 4: the Unix epoch, and the first day of era 1.
        assert_eq!(NtpTime::from_unix(Duration::ZERO).0 >> 32, 2_208_988_800);
        assert_eq!(NtpTime::from_unix(Duration::from_secs(2_085_978_496)).0, 1);
        let half = Duration::from_millis(1_500);
        assert_eq!(NtpTime::from_unix(half).0, (UNIX_EPOCH + 1) << 32 | 1 << 31);
        assert_eq!(NtpTime::from_unix(Duration::new(0, 999_999_999)).0 >> 32, UNIX_EPOCH);
        let _ = NtpTime::from_unix(Duration::MAX);
    }

    #[test]
    fn differences_cross_the_era() {
        let before = NtpTime::from_unix(Duration::from_secs(2_085_978_495));
        let after = NtpTime::from_unix(Duration::from_secs(2_085_978_497));
        assert_eq!(after.since(before), 2 << 32);
        assert_eq!(before.since(after), -2 << 32);
    }

    #[test]
    fn short_durations_saturate() {
        assert_eq!(to_short(Duration::from_millis(500)), 0x8000);
        assert_eq!(from_short(0x0001_8000), Duration::from_millis(1_500));
        assert_eq!(to_short(Duration::MAX), u32::MAX);
    }
}
