//! Time and identity as arguments: the only place that asks the system for the hour or for randomness.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// Makes identifiers and secrets.
pub trait Ids: Send + Sync {
    /// Returns a new id: 32 lower-case hex digits that sort by the time they were made.
    fn next(&self) -> String;
    /// Fills `buffer` with bytes fit for a secret.
    fn secret(&self, buffer: &mut [u8]);
}

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Version 7 UUIDs and the system's random source.
#[derive(Clone, Copy, Debug)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    fn next(&self) -> String {
        uuid::Uuid::now_v7().simple().to_string()
    }

    #[expect(clippy::expect_used, reason = "without a random source no key can be made, and there is nothing to fall back on")]
    fn secret(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the system has a random source");
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// Starts at `at`.
    pub fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Moves the clock on.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Counts instead of drawing lots, so that snapshots can hold ids.
#[derive(Debug, Default)]
pub struct SeededIds {
    next: AtomicU64,
    secrets: Mutex<u8>,
}

impl Ids for SeededIds {
    fn next(&self) -> String {
        format!("{:032x}", self.next.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn secret(&self, buffer: &mut [u8]) {
        let mut seed = self.secrets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *seed = seed.wrapping_add(1);
        for (i, byte) in buffer.iter_mut().enumerate() {
            *byte = seed.wrapping_mul(37).wrapping_add(u8::try_from(i % 251).unwrap_or(0));
        }
    }
}
