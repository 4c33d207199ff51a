//! Estimated costs of work, in nanoseconds.

/// The cost of any datagram, in nanoseconds.
pub(super) const BASE: usize = 2_000;

/// The cost of reading a byte.
pub(super) const READ: usize = 2;

/// The cost per reader of the first message in a batch, and of each further one in a train; mostly
/// the kernel's.
pub(super) const READER: [usize; 2] = [1_700, 500];

/// An acceptable delay for others. A text that takes longer to render costs more, by the square of
/// the ratio: others wait for a whole datagram, so a few long ones delay them more than many short
/// ones. Sending to many members is normal and costs its actual time.
pub(super) const PATIENCE: usize = 400_000;

/// What it takes to send a train to one reader, in nanoseconds.
pub(super) fn sending(datagrams: usize, bytes: usize) -> u64 {
    let [first, more] = READER;
    (first + datagrams.saturating_sub(1) * more + bytes / 8) as u64
}
