//! What a client must survive: an allocator that remembers the largest request, random numbers that come again, and every
//! operation there is.

mod operations;
mod random;

pub use operations::{Caller, operate, request};
pub use random::Random;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The system's allocator, with an eye on how much is asked for at once.
pub struct Counting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

impl Counting {
    /// Forgets the past.
    pub fn begin() {
        LARGEST.store(0, Ordering::SeqCst);
    }

    /// The most bytes that were asked for at once since then.
    pub fn largest() -> usize {
        LARGEST.load(Ordering::SeqCst)
    }
}

// SAFETY: everything is passed on to the system's allocator as it came; what is added neither allocates nor panics.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
