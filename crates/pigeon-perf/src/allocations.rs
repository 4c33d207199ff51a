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

/// The system's allocator with a count. Each thread has its own count, because other tests run beside
/// the one that asks.
pub struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no count any more.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: likewise; the pointer came from there.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: likewise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How often this thread has asked [`Counting`] for memory; 0 for ever where that is not the program's
/// global allocator.
pub fn allocations() -> u64 {
    COUNT.with(Cell::get)
}
