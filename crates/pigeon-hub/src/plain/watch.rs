//! Decides which members are suspected of answering automatically, and which are proved to.
//!
//! A member is suspect if 16 of its texts each followed a line within 15 s (more than the one per
//! second that it would be held to), while its room had at most four lines per text. The texts
//! themselves do not matter. Texts that arrive together, before anything is sent, follow no line,
//! so pasting a page is not suspicious.
//!
//! A table of fixed size, indexed by slot: silent members take no space. Members with the same
//! entry take turns; one that is resting after a trial, or held, keeps it for that time.

use std::time::Duration;

use pigeon_datagram::Instant;

use crate::core::id::{MemberId, Slot};

/// Maximum number of members watched at once.
const PLACES: usize = 4_096;

/// The number of texts considered together.
const TEXTS: u8 = 16;

/// Maximum number of lines per text in the room. A member with more does not answer all of them.
const MOST_LINES: u64 = 4;

/// A member that sends [`TEXTS`] texts within this period is suspicious. A member that sends one
/// text per second is never suspect.
const WITHIN: Duration = Duration::from_secs(TEXTS as u64 - 1);

/// How long a member rests after a trial, and how long a proved one is held.
const REST: Duration = Duration::from_secs(60);

/// A held member may send one text in this time.
const HELD_TO: Duration = Duration::from_secs(1);

/// The verdict on a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Relay the text.
    Fine,
    /// Relay the text, but its sender is suspect; sixteen texts took this long.
    Suspect(Duration),
    /// Drop the text: its sender is held, and sent another less than a second ago.
    Held,
}

#[derive(Clone, Copy)]
struct Watch {
    member: MemberId,
    /// When the first counted text arrived, and the room's line count then.
    since: Instant,
    lines: u64,
    /// The number of texts, and the number that each followed another line of the room.
    own: u64,
    texts: u8,
    /// The end of the member's rest or hold.
    until: Instant,
    /// When a held member may send again.
    speaks: Option<Instant>,
}

impl Watch {
    /// Whether the next text is considered together with those before.
    fn is_open(&self, now: Instant) -> bool {
        (1..TEXTS).contains(&self.texts) && now - self.since < WITHIN
    }
}

/// The members being watched.
#[derive(Default)]
pub(super) struct Watches(Vec<Watch>);

