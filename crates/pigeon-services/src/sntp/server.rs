//! The server's side: decides which requests are answered, and encodes replies (RFC 4330 section 6,
//! RFC 5905 section 9.2).

use std::time::Duration;

use pigeon_datagram::{Instant, Received};

use super::{
    MODE_CLIENT, MODE_SERVER, NtpTime, ORIGINATE, PACKET, POLL, PRECISION, RECEIVE, REFERENCE,
    REFERENCE_ID, ROOT_DELAY, ROOT_DISPERSION, STRATUM, TRANSMIT, put, to_short, version,
};
use crate::{Ignored, WallClock};

/// A server's clock parameters. The server passes on its host's time and does not know that clock's
/// quality, so the defaults describe a clock that clients should not prefer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// The distance from a reference clock; 1 to 15. 10 is the usual choice for a host's own clock.
    pub stratum: u8,
    /// The time source. At stratum 2 and above an IPv4 address; NTP servers use 127.127.1.1 for
    /// their host's own clock ("LOCL").
    pub reference_id: [u8; 4],
    /// The round-trip time to the reference clock.
    pub root_delay: Duration,
    /// The largest error of the clock. The default suits a host that is disciplined over the
    /// Internet.
    pub root_dispersion: Duration,
    /// The clock's resolution, as a power of two in seconds; −20 is a microsecond.
    pub precision: i8,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            stratum: 10,
            reference_id: [127, 127, 1, 1],
            root_delay: Duration::ZERO,
            root_dispersion: Duration::from_millis(10),
            precision: -20,
        }
    }
}

/// Rejects everything but a client's request of versions 1 to 4.
pub(crate) fn check_request(payload: &[u8]) -> Result<(), Ignored> {
    let first = match payload.first() {
        Some(&first) if payload.len() >= PACKET => first,
        _ => return Err(Ignored::NotRequest),
    };
    match (super::mode(first), version(first)) {
        (MODE_CLIENT, 1..=4) => Ok(()),
        // Symmetric passive, server, broadcast: clients never send these.
        (2 | 4 | 5, _) => Err(Ignored::Reply),
        _ => Err(Ignored::NotRequest),
    }
}

/// Encodes the reply to a request that has passed [`check_request`]. Ignores everything after the
/// request's first 48 bytes (extensions, message authentication code), so the reply is never longer
/// than the request.
pub(crate) fn reply(
    server: &Server,
    now: Instant,
    wall: WallClock,
    request: &Received<'_>,
) -> [u8; PACKET] {
    let asked = |start: usize| request.payload.get(start).copied().unwrap_or_default();
    let transmit = wall.read(now);
    // The kernel's timestamp is closer to the arrival than `now`, which a whole batch shares.
    let receive = request.wall.unwrap_or(transmit);
    // A wall clock set back in between must not make the reply leave before the request arrived.
    let transmit = transmit.max(receive);

    let mut packet = [0; PACKET];
    // No leap warning (0 in the upper two bits): the host provides none.
    packet[0] = version(asked(0)) << 3 | MODE_SERVER;
    packet[STRATUM] = server.stratum;
    packet[POLL] = asked(POLL);
    packet[PRECISION] = server.precision.cast_unsigned();
    put(&mut packet, ROOT_DELAY, &to_short(server.root_delay).to_be_bytes());
    put(&mut packet, ROOT_DISPERSION, &to_short(server.root_dispersion).to_be_bytes());
    put(&mut packet, REFERENCE_ID, &server.reference_id);
    let mut put_time =
        |start, time| put(&mut packet, start, &NtpTime::from_unix(time).0.to_be_bytes());
    // The reference time: when the service last got the time.
    put_time(REFERENCE, wall.unix.min(receive));
    put_time(RECEIVE, receive);
    put_time(TRANSMIT, transmit);
    if let Some(nonce) = request.payload.get(TRANSMIT..PACKET) {
        put(&mut packet, ORIGINATE, nonce);
    }
    packet
}
