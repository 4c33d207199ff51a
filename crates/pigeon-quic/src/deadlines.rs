//! The next of many connections' deadlines.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pigeon_datagram::Instant;

/// A deadline for each of many slots.
///
/// A connection's deadline changes with every packet, mostly to a later time. So the heap entry of
/// a slot stays when its deadline moves back, and is corrected when it comes up; only an earlier
/// deadline needs a new entry. A tree of all deadlines was rejected, because it would change twice
/// per packet.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    deadline: Option<Instant>,
    /// The earliest valid heap entry of this slot.
    entry: Option<Instant>,
}

impl Deadlines {
    /// Sets or clears the deadline of a slot.
    pub(crate) fn set(&mut self, slot: u32, deadline: Option<Instant>) {
        let place = slot as usize;
        if place >= self.slots.len() {
            self.slots.resize(place + 1, Slot::default());
        }
        self.slots[place].deadline = deadline;
        if deadline.is_none() {
            self.slots[place].entry = None;
            self.drop_replaced();
        }
        self.enter(slot);
    }

    /// The next slot with a deadline at or before `now`; clears the deadline.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<u32> {
        loop {
            let &Reverse((at, number)) = self.heap.peek().filter(|entry| entry.0.0 <= now)?;
            self.heap.pop();
            let slot = &mut self.slots[number as usize];
            if slot.entry != Some(at) {
                continue;
            }
            slot.entry = None;
            match slot.deadline {
                Some(deadline) if deadline <= now => {
                    slot.deadline = None;
                    return Some(number);
                }
                _ => self.enter(number),
            }
        }
    }

    /// When to call [`pop`](Deadlines::pop) next. It may find nothing then.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.0.0)
    }

    /// Drops replaced entries that are next, so that no timer fires for them.
    fn drop_replaced(&mut self) {
        while let Some(&Reverse((at, number))) = self.heap.peek()
            && self.slots[number as usize].entry != Some(at)
        {
            self.heap.pop();
        }
    }

    /// Ensures that the heap has an entry at or before a slot's deadline.
    fn enter(&mut self, number: u32) {
        let slot = &mut self.slots[number as usize];
        let Some(deadline) = slot.deadline else { return };
        if slot.entry.is_some_and(|entry| entry <= deadline) {
            return;
        }
        slot.entry = Some(deadline);
        self.heap.push(Reverse((deadline, number)));
        // Replaced entries stay until they come up.
        if self.heap.len() > 2 * self.slots.len() + 64 {
            let entry = |(place, slot): (usize, &Slot)| Some(Reverse((slot.entry?, place as u32)));
            self.heap = self.slots.iter().enumerate().filter_map(entry).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    fn due(deadlines: &mut Deadlines, now: u64) -> Vec<u32> {
        std::iter::from_fn(|| deadlines.pop(at(now))).collect()
    }

    #[test]
    fn no_timer_is_left_for_cleared_deadlines() {
        let mut deadlines = Deadlines::default();
        (0..3).for_each(|slot| deadlines.set(slot, Some(at(10 + u64::from(slot)))));
        deadlines.set(1, Some(at(5)));
        (0..2).for_each(|slot| deadlines.set(slot, None));
        assert_eq!(deadlines.next(), Some(at(12)));
        deadlines.set(2, None);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn each_slot_is_due_at_its_last_deadline_once() {
        let mut deadlines = Deadlines::default();
        deadlines.set(0, Some(at(10)));
        deadlines.set(1, Some(at(20)));
        deadlines.set(2, Some(at(30)));
        deadlines.set(0, Some(at(25)));
        deadlines.set(2, Some(at(5)));
        deadlines.set(1, None);
        assert_eq!(deadlines.next(), Some(at(5)));
        assert_eq!(due(&mut deadlines, 4), []);
        assert_eq!(due(&mut deadlines, 24), [2]);
        assert_eq!(due(&mut deadlines, 100), [0]);
        assert_eq!(due(&mut deadlines, 1000), []);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn the_heap_is_bounded_by_the_slots() {
        let mut deadlines = Deadlines::default();
        for round in (0..10_000).rev() {
            deadlines.set(0, Some(at(1_000 + round)));
        }
        assert!(deadlines.heap.len() <= 2 + 64 + 1);
        assert_eq!(due(&mut deadlines, 1_000), [0]);
        assert_eq!(due(&mut deadlines, 1_000_000), []);
    }

    #[test]
    fn it_agrees_with_a_plain_list() {
        let mut deadlines = Deadlines::default();
        let mut plain = [None; 8];
        let mut state = 1u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for now in 0..5_000 {
            let slot = draw(8) as usize;
            let deadline = (draw(4) > 0).then(|| at(now + draw(100)));
            plain[slot] = deadline;
            deadlines.set(slot as u32, deadline);
            let mut found = due(&mut deadlines, now);
            found.sort_unstable();
            let is_due = |slot: &usize| plain[*slot].is_some_and(|deadline| deadline <= at(now));
            let expected: Vec<usize> = (0..8).filter(is_due).collect();
            expected.iter().for_each(|&slot| plain[slot] = None);
            assert_eq!(found, expected.iter().map(|&slot| slot as u32).collect::<Vec<_>>());
            let next = plain.iter().flatten().min();
            assert!(next.is_none_or(|next| deadlines.next().is_some_and(|at| at <= *next)));
        }
    }
}
