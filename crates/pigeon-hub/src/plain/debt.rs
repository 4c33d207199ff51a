//! A plain member's rate limits: three token buckets in eight bytes.
//!
//! Every message adds a debt: the time that it takes at the member's rate. Debts shrink with the
//! clock, and may reach one second, so a second's worth may come in one burst. A debt is valid at
//! the moment when the member was last heard, which its record stores anyway, so it needs no time
//! stamp; 32 bits in units of 16 ns hold more than a minute.
//!
//! Messages use 26 bits of theirs, because none costs more than a second. The other six bits count
//! answers to heartbeats: a heartbeat is not a message, but its answer may be longer than it.

use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_guard::cost;

use crate::config::Rate;

/// Nanoseconds per unit. The smallest cost of the default rates, 20 us, is 1,250 units; a byte at
/// 256 MiB per second is a quarter of one (a datagram is rounded, and its message costs more); and
/// the largest, a datagram of 64 KiB from an untrusted address, is a second.
const UNIT: u128 = 16;

/// The debt at which nothing more is allowed: one second.
const BURST: u32 = units(Duration::from_secs(1));

/// Maximum number of answers to heartbeats per second, and at once. A client requests one every ten
/// seconds, and a few at its start.
const MAX_ANSWERS: u32 = 8;

/// The time after which one more is allowed.
const ANSWER: Duration = Duration::from_millis(1_000 / MAX_ANSWERS as u64);

/// The bits of `Debt::messages` for messages.
const MESSAGES_BITS: u32 = 26;
const MESSAGES: u32 = (1 << MESSAGES_BITS) - 1;
const _: () = assert!(BURST <= MESSAGES && MAX_ANSWERS < 1 << (u32::BITS - MESSAGES_BITS));

/// The debts of messages and bytes, in units, and of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Debt {
    /// Messages in the lower bits, answers above.
    messages: u32,
    bytes: u32,
}

impl Debt {
    pub(crate) const NONE: Debt = Debt { messages: 0, bytes: 0 };

    /// Takes one answer to a heartbeat, unless too many were given recently.
    pub(crate) fn take_answer(&mut self) -> bool {
        let may = self.messages >> MESSAGES_BITS < MAX_ANSWERS;
        self.messages += u32::from(may) << MESSAGES_BITS;
        may
    }

    /// Advances time. Answers expire at fixed times, so that short intervals lose nothing to
    /// rounding.
    pub(crate) fn pass(&mut self, from: Instant, to: Instant) {
        self.work_off(to - from);
        let tick = |time: Instant| (time - Instant::ORIGIN).as_nanos() / ANSWER.as_nanos();
        let ticks = u32::try_from(tick(to).saturating_sub(tick(from))).unwrap_or(u32::MAX);
        let answers = (self.messages >> MESSAGES_BITS).saturating_sub(ticks);
        self.messages = answers << MESSAGES_BITS | self.messages & MESSAGES;
    }

    /// Whether one more message of this size is allowed, `elapsed` after the last update.
    pub(crate) fn allows(self, elapsed: Duration, rate: Rate, bytes: usize) -> bool {
        let mut later = self;
        later.work_off(elapsed);
        later.take(rate, bytes)
    }

    /// Takes one message of this size, or nothing if either limit forbids it.
    pub(crate) fn take(&mut self, rate: Rate, bytes: usize) -> bool {
        let message = rate.messages.map_or(0, |most| units(cost(1, most.into())));
        let size = rate.bytes.map_or(0, |most| units(cost(bytes as u64, most)));
        let (Some(messages), Some(bytes)) =
            (after(self.messages & MESSAGES, message), after(self.bytes, size))
        else {
            return false;
        };
        let answers = self.messages & !MESSAGES;
        *self = Debt { messages: answers | messages.min(MESSAGES), bytes };
        true
    }

    /// Advances time.
    fn work_off(&mut self, elapsed: Duration) {
        let elapsed = units(elapsed);
        let messages = (self.messages & MESSAGES).saturating_sub(elapsed);
        self.messages = self.messages & !MESSAGES | messages;
        self.bytes = self.bytes.saturating_sub(elapsed);
    }

    /// The time until messages and bytes are paid off.
    pub(crate) fn owed(self) -> Duration {
        let units = (self.messages & MESSAGES).max(self.bytes);
        Duration::from_nanos(u64::from(units) * UNIT as u64)
    }

    /// Whether all messages are paid off.
    pub(crate) fn is_none(self) -> bool {
        self.messages & MESSAGES == 0 && self.bytes == 0
    }
}

