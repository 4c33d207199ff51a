//! What a member has said lately and not yet worked off: two token buckets in eight bytes.
//!
//! Every message is a debt of time, what it costs at the member's rate. Debts shrink with the clock
//! and are bounded by one second, so a second's worth may come at once. The debt holds for the
//! moment when the member was last heard, which stands in its record anyway: so it needs no time of
//! its own, and 32 bits in units of 16 ns hold more than a minute.

use std::time::Duration;

use pigeon_guard::cost;

use crate::config::Rate;

/// Nanoseconds in a unit. The shortest cost of the default rates, 20 us, is 1,250 of them, and the
/// longest, a datagram of 64 KiB from beyond the open networks, a second.
const UNIT: u128 = 16;

/// How much may be owed before something more is said: one second.
const BURST: u32 = units(Duration::from_secs(1));

/// Debts of messages and of bytes, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Debt {
    messages: u32,
    bytes: u32,
}

impl Debt {
    pub(crate) const NONE: Debt = Debt { messages: 0, bytes: 0 };

    /// Whether one more message of so many bytes is allowed, `elapsed` after the last look.
    pub(crate) fn allows(self, elapsed: Duration, rate: Rate, bytes: usize) -> bool {
        let mut later = self;
        later.work_off(elapsed);
        later.take(rate, bytes)
    }

    /// Takes one message of so many bytes, or nothing of either if one of the two is not allowed.
    pub(crate) fn take(&mut self, rate: Rate, bytes: usize) -> bool {
        let message = rate.messages.map_or(0, |most| units(cost(1, most.into())));
        let size = rate.bytes.map_or(0, |most| units(cost(bytes as u64, most)));
        let (Some(messages), Some(bytes)) =
            (after(self.messages, message), after(self.bytes, size))
        else {
            return false;
        };
        *self = Debt { messages, bytes };
        true
    }

    /// Lets time pass.
    pub(crate) fn work_off(&mut self, elapsed: Duration) {
        let elapsed = units(elapsed);
        self.messages = self.messages.saturating_sub(elapsed);
        self.bytes = self.bytes.saturating_sub(elapsed);
    }

    /// Whether everything is worked off.
    pub(crate) fn is_none(self) -> bool {
        self == Debt::NONE
    }
}

/// The debt after something of this cost. What costs more than a second is allowed where nothing is
/// owed, and is paid for afterwards.
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
        // 10 s at ten times the rate: the burst, and then 20 a second.
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
        // One larger than the burst passes when nothing else did lately, and is paid for.
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
    fn extremes_do_no_harm() {
        assert_eq!(passed(Rate { messages: Some(0), bytes: Some(0) }, usize::MAX, 0..5), 1);
        assert_eq!(passed(Rate::UNLIMITED, usize::MAX, 0..5), 5);
        let mut debt = Debt::NONE;
        debt.work_off(Duration::MAX);
        assert!(debt.take(Rate { messages: Some(u32::MAX), bytes: Some(u64::MAX) }, 1));
    }
}
