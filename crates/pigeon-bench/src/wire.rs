//! The datagrams of the protocol, and how they are written.
//!
//! Every datagram begins with the same 40 bytes; numbers are big-endian:
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 3 | `pgb` |
//! | 3 | 1 | version: 1 |
//! | 4 | 1 | [`Kind`] |
//! | 5 | 3 | check of kind, length and what follows |
//! | 8 | 8 | session: a number that the client drew |
//! | 16 | 8 | number: counts each sender's test datagrams from 0; in others 0, or as said |
//! | 24 | 8 | time: nanoseconds on the sender's clock, from an origin of its own |
//! | 32 | 8 | origin: in a `Pong`, the time of its `Ping`; else 0 |
//!
//! The check detects a datagram that was damaged on the way despite the UDP checksum; it is no
//! protection against attackers. In test datagrams it covers the header, in all others every byte.
//!
//! ```text
//!   client                                   server
//!     │ ── Hello, padded to 160 bytes ───────▶ │  keeps nothing
//!     │ ◀─ Challenge: token ────────────────── │  56 bytes
//!     │ ── Start: token, what is asked ──────▶ │  from here on a session
//!     │ ◀─ Started: what is granted ────────── │  (or Declined: why not)
//!     │ ══ Data, or Ping ════════════════════▶ │
//!     │ ◀═ Data, or a Pong for each Ping ═════ │  as asked
//!     │ ── Keep, every half second ──────────▶ │  without it the server falls silent
//!     │ ◀─ Report, every interval ──────────── │
//!     │ ── Stop: how much was sent ──────────▶ │  again and again until nothing is late any more
//!     │ ◀─ Stopped: the report, final ──────── │
//!     │ ── Bye ──────────────────────────────▶ │  forgets the session
//! ```

use std::time::Duration;

use pigeon_datagram::{Outbox, Transmit};

use crate::figures::Figures;

/// The bytes that every datagram begins with, and so the smallest test datagram.
pub const HEADER: usize = 40;

/// The length of a token.
pub(crate) const TOKEN: usize = 16;

/// What a client's `Hello` and `Start` are padded to, and `Stop` at the least, so that no answer
/// to them is longer.
const ASKING: usize = 160;

/// The greatest number and the greatest count that are believed: what takes four years to send at ten
/// million a second. So sums of them never overflow.
const MOST: u64 = 1 << 50;

const MAGIC: [u8; 4] = *b"pgb\x01";

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A client asks for a token.
    Hello = 1,
    /// The token.
    Challenge = 2,
    /// A client brings the token and says what it wants.
    Start = 3,
    /// The server has begun.
    Started = 4,
    /// The server will not.
    Declined = 5,
    /// A test datagram on its way in one direction.
    Data = 6,
    /// A test datagram to be sent back.
    Ping = 7,
    /// One that was sent back.
    Pong = 8,
    /// The client is still there.
    Keep = 9,
    /// What has arrived so far.
    Report = 10,
    /// The client has sent all; the server is to stop too.
    Stop = 11,
    /// It has; with the report.
    Stopped = 12,
    /// The client has all it wants.
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

    /// Whether it is one of those that are counted.
    pub fn is_test(self) -> bool {
        matches!(self, Kind::Data | Kind::Ping | Kind::Pong)
    }

    /// The kind of a datagram; `None` if it does not belong to this protocol.
    pub fn of(datagram: &[u8]) -> Option<Kind> {
        let (head, _) = datagram.split_at_checked(HEADER)?;
        let kind = *head.strip_prefix(&MAGIC)?.first()?;
        Kind::ALL.into_iter().find(|known| *known as u8 == kind)
    }
}

/// Whether a transmit is of datagrams that are counted; a train has datagrams of one kind.
pub(crate) fn is_test(outbox: &Outbox, transmit: &Transmit) -> bool {
    let bytes = outbox.bytes().get(transmit.range.clone());
    bytes.and_then(Kind::of).is_some_and(Kind::is_test)
}

/// The first 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the datagram is.
    pub kind: Kind,
    /// The session it belongs to.
    pub session: u64,
    /// The sender's number for it.
    pub number: u64,
    /// When it was sent, on its sender's clock, in nanoseconds.
    pub time: u64,
    /// When what it answers was sent.
    pub origin: u64,
}

/// A datagram that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It does not belong to this protocol.
    Foreign,
    /// It belongs to this protocol, but its check does not agree.
    Damaged,
}

impl Header {
    /// Reads the header of a whole datagram and checks it.
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

    /// Writes the header to the front of a datagram that already holds its other bytes. A datagram
    /// shorter than a header is left as it is.
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

/// Three bytes that change if any bit of what they cover does, but for one chance in 2^24.
fn check(kind: Kind, datagram: &[u8]) -> [u8; 3] {
    let covered = if kind.is_test() { &datagram[8..HEADER] } else { &datagram[8..] };
    let mut hash = 0x9e37_79b9_7f4a_7c15 ^ (covered.len() as u64) << 8 ^ kind as u64;
    let (words, rest) = covered.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    for word in words.iter().chain((!rest.is_empty()).then_some(&last)) {
        // Both steps can be undone, so two inputs that differ in one word never meet.
        hash = (hash ^ u64::from_be_bytes(*word)).wrapping_mul(MULTIPLIER);
        hash ^= hash >> 32;
    }
    // The upper bits, as every bit below has its part in them.
    let [a, b, c, ..] = hash.wrapping_mul(MULTIPLIER).to_be_bytes();
    [a, b, c]
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    u64::from_be_bytes(word.unwrap_or_default())
}

/// What a client asks for, in a `Start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Whether the server is to send `Data`.
    pub(crate) down: bool,
    /// Its size in bytes.
    pub(crate) size: usize,
    /// Datagrams a second, shared by all flows; 0 is as many as can be.
    pub(crate) rate: u32,
    /// The number of flows that share the rate, this one included.
    pub(crate) flows: u16,
    /// For how long.
    pub(crate) duration: Duration,
    /// How often to report.
    pub(crate) interval: Duration,
}

/// What a server grants, in a `Started`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) rate: u32,
    pub(crate) duration: Duration,
}

/// Why a server declines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Declined {
    /// It has as many sessions as it takes.
    Full = 1,
    /// It sends no datagrams of that size.
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

/// Writes a datagram that says nothing beyond its kind.
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

/// What the client has sent: numbers used, and how many of them never left its host. Its
/// `number` counts the `Stop`s of a session, and `Stopped` repeats it.
pub(crate) fn write_stop(bytes: &mut Vec<u8>, session: u64, number: u64, sent: [u64; 2]) {
    control(bytes, Header { number, ..header(Kind::Stop, session) }, ASKING, |body| {
        sent.iter().for_each(|count| body.extend(count.to_be_bytes()));
    });
}

pub(crate) fn read_stop(datagram: &[u8]) -> Option<[u64; 2]> {
    // One that is shorter than its answer was not written by an honest client.
    let body = datagram.get(HEADER..).filter(|body| body.len() >= 8 * Report::WORDS)?;
    Some([word(body, 0), word(body, 8)]).filter(|sent| sent.iter().all(|count| *count <= MOST))
}

/// A `Report` or `Stopped`; `number` grows from one to the next.
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

/// What a server knows of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// What has arrived there.
    pub(crate) figures: Figures,
    /// How many numbers it has used itself.
    pub(crate) sent: u64,
    /// How many of these its host did not take.
    pub(crate) unsent: u64,
}

impl Report {
    const WORDS: usize = Figures::WORDS + 2;
}

// No answer is longer than what it answers.
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
