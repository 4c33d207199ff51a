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

/// The largest stratum of a server that has the time; 16 is one that has not.
const MAX_STRATUM: u8 = 15;

/// How far off, by its own account, a server may be (MAXDISP of RFC 5905 section 7.2).
const MAX_DISTANCE: Duration = Duration::from_secs(16);

/// A request for the time. `nonce` takes the place of the client's clock reading, and should be
/// random: so the request reveals nothing of its sender, and nobody who has not seen it can forge a
/// reply. Draw a new one for every request, and another if it is zero.
pub fn request(nonce: u64) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[0] = VERSION << 3 | MODE_CLIENT;
    put(&mut packet, TRANSMIT, &nonce.to_be_bytes());
    packet
}

/// What a reply measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// How far the server's clock is ahead of ours: add this to our wall clock to have its time.
    /// Off by half the delay at the most, when the two ways take differently long.
    pub offset: SignedDuration,
    /// The round trip on the network, without what the server took. Never below zero.
    pub delay: Duration,
    /// How far the server is from a reference clock; 1 to 15.
    pub stratum: u8,
    /// Whether a leap second is near.
    pub leap: Leap,
    /// Where the server has its time from.
    pub reference: ReferenceId,
    /// The round trip from the server to its reference clock, by its own account.
    pub root_delay: Duration,
    /// How far the server may be off, by its own account.
    pub root_dispersion: Duration,
}

/// Whether the day has a second more or less at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leap {
    /// It has not.
    None,
    /// Its last minute has 61 seconds.
    Insert,
    /// Its last minute has 59 seconds.
    Delete,
}

/// Where a server has its time from. At stratum 1 the name of a clock; above, the IPv4 address of
/// the server's server, or the first bytes of the MD5 sum of its IPv6 address (RFC 5905
/// section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceId {
    /// The four bytes as they came.
    pub bytes: [u8; 4],
    /// The stratum, which says what they mean.
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

/// Why a datagram gives no time. The first group is no reply to this request at all: somebody
/// else's, or forged; the client goes on waiting. After the others there is nothing to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// Shorter than a packet.
    #[error("{length} bytes are too few for an NTP packet")]
    TooShort {
        /// Its length in bytes.
        length: usize,
    },
    /// Not a server's reply.
    #[error("not a server's reply, but mode {mode}")]
    Mode {
        /// The mode, 0 to 7.
        mode: u8,
    },
    /// It does not repeat the request's nonce: a reply to another request, or forged.
    #[error("a reply to another request")]
    Originate,

    /// Of a version that is unknown.
    #[error("NTP version {version} is unknown")]
    Version {
        /// The version, 0 to 7.
        version: u8,
    },
    /// Stratum 0: the server asks to be left alone (RFC 5905 section 7.4). `RATE` is for asking
    /// too often, `DENY` and `RSTR` for being refused.
    #[error("the server refuses: {}", Code(*.code))]
    KissOfDeath {
        /// Four ASCII letters that say why.
        code: [u8; 4],
    },
    /// The server has no time to give.
    #[error("the server's clock is not synchronised")]
    Unsynchronised,
    /// The times in it cannot be: none given, or sent before received or before the server's
    /// clock was set.
    #[error("the server's times contradict each other")]
    Times,
    /// By its own account the server may be off by 16 s or more.
    #[error("the server's clock may be off by {distance:?}")]
    TooFar {
        /// By how much.
        distance: Duration,
    },
}

impl WhyNot {
    /// Whether the reply may still come: this datagram was none.
    pub fn is_strange(self) -> bool {
        matches!(self, WhyNot::TooShort { .. } | WhyNot::Mode { .. } | WhyNot::Originate)
    }
}

/// Reads the reply to a request that left at `sent`, by the wall clock and the monotonic one. The
/// reply came at `received`: a wall clock that is set in between does no harm.
///
/// Times are right while the clocks are within 68 years of each other, across the change of era
/// in 2036 (RFC 5905 section 6).
///
/// # Errors
/// Says which of the checks of RFC 4330 section 5 and RFC 5905 the datagram fails. That it came
/// from the server's address is for the socket to see to.
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
        // Half the sum, in one rounding.
        offset: SignedDuration::from_nanos(saturated(to_nanos(there + back, 33))),
        // Clocks that are not equally fast or fine may make it negative.
        delay: Duration::from_nanos(saturated(to_nanos(round_trip.max(0), 32)).unsigned_abs()),
        stratum,
        leap,
        reference: ReferenceId { bytes: field(packet, REFERENCE_ID), stratum },
        root_delay: short_at(packet, ROOT_DELAY),
        root_dispersion: short_at(packet, ROOT_DISPERSION),
    })
}

/// Whether it is the reply to this request.
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

/// Whether the server has the time, and what it says of it.
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
    // A reference time of zero is not known (RFC 5905 section 7.3).
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

/// Units of 2^−`bits` s in nanoseconds, to the nearest.
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