/// The debt after this cost. A cost of more than a second is allowed if there is no debt, and is
/// charged in full.
fn after(debt: u32, cost: u32) -> Option<u32> {
    let sum = debt.saturating_add(cost);
    (sum <= BURST || debt == 0).then_some(sum)
}

const fn units(time: Duration) -> u32 {
    let units = (time.as_nanos() + UNIT / 2) / UNIT;
    if units > u32::MAX as u128 { u32::MAX } else { units as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the messages at these times, in milliseconds, are allowed.
    fn passed(rate: Rate, bytes: usize, times: impl Iterator<Item = u64>) -> usize {
        let (mut debt, mut before) = (Debt::NONE, 0);
        let mut pass = |millis: u64| {
            debt.work_off(Duration::from_millis(millis - before));
            before = millis;
            debt.take(rate, bytes)
        };
        times.filter(|&millis| pass(millis)).count()
    }

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_the_rate_holds() {
        let rate = Rate { messages: Some(20), bytes: None };
        assert_eq!(passed(rate, 9, std::iter::repeat_n(5_000, 100)), 20);
        // 10 s at ten times the rate: one burst, then 20 a second.
        assert_eq!(passed(rate, 9, (5_000..15_000).step_by(5)), 220 - 1);
        assert_eq!(passed(rate, 9, (0..10_000).step_by(50)), 200);
    }

    #[test]
    fn the_rates_of_open_networks_hold() {
        let rate = Rate { messages: Some(50_000), bytes: Some(64 << 20) };
        // Each millisecond tries twice as many as are allowed.
        let tried = (0..5_000_u64).flat_map(|millis| std::iter::repeat_n(millis, 100));
        let passed = passed(rate, 64, tried);
        assert_eq!(passed, 50_000 + 4_999 * 50, "a burst, and what five seconds allow");
    }

    #[test]
    fn bytes_are_limited_apart_from_messages() {
        let rate = Rate { messages: None, bytes: Some(1_000) };
        assert_eq!(passed(rate, 100, std::iter::repeat_n(0, 100)), 10);
        // A message larger than the burst passes when both buckets are full, and is charged in
        // full.
        assert_eq!(passed(rate, 5_000, (0..20_000).step_by(100)), 4);
    }

    #[test]
    fn a_look_takes_nothing() {
        let rate = Rate { messages: Some(1), bytes: None };
        let mut debt = Debt::NONE;
        assert!(debt.allows(Duration::ZERO, rate, 1) && debt.take(rate, 1));
        assert!(!debt.allows(Duration::from_millis(999), rate, 1));
        assert!(debt.allows(Duration::from_secs(1), rate, 1) && !debt.is_none());
    }

    #[test]
    fn answers_are_bounded_apart_from_messages_however_often_one_looks() {
        let rate = Rate { messages: Some(1), bytes: Some(1) };
        for apart in [Duration::from_micros(7), Duration::from_millis(3), Duration::from_secs(1)] {
            let (mut debt, mut now, mut answers) = (Debt::NONE, Instant::ORIGIN, 0);
            let end = now + Duration::from_secs(10);
            while now < end {
                debt.take(rate, 1);
                answers += u32::from(debt.take_answer());
                debt.pass(now, now + apart);
                now = now + apart;
            }
            let most = (MAX_ANSWERS + 10 * MAX_ANSWERS).min((10.0 / apart.as_secs_f64()) as u32);
            assert!((most.saturating_sub(MAX_ANSWERS)..=most).contains(&answers), "{answers}");
        }
        let mut debt = Debt::NONE;
        assert_eq!((0..100).filter(|_| debt.take_answer()).count(), MAX_ANSWERS as usize);
        assert!(debt.is_none() && debt.take(rate, 1) && !debt.take(rate, 1));
        debt.pass(Instant::ORIGIN, Instant::from_nanos(u64::MAX));
        assert_eq!(debt, Debt::NONE);
    }

    #[test]
    fn extremes_do_no_harm() {
        assert_eq!(passed(Rate { messages: Some(0), bytes: Some(0) }, usize::MAX, 0..5), 1);
        assert_eq!(passed(Rate::UNLIMITED, usize::MAX, 0..5), 5);
        let mut debt = Debt::NONE;
        debt.work_off(Duration::MAX);
        assert!(debt.take(Rate { messages: Some(u32::MAX), bytes: Some(u64::MAX) }, 1));
    }
}
