//! How much one member, and all together, may say: token buckets for messages and for bytes, and
//! what is told to whoever runs into a limit.

use pigeon_datagram::Instant;
use pigeon_guard::{Bucket, cost};

use crate::Dropped;
use crate::hub::Hub;
use crate::members::{Flag, Slot};
use crate::rooms::PORCH;

/// How much may be said in a second. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Messages, commands and answered heartbeats.
    pub messages: Option<u32>,
    /// Bytes of these.
    pub bytes: Option<u64>,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Rate = Rate { messages: None, bytes: None };

    /// Whether there is nothing to count.
    pub fn is_unlimited(self) -> bool {
        self == Rate::UNLIMITED
    }
}

/// What is left of a [`Rate`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Buckets {
    messages: Bucket,
    bytes: Bucket,
}

impl Buckets {
    /// Whether one more message of so many bytes fits into both buckets.
    pub(crate) fn have_room(&self, now: Instant, rate: Rate, bytes: usize) -> bool {
        rate.messages.is_none_or(|most| self.messages.has_room(now, cost(1, most.into())))
            && rate.bytes.is_none_or(|most| self.bytes.has_room(now, cost(bytes as u64, most)))
    }

    /// Takes one message of so many bytes out of both buckets, or nothing out of either.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate, bytes: usize) -> bool {
        if !self.have_room(now, rate, bytes) {
            return false;
        }
        if let Some(most) = rate.messages {
            self.messages.take(now, cost(1, most.into()));
        }
        if let Some(most) = rate.bytes {
            self.bytes.take(now, cost(bytes as u64, most));
        }
        true
    }

    /// Whether nothing has been said for so long that a whole burst is free again.
    pub(crate) fn are_full(&self, now: Instant) -> bool {
        self.messages.is_full(now) && self.bytes.is_full(now)
    }
}

impl Hub {
    /// Whether a member may say something of so many bytes, the hub's rate aside.
    pub(crate) fn is_within_rate(&mut self, slot: Slot, bytes: usize) -> bool {
        let rate = *self.config.rate.get(self.members.origin(slot));
        self.members.buckets(slot).have_room(self.now, rate, bytes)
    }

    /// Takes a message out of the member's rate and the hub's.
    pub(crate) fn spend(&mut self, slot: Slot, bytes: usize) -> Result<(), Dropped> {
        let origin = self.members.origin(slot);
        let (rate, hub_rate) = (*self.config.rate.get(origin), *self.config.hub_rate.get(origin));
        if rate.is_unlimited() && hub_rate.is_unlimited() {
            return Ok(());
        }
        let (now, room) = (self.now, self.members.room(slot));
        let all = self.buckets.get_mut(origin);
        let own = self.members.buckets(slot);
        let waits = room == PORCH; // it was told, and heartbeats do not make it forget
        if own.are_full(now) && all.are_full(now) && !waits {
            self.members.set(slot, Flag::Warned, false);
        }
        let own = self.members.buckets(slot);
        if !own.have_room(now, rate, bytes) {
            return Err(self.warn(slot, Dropped::RateLimited));
        }
        if !all.take(now, hub_rate, bytes) {
            return Err(self.warn(slot, Dropped::HubRateLimited));
        }
        own.take(now, rate, bytes);
        Ok(())
    }

    /// Tells a member of a limit it has run into: once, until it has kept within it again.
    pub(crate) fn warn(&mut self, slot: Slot, reason: Dropped) -> Dropped {
        if !self.members.has(slot, Flag::Warned) {
            self.members.set(slot, Flag::Warned, true);
            let rate = |rate: &Rate| match (rate.messages, rate.bytes) {
                (Some(messages), Some(bytes)) => format!("{messages} messages or {bytes} bytes"),
                (Some(messages), None) => format!("{messages} messages"),
                (None, bytes) => format!("{} bytes", bytes.unwrap_or_default()),
            };
            let origin = self.members.origin(slot);
            let line = match reason {
                Dropped::NoPassword => "not sent: first /pass SECRET".to_string(),
                Dropped::RateLimited => {
                    format!("not sent: more than {} a second", rate(self.config.rate.get(origin)))
                }
                _ => "not sent: all together say more than the hub relays".to_string(),
            };
            self.tell(slot, &line);
        }
        reason
    }

    /// Tells a member that its text was not sent, and why.
    pub(crate) fn not_sent(&mut self, slot: Slot, reason: Dropped, length: usize) -> Dropped {
        let most = self.config.most_text();
        let line = match reason {
            Dropped::TextTooLong if length > most => {
                format!("not sent: {length} bytes of text, at most {most}")
            }
            Dropped::TextTooLong => {
                "not sent: too long for a datagram once it is wrapped".to_string()
            }
            _ => "not sent: the hub is overloaded".to_string(),
        };
        self.tell(slot, &line);
        reason
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn passed(rate: Rate, bytes: usize, times: impl Iterator<Item = u64>) -> usize {
        let mut buckets = Buckets::default();
        times.filter(|&millis| buckets.take(at(millis), rate, bytes)).count()
    }

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_the_rate_holds() {
        let rate = Rate { messages: Some(20), bytes: None };
        assert_eq!(passed(rate, 9, std::iter::repeat_n(5_000, 100)), 20);
        // 10 s at ten times the rate: the burst, and then 20 a second.
        assert_eq!(passed(rate, 9, (5_000..15_000).step_by(5)), 220 - 1);
        assert_eq!(passed(rate, 9, (0..10_000).step_by(50)), 200);
    }

    #[test]
    fn bytes_are_limited_apart_from_messages() {
        let rate = Rate { messages: None, bytes: Some(1_000) };
        assert_eq!(passed(rate, 100, std::iter::repeat_n(0, 100)), 10);
        // One larger than the burst passes when nothing else did lately, and is paid for.
        assert_eq!(passed(rate, 5_000, (0..20_000).step_by(100)), 4);
    }

    #[test]
    fn extremes_do_no_harm() {
        assert_eq!(passed(Rate { messages: Some(0), bytes: Some(0) }, usize::MAX, 0..5), 1);
        assert_eq!(passed(Rate::UNLIMITED, usize::MAX, 0..5), 5);
        let mut buckets = Buckets::default();
        let end = Instant::from_nanos(u64::MAX);
        assert!(buckets.take(end, Rate { messages: Some(1), bytes: None }, 1));
    }
}
