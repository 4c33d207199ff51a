//! The protocol's datagrams and their encoding.
//!
//! Every datagram begins with the same 40 bytes; numbers are big-endian:
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 3 | `pgb` |
//! | 3 | 1 | version: 1 |
//! | 4 | 1 | [`Kind`] |
//! | 5 | 3 | checksum of kind, length and the rest |
//! | 8 | 8 | session: a number that the client drew |
//! | 16 | 8 | number: of each sender's test datagrams, from 0; in others 0, or as stated |
//! | 24 | 8 | time: nanoseconds on the sender's clock, from any origin |
//! | 32 | 8 | origin: in a `Pong`, the time of its `Ping`; else 0 |
//!
//! The checksum detects datagrams damaged despite the UDP checksum; it does not protect against
//! attackers. In test datagrams it covers the header, in all others every byte.
//!
//! ```text
//!   client                                   server
//!     │ ── Hello, padded to 160 bytes ───────▶ │  keeps nothing
//!     │ ◀─ Challenge: token ────────────────── │  56 bytes
//!     │ ── Start: token, request ────────────▶ │  creates a session
//!     │ ◀─ Started: grant ──────────────────── │  (or Declined: reason)
//!     │ ══ Data, or Ping ════════════════════▶ │
//!     │ ◀═ Data, or a Pong for each Ping ═════ │  as requested
//!     │ ── Keep, every half second ──────────▶ │  without it the server stops sending
//!     │ ◀─ Report, every interval ──────────── │
//!     │ ── Stop: total sent ─────────────────▶ │  repeated until no datagram is late
//!     │ ◀─ Stopped: final report ───────────── │
//!     │ ── Bye ──────────────────────────────▶ │  ends the session
//! ```

use std::time::Duration;

use pigeon_datagram::{Outbox, Transmit};

use crate::figures::Figures;

/// The size of the common header, and of the smallest test datagram.
pub const HEADER: usize = 40;

/// The length of a token.
pub(crate) const TOKEN: usize = 16;

/// The size that a client pads `Hello` and `Start` to, and the least of `Stop`, so that no answer
/// is longer.
const ASKING: usize = 160;

/// The greatest number and count accepted: four years of sending at ten million a second. Sums of
/// them never overflow.
const MOST: u64 = 1 << 50;

const MAGIC: [u8; 4] = *b"pgb\x01";

/// The kind of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The client requests a token.
    Hello = 1,
    /// The token.
    Challenge = 2,
    /// The client returns the token and requests a measurement.
    Start = 3,
    /// The server has started.
    Started = 4,
    /// The server declines.
    Declined = 5,
    /// A test datagram in one direction.
    Data = 6,
    /// A test datagram to return.
    Ping = 7,
    /// A returned one.
    Pong = 8,
    /// Keep-alive from the client.
    Keep = 9,
    /// The arrivals so far.
    Report = 10,
    /// The client has sent everything; the server must stop too.
    Stop = 11,
    /// The server has stopped; contains the report.
    Stopped = 12,
    /// The client ends the session.
    Bye = 13,
}

impl Kind {
    const ALL: [Kind; 13] = [
        Kind::Hello,
        Kind::Challenge,
        Kind::Start,
        Kind::Started,
        Kind::Declined,
        Kind::Data,
        Kind::Ping,
        Kind::Pong,
        Kind::Keep,
        Kind::Report,
        Kind::Stop,
        Kind::Stopped,
        Kind::Bye,
    ];

    /// Whether this kind is a test datagram, which counts in the figures.
    pub fn is_test(self) -> bool {
        matches!(self, Kind::Data | Kind::Ping | Kind::Pong)
    }

    /// The kind of a datagram; `None` if it is of another protocol.
    pub fn of(datagram: &[u8]) -> Option<Kind> {
        let (head, _) = datagram.split_at_checked(HEADER)?;
        let kind = *head.strip_prefix(&MAGIC)?.first()?;
        Kind::ALL.into_iter().find(|known| *known as u8 == kind)
    }
}