impl Watches {
    /// Judges a text of a member. `lines` is its room's line count; `hears_itself`: its own
    /// messages are among them.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        member: MemberId,
        lines: u64,
        hears_itself: bool,
    ) -> Heard {
        let Some(watch) = self.place(now, member) else { return Heard::Fine };
        if let Some(speaks) = watch.speaks.filter(|_| now < watch.until) {
            let may = now >= speaks;
            if may {
                watch.speaks = Some(now + HELD_TO);
            }
            return if may { Heard::Fine } else { Heard::Held };
        }
        watch.speaks = None;
        if !watch.is_open(now) {
            (watch.since, watch.lines, watch.texts, watch.own) = (now, lines, 1, 1);
            return Heard::Fine;
        }
        let between = lines.saturating_sub(watch.lines);
        let heard = if hears_itself { between } else { between.saturating_sub(watch.own) };
        watch.own += 1;
        if heard < u64::from(watch.texts) {
            return Heard::Fine;
        }
        watch.texts += 1;
        let is_busy = heard > MOST_LINES * u64::from(TEXTS);
        let is_suspect = watch.texts == TEXTS && !is_busy && now >= watch.until;
        if is_suspect { Heard::Suspect(now - watch.since) } else { Heard::Fine }
    }

    /// Starts a member's rest at the beginning of a trial.
    pub(super) fn rest(&mut self, now: Instant, member: MemberId) {
        if let Some(watch) = self.place(now, member) {
            watch.until = now + REST;
        }
    }

    /// Holds a member that was proved to answer automatically.
    pub(super) fn hold(&mut self, now: Instant, member: MemberId) {
        if let Some(watch) = self.place(now, member) {
            (watch.until, watch.speaks) = (now + REST, Some(now + HELD_TO));
        }
    }

    /// The end of a member's hold.
    pub(super) fn held_until(&self, member: MemberId) -> Option<Instant> {
        let watch = self.0.get(member.slot().index() % PLACES)?;
        watch.speaks.filter(|_| watch.member == member).map(|_| watch.until)
    }

    /// A member's entry, unless another member keeps it.
    fn place(&mut self, now: Instant, member: MemberId) -> Option<&mut Watch> {
        if self.0.is_empty() {
            let nobody = MemberId::new(Slot::new(u32::MAX), 0);
            let (since, until) = (Instant::ORIGIN, Instant::ORIGIN);
            let vacant =
                Watch { member: nobody, since, lines: 0, own: 0, texts: 0, until, speaks: None };
            self.0.resize(PLACES, vacant);
        }
        let watch = &mut self.0[member.slot().index() % PLACES];
        if watch.member != member {
            if (now < watch.until || watch.is_open(now)) && watch.member.slot() != member.slot() {
                return None;
            }
            *watch =
                Watch { member, since: now, lines: 0, own: 0, texts: 0, until: now, speaks: None };
        }
        Some(watch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    fn member(slot: u32) -> MemberId {
        MemberId::new(Slot::new(slot), 0)
    }

    /// At which texts a member is suspect that sends one every `apart` milliseconds, with `lines`
    /// lines in its room for each.
    fn suspect(apart: u64, lines: u64, hears_itself: bool) -> Vec<u64> {
        let mut watches = Watches::default();
        let mut hear = |n: u64| watches.hear(at(n * apart), member(1), n * lines, hears_itself);
        (0..40).filter(|&n| matches!(hear(n), Heard::Suspect(_))).collect()
    }

    #[test]
    fn suspect_is_who_speaks_fast_and_hears_about_as_much() {
        for apart in [0, 5, 999] {
            assert_eq!(suspect(apart, 1, true), [15, 31], "its own words");
            assert_eq!(suspect(apart, 2, false), [15, 31], "as many of others");
            assert_eq!(suspect(apart, 0, true), [0; 0], "nothing is sent");
            assert_eq!(suspect(apart, 9, true), [0; 0], "a room full of talk");
            assert_eq!(suspect(apart, 1, false), [0; 0], "nobody speaks to it");
        }
        assert_eq!(suspect(1_000, 1, true), [0; 0], "a person");
    }

    #[test]
    fn after_a_trial_it_has_peace_for_a_minute() {
        let mut watches = Watches::default();
        watches.hear(at(0), member(1), 0, true);
        watches.rest(at(0), member(1));
        let mut hear = |n: u64| watches.hear(at(n * 100), member(1), n, true);
        let suspect: Vec<u64> =
            (1..1_200).filter(|&n| matches!(hear(n), Heard::Suspect(_))).take(1).collect();
        assert!((600..616).contains(&suspect[0]), "{suspect:?}");
    }

    #[test]
    fn what_is_proved_says_one_thing_a_second_for_a_minute() {
        let mut watches = Watches::default();
        watches.hold(at(0), member(1));
        let mut hear = |n: u64| watches.hear(at(n * 10), member(1), n, true);
        assert_eq!((0..5_900).filter(|&n| hear(n) != Heard::Held).count(), 58);
        assert!((6_001..7_000).all(|n| hear(n) != Heard::Held));
    }

    #[test]
    fn members_that_share_a_place_take_turns() {
        let (one, other) = (member(5), member(5 + PLACES as u32));
        let mut watches = Watches::default();
        let mut suspected = [0, 0];
        for n in 0..200 {
            for (count, member) in suspected.iter_mut().zip([one, other]) {
                let heard = watches.hear(at(n), member, n, true);
                *count += usize::from(matches!(heard, Heard::Suspect(_)));
            }
        }
        assert!(suspected.iter().all(|&count| count >= 5), "{suspected:?}");
        watches.hold(at(200), one);
        assert_eq!(watches.hear(at(201), other, 0, true), Heard::Fine);
        assert_eq!(watches.hear(at(202), one, 0, true), Heard::Held);
    }

    #[test]
    fn who_takes_the_slot_of_one_that_was_held_is_not() {
        let mut watches = Watches::default();
        watches.hold(at(0), member(1));
        let next = MemberId::new(Slot::new(1), 1);
        assert_eq!(watches.hear(at(1), next, 0, true), Heard::Fine);
    }
}
