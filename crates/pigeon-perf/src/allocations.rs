//! Counts allocations, for tests that assert that code allocates nothing.
//!
//! ```
//! use pigeon_perf::allocations::{Counting, allocations};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! let before = allocations();
//! drop(std::hint::black_box(vec![1]));
//! assert_eq!(allocations() - before, 1);
//! ```
#![allow(
    unsafe_code,
    reason = "counting allocations takes an allocator of one's own, and its trait is unsafe"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with a count per thread, because other tests run in parallel.
pub struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has already dropped its counter.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: forwards every call unchanged to the system's allocator; counting touches none of its
// memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same for `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The number of allocations by this thread; always 0 if [`Counting`] is not the global allocator.
pub fn allocations() -> u64 {
    COUNT.with(Cell::get)
}
