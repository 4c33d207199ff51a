//! Conversion of the machines' time for quinn-proto.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use pigeon_datagram::Instant;
use quinn_proto::TimeSource;

/// The system's monotonic time at a machine's time zero. Any point works, because only differences
/// are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base(std::time::Instant);

impl Base {
    pub(crate) fn new(base: std::time::Instant) -> Base {
        Base(base)
    }

    pub(crate) fn to_std(self, now: Instant) -> std::time::Instant {
        let since = now - Instant::ORIGIN;
        self.0.checked_add(since).unwrap_or(self.0)
    }

    pub(crate) fn to_instant(self, at: std::time::Instant) -> Instant {
        Instant::ORIGIN + at.saturating_duration_since(self.0)
    }
}

/// The clock for the age of Retry tokens: the machine's time, as if it had started in 1970.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenTime(Arc<AtomicU64>);

impl TokenTime {
    pub(crate) fn set(&self, now: Instant) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }
}

impl TimeSource for TokenTime {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}
