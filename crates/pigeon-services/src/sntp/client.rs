//! The client's side: a request, and the measurement from its reply (RFC 4330 section 5, RFC 5905
//! section 8).

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::SignedDuration;
use pigeon_datagram::Instant;

use super::{
    MODE_CLIENT, MODE_SERVER, NtpTime, ORIGINATE, PACKET, RECEIVE, REFERENCE, REFERENCE_ID,
    ROOT_DELAY, ROOT_DISPERSION, STRATUM, TRANSMIT, VERSION, field, from_short, mode, put, time_at,
    version,
};
use crate::WallClock;

/// The largest stratum of a synchronised server; 16 means unsynchronised.
const MAX_STRATUM: u8 = 15;

/// The largest error that a server may claim for its clock (MAXDISP of RFC 5905 section 7.2).
const MAX_DISTANCE: Duration = Duration::from_secs(16);

/// Encodes a request for the time. `nonce` replaces the client's clock reading and should be
/// random: the request then reveals nothing about its sender, and an attacker who has not seen it
/// cannot forge a reply. Draw a new one for every request, and another if it is zero.
pub fn request(nonce: u64) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[0] = VERSION << 3 | MODE_CLIENT;
    put(&mut packet, TRANSMIT, &nonce.to_be_bytes());
    packet
}

/// The result of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// How far the server's clock is ahead of ours: add it to our wall clock. If the two directions
    /// differ in delay, the error is at most half of `delay`.
    pub offset: SignedDuration,
    /// The round-trip time on the network, without the server's processing time. Never below zero.
    pub delay: Duration,
    /// The server's distance from a reference clock; 1 to 15.
    pub stratum: u8,
    /// The server's leap second warning.
    pub leap: Leap,
    /// The server's time source.
    pub reference: ReferenceId,
    /// The round-trip time from the server to its reference clock, as it claims.
    pub root_delay: Duration,
    /// The error of the server's clock, as it claims.
    pub root_dispersion: Duration,
}

/// Whether the day ends with a leap second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leap {
    /// No leap second.
    None,
    /// The last minute has 61 seconds.
    Insert,
    /// The last minute has 59 seconds.
    Delete,
}

/// A server's time source. At stratum 1 the name of a clock; above, the IPv4 address of its own
/// server, or the first bytes of the MD5 sum of an IPv6 address (RFC 5905 section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceId {
    /// The four bytes as received.
    pub bytes: [u8; 4],
    /// The stratum, which decides their meaning.
    pub stratum: u8,
}

impl fmt::Display for ReferenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stratum {
            0 | 1 => Code(self.bytes).fmt(f),
            _ => Ipv4Addr::from(self.bytes).fmt(f),
        }
    }
}

/// Up to four ASCII letters, padded with zeros; anything else is escaped.
struct Code([u8; 4]);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        self.0.get(..end).unwrap_or_default().escape_ascii().fmt(f)
    }
}

/// Why a datagram is not a usable reply. After a variant of the first group (the datagram answers
/// another request, or is forged) the client keeps waiting. The others are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// The datagram is shorter than a packet.
    #[error("{length} bytes are too few for an NTP packet")]
    TooShort {
        /// The datagram's length in bytes.
        length: usize,
    },
    /// The datagram is not a server's reply.
    #[error("not a server's reply, but mode {mode}")]
    Mode {
        /// The mode, 0 to 7.
        mode: u8,
    },
    /// The reply does not repeat the request's nonce: it answers another request, or is forged.
    #[error("a reply to another request")]
    Originate,

    /// An unknown NTP version.
    #[error("NTP version {version} is unknown")]
    Version {
        /// The version, 0 to 7.
        version: u8,
    },
    /// Stratum 0: the server refuses (RFC 5905 section 7.4). `RATE` means too many requests, `DENY`
    /// and `RSTR` access denied.
    #[error("the server refuses: {}", Code(*.code))]
    KissOfDeath {
        /// The four ASCII letters of the reason.
        code: [u8; 4],
    },
    /// The server's clock is not synchronised.
    #[error("the server's clock is not synchronised")]
    Unsynchronised,
    /// The timestamps are impossible: missing, sent before received, or before the server's clock
    /// was set.
    #[error("the server's times contradict each other")]
    Times,
    /// The server claims an error of 16 s or more.
    #[error("the server's clock may be off by {distance:?}")]
    TooFar {
        /// The claimed error.
        distance: Duration,
    },
}

impl WhyNot {
    /// Whether this datagram is not the awaited reply, so that the client must keep waiting.
    pub fn is_strange(self) -> bool {
        matches!(self, WhyNot::TooShort { .. } | WhyNot::Mode { .. } | WhyNot::Originate)
    }
}

