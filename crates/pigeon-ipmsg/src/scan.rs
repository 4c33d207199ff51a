//! Scans networks that no broadcast reaches: sends an entry packet to every address, at a limited
//! rate.

use std::net::Ipv4Addr;
use std::time::Duration;

use pigeon_datagram::Instant;

/// The time between two entries: twenty a second.
const PACE: Duration = Duration::from_millis(50);

/// The time between two scans. A program that starts in a scanned network between two scans is
/// noticed only by the second.
const AGAIN: Duration = Duration::from_secs(600);

/// Address ranges, and the next address.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    ranges: Vec<(u32, u32)>,
    range: usize,
    /// How many addresses of the range are done.
    asked: u32,
    due: Option<Instant>,
}

impl Scan {
    /// Starts scanning these ranges.
    pub(crate) fn begin(&mut self, now: Instant, ranges: &[(Ipv4Addr, Ipv4Addr)]) {
        let numbers = ranges.iter().map(|&(first, last)| (first.to_bits(), last.to_bits()));
        self.ranges = numbers.filter(|(first, last)| first <= last).collect();
        (self.range, self.asked) = (0, 0);
        self.due = (!self.ranges.is_empty()).then_some(now);
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The next address, if it is due.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Ipv4Addr> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        let &(first, last) = self.ranges.get(self.range)?;
        let address = first + self.asked;
        self.due = Some(now + PACE);
        if address < last {
            self.asked += 1;
        } else {
            (self.range, self.asked) = (self.range + 1, 0);
            if self.range == self.ranges.len() {
                (self.range, self.due) = (0, Some(now + AGAIN));
            }
        }
        Some(Ipv4Addr::from_bits(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_at_a_pace_and_again_later() {
        let mut scan = Scan::default();
        let ip = |last| Ipv4Addr::new(10, 0, 0, last);
        scan.begin(Instant::ORIGIN, &[(ip(1), ip(3)), (ip(9), ip(8)), (ip(7), ip(7))]);
        let (mut asked, mut addresses) = (Vec::new(), Vec::new());
        while let Some(due) = scan.due().filter(|&due| due < Instant::ORIGIN + AGAIN) {
            addresses.push(scan.next(due).unwrap());
            assert_eq!(scan.next(due), None, "one at a time");
            asked.push(due);
        }
        assert_eq!(addresses, [ip(1), ip(2), ip(3), ip(7)]);
        assert_eq!(asked[3] - asked[0], 3 * PACE);
        assert_eq!(scan.due(), Some(asked[3] + AGAIN));
        assert_eq!(scan.next(asked[3] + AGAIN), Some(ip(1)));
        let mut all = Scan::default();
        all.begin(Instant::ORIGIN, &[(Ipv4Addr::BROADCAST, Ipv4Addr::BROADCAST)]);
        assert_eq!(all.next(Instant::ORIGIN), Some(Ipv4Addr::BROADCAST));
    }
}