/// Whether a transmit has test datagrams; a train has only one kind.
pub(crate) fn is_test(outbox: &Outbox, transmit: &Transmit) -> bool {
    let bytes = outbox.bytes().get(transmit.range.clone());
    bytes.and_then(Kind::of).is_some_and(Kind::is_test)
}

/// The common header of 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind.
    pub kind: Kind,
    /// The datagram's session.
    pub session: u64,
    /// The sender's sequence number.
    pub number: u64,
    /// When the datagram was sent, on its sender's clock, in nanoseconds.
    pub time: u64,
    /// The timestamp of the request, in an answer.
    pub origin: u64,
}

/// Why a datagram cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The datagram is of another protocol.
    Foreign,
    /// The datagram's checksum is wrong.
    Damaged,
}

impl Header {
    /// Reads the header of a whole datagram and verifies its checksum.
    pub fn read(datagram: &[u8]) -> Result<Header, Unreadable> {
        let kind = Kind::of(datagram).ok_or(Unreadable::Foreign)?;
        if datagram[5..8] != check(kind, datagram) {
            return Err(Unreadable::Damaged);
        }
        let word = |at| word(datagram, at);
        if kind.is_test() && word(16) > MOST {
            return Err(Unreadable::Foreign);
        }
        Ok(Header { kind, session: word(8), number: word(16), time: word(24), origin: word(32) })
    }

    /// Writes the header to a datagram that already has its other bytes. Does nothing if it is
    /// shorter than a header.
    pub fn write(&self, datagram: &mut [u8]) {
        if datagram.len() < HEADER {
            return;
        }
        datagram[..4].copy_from_slice(&MAGIC);
        datagram[4] = self.kind as u8;
        for (at, word) in [(8, self.session), (16, self.number), (24, self.time), (32, self.origin)]
        {
            datagram[at..at + 8].copy_from_slice(&word.to_be_bytes());
        }
        let check = check(self.kind, datagram);
        datagram[5..8].copy_from_slice(&check);
    }
}

const MULTIPLIER: u64 = 0xd6e8_feb8_6659_fd93;

/// A checksum of three bytes: a change is missed with a probability of 2^-24.
fn check(kind: Kind, datagram: &[u8]) -> [u8; 3] {
    let covered = if kind.is_test() { &datagram[8..HEADER] } else { &datagram[8..] };
    let mut hash = 0x9e37_79b9_7f4a_7c15 ^ (covered.len() as u64) << 8 ^ kind as u64;
    let (words, rest) = covered.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    for word in words.iter().chain((!rest.is_empty()).then_some(&last)) {
        // Both steps are invertible, so inputs that differ in one word always have different
        // hashes.
        hash = (hash ^ u64::from_be_bytes(*word)).wrapping_mul(MULTIPLIER);
        hash ^= hash >> 32;
    }
    // The upper bits, which depend on all bits below.
    let [a, b, c, ..] = hash.wrapping_mul(MULTIPLIER).to_be_bytes();
    [a, b, c]
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    u64::from_be_bytes(word.unwrap_or_default())
}

/// A client's request, in a `Start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Whether the server should send `Data`.
    pub(crate) down: bool,
    /// The size in bytes.
    pub(crate) size: usize,
    /// Datagrams per second of all flows; 0 means unlimited.
    pub(crate) rate: u32,
    /// The number of flows that share the rate, including this one.
    pub(crate) flows: u16,
    /// How long.
    pub(crate) duration: Duration,
    /// The report interval.
    pub(crate) interval: Duration,
}

/// A server's grant, in a `Started`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) rate: u32,
    pub(crate) duration: Duration,
}

/// Why a server declines a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Declined {
    /// All sessions are in use.
    Full = 1,
    /// Datagrams of that size are not sent.
    Size = 2,
}

/// Appends `number` and `body` as a control datagram of at least `least` bytes.
fn control(bytes: &mut Vec<u8>, header: Header, least: usize, body: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.resize(start + HEADER, 0);
    body(bytes);
    bytes.resize(bytes.len().max(start + least), 0);
    header.write(&mut bytes[start..]);
}

