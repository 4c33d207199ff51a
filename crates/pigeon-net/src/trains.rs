//! Which destinations take no trains. A train that failed once is not tried there again: every
//! failure costs a system call and a rebuilt batch.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::socket_errors;

/// How many destinations are remembered. When it is full everything is forgotten and learned anew,
/// which costs one failed train each; choosing one to evict would not be worth its code.
const REMEMBERED: usize = 4096;

/// For each destination that refused a train, the smallest segment size known not to work.
///
/// A size and not a plain "no": a train of segments larger than the path's MTU fails while smaller
/// ones to the same host still go.
#[derive(Debug, Default)]
pub(crate) struct TrainMemory {
    refused: HashMap<IpAddr, u16>,
    forgotten: u64,
}

impl TrainMemory {
    /// Whether a train of such segments is worth trying.
    pub(crate) fn allows(&self, to: IpAddr, segment: NonZeroU16) -> bool {
        // Mostly nothing is remembered; then nothing is hashed.
        self.refused.is_empty()
            || self.refused.get(&to).is_none_or(|refused| segment.get() < *refused)
    }

    /// Remembers that a train of such segments failed with `error`.
    pub(crate) fn refuse(&mut self, to: IpAddr, segment: NonZeroU16, error: &io::Error) {
        if self.refused.len() >= REMEMBERED && !self.refused.contains_key(&to) {
            self.refused.clear();
            self.forgotten += 1;
        }
        let refused = if socket_errors::is_about_size(error) { segment.get() } else { 0 };
        let known = self.refused.entry(to).or_insert(refused);
        *known = refused.min(*known);
    }

    /// Forgets what failed there: it was not for its size. A source address that is not ours (any
    /// more) has the same error, and would cost the destination its trains for good.
    pub(crate) fn forget(&mut self, to: IpAddr) {
        self.refused.remove(&to);
    }

    /// How often everything was forgotten.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(size: u16) -> NonZeroU16 {
        NonZeroU16::new(size).unwrap()
    }

    #[test]
    fn smaller_segments_than_those_that_failed_may_still_go() {
        let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let mut memory = TrainMemory::default();
        memory.refuse(one, segment(1472), &io::ErrorKind::InvalidInput.into());
        memory.refuse(one, segment(2000), &io::ErrorKind::InvalidInput.into());
        assert!(memory.allows(one, segment(1471)));
        assert!(!memory.allows(one, segment(1472)));
        assert!(memory.allows(other, segment(1472)));
    }

    #[test]
    fn a_device_that_cannot_is_not_asked_at_any_size() {
        let to = IpAddr::from([127, 0, 0, 1]);
        let mut memory = TrainMemory::default();
        memory.refuse(to, segment(1000), &io::ErrorKind::Other.into());
        assert!(!memory.allows(to, segment(1)));
    }

    #[test]
    fn a_full_memory_forgets_and_counts_it() {
        let mut memory = TrainMemory::default();
        for n in 0..=REMEMBERED as u32 {
            memory.refuse(IpAddr::from(n.to_be_bytes()), segment(9), &io::ErrorKind::Other.into());
        }
        assert_eq!(memory.forgotten(), 1);
        assert_eq!(memory.refused.len(), 1);
    }
}
