//! The server's side: which requests are answered, and how (RFC 4330 section 6, RFC 5905
//! section 9.2).

use std::time::Duration;

use pigeon_datagram::{Instant, Received};

use super::{
    MODE_CLIENT, MODE_SERVER, NtpTime, ORIGINATE, PACKET, POLL, PRECISION, RECEIVE, REFERENCE,
    REFERENCE_ID, ROOT_DELAY, ROOT_DISPERSION, STRATUM, TRANSMIT, put, to_short, version,
};
use crate::{Ignored, WallClock};

/// What a server says of its clock. It hands on the time of its host and does not know how that is
/// kept, so the default speaks for a clock that others should not prefer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// How far it is from a reference clock; 1 to 15. 10 is the usual choice for a host's own
    /// clock.
    pub stratum: u8,
    /// Where the time comes from. At stratum 2 and above an IPv4 address; 127.127.1.1 is how NTP
    /// servers name their own host's clock ("LOCL").
    pub reference_id: [u8; 4],
    /// The round trip to the reference clock.
    pub root_delay: Duration,
    /// How far the clock may be off. The default is what a host disciplined over the Internet
    /// keeps within.
    pub root_dispersion: Duration,
    /// How fine the clock is, as a power of two in seconds; −20 is a microsecond.
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

/// Refuses what is not a client's request of versions 1 to 4.
pub(crate) fn check_request(payload: &[u8]) -> Result<(), Ignored> {
    let first = match payload.first() {
        Some(&first) if payload.len() >= PACKET => first,
        _ => return Err(Ignored::NotRequest),
    };
    match (super::mode(first), version(first)) {
        (MODE_CLIENT, 1..=4) => Ok(()),
        // Symmetric passive, server, broadcast: nobody who asks sends these.
        (2 | 4 | 5, _) => Err(Ignored::Reply),
        _ => Err(Ignored::NotRequest),
    }
}

/// The reply to a request that has passed [`check_request`]. What stands behind the first 48 bytes
/// of the request, extensions or a message authentication code, has no counterpart in the reply,
/// which is never longer than the request.
pub(crate) fn reply(
    server: &Server,
    now: Instant,
    wall: WallClock,
    request: &Received<'_>,
) -> [u8; PACKET] {
    let asked = |start: usize| request.payload.get(start).copied().unwrap_or_default();
    let transmit = wall.read(now);
    // The kernel's own stamp is closer to the arrival than `now`, which a whole batch shares.
    let receive = request.wall.unwrap_or(transmit);
    // A wall clock set back in between must not make the server answer before it was asked.
    let transmit = transmit.max(receive);

    let mut packet = [0; PACKET];
    // No leap warning (0 in the upper two bits): the host reports none.
    packet[0] = version(asked(0)) << 3 | MODE_SERVER;
    packet[STRATUM] = server.stratum;
    packet[POLL] = asked(POLL);
    packet[PRECISION] = server.precision.cast_unsigned();
    put(&mut packet, ROOT_DELAY, &to_short(server.root_delay).to_be_bytes());
    put(&mut packet, ROOT_DISPERSION, &to_short(server.root_dispersion).to_be_bytes());
    put(&mut packet, REFERENCE_ID, &server.reference_id);
    let mut put_time =
        |start, time| put(&mut packet, start, &NtpTime::from_unix(time).0.to_be_bytes());
    // When the clock was last set: when the service last got the time.
    put_time(REFERENCE, wall.unix.min(receive));
    put_time(RECEIVE, receive);
    put_time(TRANSMIT, transmit);
    if let Some(nonce) = request.payload.get(TRANSMIT..PACKET) {
        put(&mut packet, ORIGINATE, nonce);
    }
    packet
}
