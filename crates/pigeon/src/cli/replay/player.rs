//! Selects the datagrams of a capture and their times.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_capture::{ReadError, Skip};
use pigeon_datagram::Instant;

use super::direction::Direction;
use super::feed::{Feed, Found, Item};
use super::{Filter, Pace, Speed};
use crate::words::{key, say};

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    /// The datagram's sender in the capture: each has its own socket.
    pub(super) from: SocketAddr,
    pub(super) due: Instant,
    pub(super) payload: Vec<u8>,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A datagram is due at this time.
    Due(Instant),
    /// The next datagram has not been read. The feed wakes the loop.
    Unread,
    /// The capture has ended.
    End,
}

/// Counts of packets that were not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// All packets read.
    pub(super) packets: u64,
    skipped: [u64; Skip::ALL.len()],
    /// The first unsupported link type.
    unknown_link: Option<u32>,
    /// Datagrams excluded by filters.
    pub(super) filtered: u64,
    /// Datagrams from servers.
    pub(super) replies: u64,
    /// This replay's own datagrams, in a capture that is still being recorded.
    pub(super) own: u64,
}

fn key_of(skip: Skip) -> &'static str {
    match skip {
        Skip::NotUdp => key!("tools-skip-not-udp"),
        Skip::Fragment => key!("tools-skip-fragment"),
        Skip::Cut => key!("tools-skip-cut"),
        Skip::Malformed => key!("tools-skip-malformed"),
        Skip::Tunnel => key!("tools-skip-tunnel"),
        Skip::Encrypted => key!("tools-skip-encrypted"),
        Skip::UnknownLink => key!("tools-skip-unknown-link"),
    }
}

impl LeftOut {
    /// Every reason that occurred, with its count.
    pub(super) fn reasons(&self) -> impl Iterator<Item = String> {
        let skipped = Skip::ALL.into_iter().zip(self.skipped);
        let skipped = skipped.map(|(skip, count)| (key_of(skip), count));
        let ours = [
            (key!("tools-skip-filtered"), self.filtered),
            (key!("tools-skip-replies"), self.replies),
            (key!("tools-skip-own"), self.own),
        ];
        let counted = skipped.chain(ours).filter(|&(_, count)| count > 0);
        let link = self.unknown_link;
        counted.map(move |(key, count)| match link {
            Some(link) if key == key_of(Skip::UnknownLink) => {
                say!("tools-skip-type", what = say!(key, count = count), link = &link)
            }
            _ => say!(key, count = count),
        })
    }

    pub(super) fn skipped(&self, skip: Skip) -> u64 {
        self.skipped[skip as usize]
    }
}

/// Iterates over a capture's packets.
pub(super) struct Player<F> {
    feed: F,
    filter: Filter,
    /// The direction to send; `None`: both.
    direction: Option<Direction>,
    pace: Pace,
    /// The first time in the capture, and when its datagram was due.
    began: Option<(Duration, Instant)>,
    /// Total time cut from long pauses.
    cut: Duration,
    /// When the last datagram was due.
    last: Option<Instant>,
    next: Option<Cue>,
    is_over: bool,
    /// This replay's own addresses, if the capture may be of the same network: sending its own
    /// datagrams again would never end.
    pub(super) own: BTreeSet<SocketAddr>,
    pub(super) left_out: LeftOut,
}

impl<F: Feed> Player<F> {
    pub(super) fn new(
        feed: F,
        filter: Filter,
        direction: Option<Direction>,
        pace: Pace,
    ) -> Player<F> {
        Player {
            feed,
            filter,
            direction,
            pace,
            began: None,
            cut: Duration::ZERO,
            last: None,
            next: None,
            is_over: false,
            own: BTreeSet::new(),
            left_out: LeftOut::default(),
        }
    }

