//! Destinations that reject trains. A train that failed once is not tried there again: every
//! failure costs a system call and a rebuilt batch.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::socket_errors;

/// Maximum number of destinations remembered. When full, the memory is cleared, which costs one
/// failed train per destination; choosing one to evict is not worth the code.
const REMEMBERED: usize = 4096;

/// For each destination that rejected a train, the smallest segment size known to fail.
///
/// A size instead of a flag: trains with segments above the path's MTU fail, while smaller ones to
/// the same host succeed.
#[derive(Debug, Default)]
pub(crate) struct TrainMemory {
    refused: HashMap<IpAddr, u16>,
    forgotten: u64,
}

impl TrainMemory {
    /// Whether a train of this segment size may succeed.
    pub(crate) fn allows(&self, to: IpAddr, segment: NonZeroU16) -> bool {
        // Mostly the memory is empty, which avoids hashing.
        self.refused.is_empty()
            || self.refused.get(&to).is_none_or(|refused| segment.get() < *refused)
    }

    /// Records that a train of this segment size failed with `error`.
    pub(crate) fn refuse(&mut self, to: IpAddr, segment: NonZeroU16, error: &io::Error) {
        if self.refused.len() >= REMEMBERED && !self.refused.contains_key(&to) {
            self.refused.clear();
            self.forgotten += 1;
        }
        let refused = if socket_errors::is_about_size(error) { segment.get() } else { 0 };
        let known = self.refused.entry(to).or_insert(refused);
        *known = refused.min(*known);
    }

    /// Clears a destination's record: the failure was not about size. A source address that is no
    /// longer ours causes the same error, and would disable trains to the destination permanently.
    pub(crate) fn forget(&mut self, to: IpAddr) {
        self.refused.remove(&to);
    }

    /// How often the memory was cleared.
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