fn header(kind: Kind, session: u64) -> Header {
    Header { kind, session, number: 0, time: 0, origin: 0 }
}

/// Writes a datagram without a body.
pub(crate) fn write_bare(bytes: &mut Vec<u8>, kind: Kind, session: u64) {
    let least = if kind == Kind::Hello { ASKING } else { HEADER };
    control(bytes, header(kind, session), least, |_| {});
}

pub(crate) fn write_challenge(bytes: &mut Vec<u8>, session: u64, token: &[u8; TOKEN]) {
    control(bytes, header(Kind::Challenge, session), 0, |body| body.extend(token));
}

pub(crate) fn read_token(datagram: &[u8]) -> Option<&[u8; TOKEN]> {
    datagram.get(HEADER..)?.first_chunk()
}

pub(crate) fn write_start(
    bytes: &mut Vec<u8>,
    session: u64,
    token: &[u8; TOKEN],
    request: &Request,
) {
    control(bytes, header(Kind::Start, session), ASKING, |body| {
        body.extend(token);
        body.extend([u8::from(request.down)]);
        body.extend(request.flows.to_be_bytes());
        body.extend(request.rate.to_be_bytes());
        for number in [request.size as u64, nanos(request.duration), nanos(request.interval)] {
            body.extend(number.to_be_bytes());
        }
    });
}

pub(crate) fn read_start(datagram: &[u8]) -> Option<(&[u8; TOKEN], Request)> {
    let token = read_token(datagram)?;
    let body = datagram.get(HEADER + TOKEN..).filter(|body| body.len() >= 31)?;
    let request = Request {
        down: body[0] != 0,
        flows: u16::from_be_bytes([body[1], body[2]]).max(1),
        rate: u32::from_be_bytes([body[3], body[4], body[5], body[6]]),
        size: usize::try_from(word(body, 7)).ok()?,
        duration: Duration::from_nanos(word(body, 15)),
        interval: Duration::from_nanos(word(body, 23)),
    };
    Some((token, request))
}

pub(crate) fn write_started(bytes: &mut Vec<u8>, session: u64, grant: &Grant) {
    control(bytes, header(Kind::Started, session), 0, |body| {
        body.extend(grant.rate.to_be_bytes());
        body.extend(nanos(grant.duration).to_be_bytes());
    });
}

pub(crate) fn read_started(datagram: &[u8]) -> Option<Grant> {
    let (rate, rest) = datagram.get(HEADER..)?.split_first_chunk()?;
    let (duration, _) = rest.split_first_chunk()?;
    let duration = Duration::from_nanos(u64::from_be_bytes(*duration));
    Some(Grant { rate: u32::from_be_bytes(*rate), duration })
}

pub(crate) fn write_declined(bytes: &mut Vec<u8>, session: u64, why: Declined) {
    control(bytes, header(Kind::Declined, session), 0, |body| body.push(why as u8));
}

pub(crate) fn read_declined(datagram: &[u8]) -> Option<Declined> {
    match *datagram.get(HEADER)? {
        1 => Some(Declined::Full),
        2 => Some(Declined::Size),
        _ => None,
    }
}

/// The client's totals: numbers used, and how many of those never left its host. `number` counts
/// the `Stop`s of a session, and `Stopped` repeats it.
pub(crate) fn write_stop(bytes: &mut Vec<u8>, session: u64, number: u64, sent: [u64; 2]) {
    control(bytes, Header { number, ..header(Kind::Stop, session) }, ASKING, |body| {
        sent.iter().for_each(|count| body.extend(count.to_be_bytes()));
    });
}

pub(crate) fn read_stop(datagram: &[u8]) -> Option<[u64; 2]> {
    // An honest client's `Stop` is never shorter than its answer.
    let body = datagram.get(HEADER..).filter(|body| body.len() >= 8 * Report::WORDS)?;
    Some([word(body, 0), word(body, 8)]).filter(|sent| sent.iter().all(|count| *count <= MOST))
}