/// Computes a measurement from the reply to a request. `sent` is the wall-clock and monotonic time
/// of the request, `received` the monotonic time of the reply, so setting the wall clock in between
/// does no harm.
///
/// Results are correct if the clocks are within 68 years of each other, across the change of era in
/// 2036 (RFC 5905 section 6). Fails with the check of RFC 4330 section 5 or RFC 5905 that the
/// datagram does not pass. The caller must ensure that it came from the server's address.
pub fn measure(
    reply: &[u8],
    request: &[u8; PACKET],
    sent: WallClock,
    received: Instant,
) -> Result<Measurement, WhyNot> {
    let packet = reply.first_chunk().ok_or(WhyNot::TooShort { length: reply.len() })?;
    check_reply(packet, request)?;
    let (leap, stratum) = check_server(packet)?;

    let t1 = NtpTime::from_unix(sent.unix);
    let t2 = time_at(packet, RECEIVE);
    let t3 = time_at(packet, TRANSMIT);
    let t4 = NtpTime::from_unix(sent.read(received));
    let (there, back) = (i128::from(t2.since(t1)), i128::from(t3.since(t4)));
    let round_trip = i128::from(t4.since(t1)) - i128::from(t3.since(t2));
    Ok(Measurement {
        // Half the sum, rounded only once.
        offset: SignedDuration::from_nanos(saturated(to_nanos(there + back, 33))),
        // Clocks of different speed or precision may make it negative.
        delay: Duration::from_nanos(saturated(to_nanos(round_trip.max(0), 32)).unsigned_abs()),
        stratum,
        leap,
        reference: ReferenceId { bytes: field(packet, REFERENCE_ID), stratum },
        root_delay: short_at(packet, ROOT_DELAY),
        root_dispersion: short_at(packet, ROOT_DISPERSION),
    })
}

/// Checks that a packet is the reply to this request.
fn check_reply(packet: &[u8; PACKET], request: &[u8; PACKET]) -> Result<(), WhyNot> {
    match mode(packet[0]) {
        MODE_SERVER => {}
        mode => return Err(WhyNot::Mode { mode }),
    }
    if time_at(packet, ORIGINATE) != time_at(request, TRANSMIT) {
        return Err(WhyNot::Originate);
    }
    Ok(())
}

/// Checks that the server is synchronised, and returns its leap warning and stratum.
fn check_server(packet: &[u8; PACKET]) -> Result<(Leap, u8), WhyNot> {
    let version = version(packet[0]);
    if !(1..=VERSION).contains(&version) {
        return Err(WhyNot::Version { version });
    }
    let stratum = packet[STRATUM];
    if stratum == 0 {
        return Err(WhyNot::KissOfDeath { code: field(packet, REFERENCE_ID) });
    }
    let leap = match packet[0] >> 6 {
        0 => Leap::None,
        1 => Leap::Insert,
        2 => Leap::Delete,
        _ => return Err(WhyNot::Unsynchronised),
    };
    if stratum > MAX_STRATUM {
        return Err(WhyNot::Unsynchronised);
    }
    let (receive, transmit) = (time_at(packet, RECEIVE), time_at(packet, TRANSMIT));
    let reference = time_at(packet, REFERENCE);
    // A reference time of zero means unknown (RFC 5905 section 7.3).
    let is_set_later = reference != NtpTime(0) && transmit.since(reference) < 0;
    if transmit == NtpTime(0) || transmit.since(receive) < 0 || is_set_later {
        return Err(WhyNot::Times);
    }
    let distance = short_at(packet, ROOT_DELAY) / 2 + short_at(packet, ROOT_DISPERSION);
    if distance >= MAX_DISTANCE {
        return Err(WhyNot::TooFar { distance });
    }
    Ok((leap, stratum))
}

fn short_at(packet: &[u8; PACKET], start: usize) -> Duration {
    from_short(u32::from_be_bytes(field(packet, start)))
}

/// Converts units of 2^−`bits` s to nanoseconds, rounded to the nearest.
fn to_nanos(units: i128, bits: u32) -> i128 {
    (units * 1_000_000_000 + (1 << (bits - 1))) >> bits
}

fn saturated(nanos: i128) -> i64 {
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_ids_mean_what_the_stratum_says() {
        let text = |bytes: &[u8; 4], stratum| ReferenceId { bytes: *bytes, stratum }.to_string();
        assert_eq!(text(b"GPS\0", 1), "GPS");
        assert_eq!(text(b"\x1b[2J", 1), "\\x1b[2J");
        assert_eq!(text(b"\0\0\0\0", 1), "");
        assert_eq!(text(&[192, 0, 2, 1], 2), "192.0.2.1");
        let code = *b"RATE";
        assert_eq!(WhyNot::KissOfDeath { code }.to_string(), "the server refuses: RATE");
    }

    #[test]
    fn units_become_nanoseconds_to_the_nearest() {
        assert_eq!(to_nanos(1 << 32, 32), 1_000_000_000);
        assert_eq!(to_nanos(-(1 << 32), 33), -500_000_000);
        assert_eq!(to_nanos(4, 32), 1);
        assert_eq!(to_nanos(-4, 32), -1);
        assert_eq!(to_nanos(1, 32), 0);
        assert_eq!(saturated(i128::MAX), i64::MAX);
    }
}
