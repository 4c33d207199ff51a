//! The set of recently received numbers: one bit each, in a ring of fixed size.

/// Bits for the last [`len`](Window::len) offsets before the next expected one.
#[derive(Clone, Debug)]
pub(super) struct Window {
    words: Box<[u64]>,
}

impl Window {
    /// A window of at least `len` bits, in whole words.
    pub(super) fn new(len: usize) -> Self {
        Window { words: vec![0; len.div_ceil(64).max(1)].into_boxed_slice() }
    }

    /// The number of offsets it covers.
    pub(super) fn len(&self) -> u64 {
        self.words.len() as u64 * 64
    }

    /// Marks an offset as received. Returns whether it is new.
    pub(super) fn insert(&mut self, offset: u64) -> bool {
        let (word, bit) = self.place(offset);
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        new
    }

    /// Moves the next expected offset from `from` to `to`, and clears the bits in between.
    pub(super) fn advance(&mut self, from: u64, to: u64) {
        if to - from >= self.len() {
            return self.clear();
        }
        let mut offset = from;
        while offset < to {
            let (word, bit) = self.place(offset);
            if bit == 1 && to - offset >= 64 {
                self.words[word] = 0;
                offset += 64;
            } else {
                self.words[word] &= !bit;
                offset += 1;
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    fn place(&self, offset: u64) -> (usize, u64) {
        ((offset / 64 % self.words.len() as u64) as usize, 1 << (offset % 64))
    }
}