    /// When the next datagram is due. The first is due `now`.
    pub(super) fn next(&mut self, now: Instant) -> Result<Next, ReadError> {
        loop {
            if let Some(cue) = &self.next {
                return Ok(Next::Due(cue.due));
            }
            if self.is_over {
                return Ok(Next::End);
            }
            match self.feed.next() {
                None => return Ok(Next::Unread),
                Some(Item::Datagram(found)) => self.next = self.cue(now, found),
                Some(Item::Skipped(skip, link)) => {
                    self.left_out.packets += 1;
                    self.left_out.skipped[skip as usize] += 1;
                    if skip == Skip::UnknownLink {
                        self.left_out.unknown_link.get_or_insert(link);
                    }
                }
                Some(Item::End(error)) => {
                    self.is_over = true;
                    if let Some(error) = error {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// The next datagram, if it is due by `now`.
    pub(super) fn take(&mut self, now: Instant) -> Result<Option<Cue>, ReadError> {
        match self.next(now)? {
            Next::Due(due) if due <= now => Ok(self.next.take()),
            _ => Ok(None),
        }
    }

    fn cue(&mut self, now: Instant, found: Found) -> Option<Cue> {
        let Found { time, from, to, payload, fragments } = found;
        self.left_out.packets += 1;
        self.left_out.skipped[Skip::Fragment as usize] -= fragments;
        if self.own.contains(&from) {
            self.left_out.own += 1;
            return None;
        }
        if !self.filter.lets(from, to) {
            self.left_out.filtered += 1;
            return None;
        }
        if self.direction.as_mut().is_some_and(|direction| direction.is_reply(from, to)) {
            self.left_out.replies += 1;
            return None;
        }
        let due = self.due(now, time);
        self.last = self.last.max(Some(due));
        Some(Cue { from, due, payload })
    }

    /// When to send a datagram captured at this time. Without a time it follows the previous one at
    /// once.
    fn due(&mut self, now: Instant, time: Option<Duration>) -> Instant {
        let last = self.last.unwrap_or(now);
        let (Speed::Times(times), Some(time)) = (self.pace.speed, time) else {
            return now.max(last);
        };
        let (first, start) = *self.began.get_or_insert((time, now.max(last)));
        // In captures of several interfaces, time may step back.
        let after = divided(time.saturating_sub(first), times).saturating_sub(self.cut);
        let latest = self.pace.max_pause.map(|pause| (last - start).saturating_add(pause));
        let cut = after.saturating_sub(latest.unwrap_or(Duration::MAX));
        self.cut = self.cut.saturating_add(cut);
        start + (after - cut)
    }
}

/// Scales a time. A damaged capture may contain any time, so it must not overflow.
fn divided(time: Duration, speed: f64) -> Duration {
    match speed == 1.0 {
        true => time,
        false => Duration::try_from_secs_f64(time.as_secs_f64() / speed).unwrap_or(Duration::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Memory(std::vec::IntoIter<Option<Item>>);

    impl Feed for Memory {
        fn next(&mut self) -> Option<Item> {
            self.0.next().unwrap_or(Some(Item::End(None)))
        }
    }

    fn datagram(millis: Option<u64>, number: u8) -> Item {
        let [from, to] = ["10.0.0.1:7", "10.0.0.2:9"].map(|text| text.parse().unwrap());
        let time = millis.map(Duration::from_millis);
        Item::Datagram(Found { time, from, to, payload: vec![number], fragments: 0 })
    }

    fn player(items: Vec<Option<Item>>, pace: Pace) -> Player<Memory> {
        Player::new(Memory(items.into_iter()), Filter::default(), None, pace)
    }

    fn at(speed: Speed) -> Pace {
        Pace { speed, max_pause: None }
    }

    /// When each is due, in milliseconds after the first.
    fn due(millis: &[Option<u64>], pace: Pace) -> Vec<u128> {
        let start = Instant::from_nanos(5);
        let items = millis.iter().map(|at| Some(datagram(*at, 0))).collect();
        let mut player = player(items, pace);
        let mut due = Vec::new();
        while let Next::Due(at) = player.next(start).unwrap() {
            assert!(player.take(start).unwrap().is_none() || at == start);
            player.next = None;
            due.push((at - start).as_millis());
        }
        due
    }

    #[test]
    fn time_passes_as_fast_as_asked() {
        let capture = [1_000, 1_010, 1_010, 1_100].map(Some);
        assert_eq!(due(&capture, at(Speed::Times(1.0))), [0, 10, 10, 100]);
        assert_eq!(due(&capture, at(Speed::Times(2.0))), [0, 5, 5, 50]);
        assert_eq!(due(&capture, at(Speed::Times(0.5))), [0, 20, 20, 200]);
        assert_eq!(due(&capture, at(Speed::Max)), [0, 0, 0, 0]);
        // A step back in time is due at once.
        assert_eq!(due(&[1_000, 900, 1_001].map(Some), at(Speed::Times(1.0))), [0, 0, 1]);
        // A far future must not panic.
        assert!(due(&[0, u64::MAX].map(Some), at(Speed::Times(1e-6)))[1] > 1 << 40);
    }

    /// Otherwise the second datagram would wait for the time since 1970.
    #[test]
    fn without_a_time_a_datagram_follows_the_one_before() {
        let year = 56 * 365 * 24 * 3_600_000;
        let times = [None, Some(year), None, Some(year + 10), None, Some(year + 11)];
        assert_eq!(due(&times, at(Speed::Times(1.0))), [0, 0, 0, 10, 10, 11]);
        assert_eq!(due(&[None; 3], at(Speed::Times(1.0))), [0; 3]);
    }

    #[test]
    fn pauses_are_as_long_as_allowed() {
        let pace = |millis, speed| Pace {
            speed: Speed::Times(speed),
            max_pause: Some(Duration::from_millis(millis)),
        };
        let times = [0, 10, 5_000, 5_010, 900_000, 900_001].map(Some);
        assert_eq!(due(&times, pace(100, 1.0)), [0, 10, 110, 120, 220, 221]);
        assert_eq!(due(&times, pace(100, 2.0)), [0, 5, 105, 110, 210, 210]);
        assert_eq!(due(&times, pace(0, 1.0)), [0; 6]);
        assert_eq!(due(&[0, u64::MAX].map(Some), pace(7, 1e-6)), [0, 7]);
    }

    #[test]
    fn nothing_is_taken_before_its_time() {
        let items = vec![Some(datagram(Some(0), 0)), None, Some(datagram(Some(10), 1))];
        let mut player = player(items, at(Speed::Times(1.0)));
        let at = |millis| Instant::ORIGIN + Duration::from_millis(millis);
        assert_eq!(player.take(at(0)).unwrap().unwrap().payload, [0]);
        assert_eq!(player.next(at(8)).unwrap(), Next::Unread);
        assert_eq!(player.take(at(9)).unwrap(), None);
        assert_eq!(player.take(at(10)).unwrap().unwrap().payload, [1]);
        assert_eq!(player.next(at(10)).unwrap(), Next::End);
        assert_eq!(player.next(at(10)).unwrap(), Next::End);
        assert_eq!(player.left_out.packets, 2);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let skipped = |skip, link| Some(Item::Skipped(skip, link));
        let mut items = vec![Some(datagram(None, 0)), skipped(Skip::UnknownLink, 147)];
        // Two fragments, which complete a datagram with the third.
        items.extend([Skip::Fragment; 3].map(|skip| skipped(skip, 1)));
        let Item::Datagram(found) = datagram(None, 0) else { unreachable!() };
        items.push(Some(Item::Datagram(Found { fragments: 2, ..found })));
        let mut player = player(items, at(Speed::Max));
        player.filter.port = Some(8);
        assert_eq!(player.next(Instant::ORIGIN).unwrap(), Next::End);
        let reasons: Vec<String> = player.left_out.reasons().collect();
        let link = "1 of a link layer that is not read (type 147)";
        assert_eq!(reasons, ["1 fragments of incomplete datagrams", link, "2 not asked for"]);
    }

    #[test]
    fn replies_are_left_out() {
        let Item::Datagram(ask) = datagram(None, 0) else { unreachable!() };
        let reply = Found { from: ask.to, to: ask.from, ..ask.clone() };
        let items = [ask.clone(), reply, ask].map(|found| Some(Item::Datagram(found)));
        let mut player = player(items.into(), at(Speed::Max));
        player.direction = Some(Direction::default());
        let mut sent = 0;
        while player.take(Instant::ORIGIN).unwrap().is_some() {
            sent += 1;
        }
        assert_eq!((sent, player.left_out.replies), (2, 1));
    }
}
