//! Which datagrams of a capture are to be sent, and when.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_capture::{Packet, ReadError, Reader, Skip, datagram};
use pigeon_datagram::Instant;

use super::{Filter, Speed};

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    /// Its sender in the capture: senders are kept apart.
    pub(super) from: SocketAddr,
    pub(super) due: Instant,
    pub(super) payload: Vec<u8>,
}

/// What became of packets that are not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Packets read in all.
    pub(super) packets: u64,
    skipped: [u64; Skip::ALL.len()],
    /// Datagrams that the filters left out.
    pub(super) filtered: u64,
}

impl LeftOut {
    /// Every reason that occurred, and how often.
    pub(super) fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let skipped = Skip::ALL.into_iter().zip(self.skipped);
        let skipped = skipped.map(|(skip, count)| (skip.describe(), count));
        skipped.chain([("not asked for", self.filtered)]).filter(|&(_, count)| count > 0)
    }

    pub(super) fn skipped(&self, skip: Skip) -> u64 {
        self.skipped[skip as usize]
    }
}

/// Where packets come from.
pub(super) trait Packets {
    /// The next one; `None` at the end.
    fn next(&mut self) -> Result<Option<Packet>, ReadError>;
}

impl<R: Read> Packets for Reader<R> {
    fn next(&mut self) -> Result<Option<Packet>, ReadError> {
        self.next_packet()
    }
}

/// Goes through a capture's packets.
pub(super) struct Player<P> {
    packets: P,
    filter: Filter,
    speed: Speed,
    /// The first datagram's time in the capture, and when it was due.
    began: Option<(Duration, Instant)>,
    next: Option<Cue>,
    pub(super) left_out: LeftOut,
}

impl<P: Packets> Player<P> {
    pub(super) fn new(packets: P, filter: Filter, speed: Speed) -> Player<P> {
        let left_out = LeftOut::default();
        Player { packets, filter, speed, began: None, next: None, left_out }
    }

    /// When the next datagram is due; `None` at the end. The first is due `now`.
    pub(super) fn next_due(&mut self, now: Instant) -> Result<Option<Instant>, ReadError> {
        while self.next.is_none() {
            let Some(packet) = self.packets.next()? else { return Ok(None) };
            self.next = self.cue(now, &packet);
        }
        Ok(self.next.as_ref().map(|cue| cue.due))
    }

    /// The next datagram, if it is due by `now`.
    pub(super) fn take(&mut self, now: Instant) -> Result<Option<Cue>, ReadError> {
        Ok(self.next_due(now)?.filter(|due| *due <= now).and_then(|_| self.next.take()))
    }

    fn cue(&mut self, now: Instant, packet: &Packet) -> Option<Cue> {
        self.left_out.packets += 1;
        let found = match datagram(packet.link, &packet.data) {
            Ok(found) => found,
            Err(skip) => {
                self.left_out.skipped[skip as usize] += 1;
                return None;
            }
        };
        if !self.filter.lets(found.from, found.to) {
            self.left_out.filtered += 1;
            return None;
        }
        let (first, start) = *self.began.get_or_insert((packet.time, now));
        let due = match self.speed {
            // Captures of several interfaces may step back in time.
            Speed::Times(times) => start + divided(packet.time.saturating_sub(first), times),
            Speed::Max => start,
        };
        Some(Cue { from: found.from, due, payload: found.payload.to_vec() })
    }
}

/// A time at another speed. A damaged capture may name any, so it must not overflow.
fn divided(time: Duration, speed: f64) -> Duration {
    match speed == 1.0 {
        true => time,
        false => Duration::try_from_secs_f64(time.as_secs_f64() / speed).unwrap_or(Duration::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets from memory.
    struct Memory(std::vec::IntoIter<Packet>);

    impl Packets for Memory {
        fn next(&mut self) -> Result<Option<Packet>, ReadError> {
            Ok(self.0.next())
        }
    }

    /// Raw IPv4 packets at these milliseconds, each with its number as its payload.
    fn player(millis: &[u64], speed: Speed) -> Player<Memory> {
        let packet = |(number, &at): (usize, &u64)| {
            let mut data = vec![0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            data.extend([0, 7, 0, 9, 0, 9, 0, 0, number as u8]);
            Packet { time: Duration::from_millis(at), link: 101, data }
        };
        let packets: Vec<Packet> = millis.iter().enumerate().map(packet).collect();
        Player::new(Memory(packets.into_iter()), Filter::default(), speed)
    }

    /// When each is due, in milliseconds after the first.
    fn due(millis: &[u64], speed: Speed) -> Vec<u128> {
        let start = Instant::from_nanos(5);
        let mut player = player(millis, speed);
        let mut due = Vec::new();
        while let Some(at) = player.next_due(start).unwrap() {
            assert!(player.take(start).unwrap().is_none() || at == start);
            player.next = None;
            due.push((at - start).as_millis());
        }
        due
    }

    #[test]
    fn time_passes_as_fast_as_asked() {
        let capture = [1_000, 1_010, 1_010, 1_100];
        assert_eq!(due(&capture, Speed::Times(1.0)), [0, 10, 10, 100]);
        assert_eq!(due(&capture, Speed::Times(2.0)), [0, 5, 5, 50]);
        assert_eq!(due(&capture, Speed::Times(0.5)), [0, 20, 20, 200]);
        assert_eq!(due(&capture, Speed::Max), [0, 0, 0, 0]);
        // Back in time is at once.
        assert_eq!(due(&[1_000, 900, 1_001], Speed::Times(1.0)), [0, 0, 1]);
        // And never is never, not a panic.
        assert!(due(&[0, u64::MAX], Speed::Times(1e-6))[1] > 1 << 40);
    }

    #[test]
    fn nothing_is_taken_before_its_time() {
        let mut player = player(&[0, 10], Speed::Times(1.0));
        let at = |millis| Instant::ORIGIN + Duration::from_millis(millis);
        assert_eq!(player.take(at(0)).unwrap().unwrap().payload, [0]);
        assert_eq!(player.take(at(9)).unwrap(), None);
        assert_eq!(player.take(at(10)).unwrap().unwrap().payload, [1]);
        assert_eq!(player.next_due(at(10)).unwrap(), None);
        assert_eq!(player.left_out.packets, 2);
    }

    #[test]
    fn what_was_not_asked_for_is_counted() {
        let mut player = player(&[0, 10], Speed::Max);
        player.filter.port = Some(8);
        assert_eq!(player.next_due(Instant::ORIGIN).unwrap(), None);
        assert_eq!(player.left_out.reasons().collect::<Vec<_>>(), [("not asked for", 2)]);
    }
}