/// A `Report` or `Stopped`; `number` increases from one to the next.
pub(crate) fn write_report(
    bytes: &mut Vec<u8>,
    kind: Kind,
    session: u64,
    number: u64,
    report: &Report,
) {
    control(bytes, Header { number, ..header(kind, session) }, 0, |body| {
        let mut write = |count: u64| body.extend(count.to_be_bytes());
        report.figures.words().into_iter().for_each(&mut write);
        write(report.sent);
        write(report.unsent);
    });
}

pub(crate) fn read_report(datagram: &[u8]) -> Option<Report> {
    let body = datagram.get(HEADER..).filter(|body| body.len() >= 8 * Report::WORDS)?;
    let figures = Figures::from_words(std::array::from_fn(|n| word(body, 8 * n)));
    if (0..Report::WORDS).any(|n| word(body, 8 * n) > MOST) {
        return None;
    }
    let at = 8 * Figures::WORDS;
    Some(Report { figures, sent: word(body, at), unsent: word(body, at + 8) })
}

/// A server's figures of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The arrivals at the server.
    pub(crate) figures: Figures,
    /// The numbers that the server has used.
    pub(crate) sent: u64,
    /// How many of the sent datagrams the host did not send.
    pub(crate) unsent: u64,
}

impl Report {
    const WORDS: usize = Figures::WORDS + 2;
}

// No answer is longer than its request.
const _: () = assert!(HEADER + 8 * Report::WORDS <= ASKING && HEADER + TOKEN <= ASKING);

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let request = Request {
            down: true,
            size: 1400,
            rate: 10_000,
            flows: 3,
            duration: Duration::from_secs(10),
            interval: Duration::from_millis(250),
        };
        let mut bytes = Vec::new();
        write_start(&mut bytes, 7, &[9; TOKEN], &request);
        assert_eq!(Header::read(&bytes).map(|h| (h.kind, h.session)), Ok((Kind::Start, 7)));
        assert_eq!(read_start(&bytes), Some((&[9; TOKEN], request)));

        let figures = Figures::from_words(std::array::from_fn(|n| n as u64 + 1));
        let report = Report { figures, sent: 5, unsent: 6 };
        let mut bytes = Vec::new();
        write_report(&mut bytes, Kind::Stopped, 7, 3, &report);
        assert_eq!(Header::read(&bytes).map(|h| h.number), Ok(3));
        assert_eq!(read_report(&bytes), Some(report));
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let mut data = [0; 64];
        Header { kind: Kind::Data, session: 1, number: 2, time: 3, origin: 0 }.write(&mut data);
        let mut stop = Vec::new();
        write_stop(&mut stop, 1, 2, [3, 4]);
        for (datagram, covered) in [(&data[..], HEADER), (&stop, stop.len())] {
            let before = Header::read(datagram).unwrap();
            for bit in 0..8 * datagram.len() {
                let mut flipped = datagram.to_vec();
                flipped[bit / 8] ^= 1 << (bit % 8);
                match Header::read(&flipped) {
                    Ok(header) => assert!(bit >= 8 * covered && header == before, "bit {bit}"),
                    Err(_) => assert!(bit < 8 * covered, "bit {bit}"),
                }
            }
        }
    }

    #[test]
    fn whatever_is_short_or_foreign_is_refused() {
        let mut bytes = Vec::new();
        write_start(
            &mut bytes,
            7,
            &[9; TOKEN],
            &Request {
                down: false,
                size: 64,
                rate: 0,
                flows: 1,
                duration: Duration::ZERO,
                interval: Duration::ZERO,
            },
        );
        for end in 0..bytes.len() {
            let cut = &bytes[..end];
            assert!(Header::read(cut).is_err());
            let _ = (read_start(cut), read_token(cut), read_started(cut), read_declined(cut));
            let _ = (read_stop(cut), read_report(cut));
        }
        assert_eq!(Header::read(b"^hb^"), Err(Unreadable::Foreign));
    }
}
