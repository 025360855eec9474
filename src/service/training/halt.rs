//! Why a running attempt should end: one word, set by whoever learns it first, read by the thread that computes.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::domain::job::Reason;

/// Why an attempt should end before its work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cause {
    /// The process stops.
    Shutdown = 1,
    /// The attempt ran as long as it may.
    TooLong = 2,
    /// Somebody asked for it.
    Cancelled = 3,
    /// Another attempt may be under way: nothing may be written any more.
    Fenced = 4,
}

impl Cause {
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Shutdown => Reason::WorkerShutdown,
            Self::TooLong => Reason::MaxDuration,
            Self::Cancelled => Reason::CanceledByUser,
            Self::Fenced => Reason::WorkerLost,
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Shutdown => "the worker was stopped",
            Self::TooLong => "the attempt ran longer than max_duration_seconds",
            Self::Cancelled => "cancelled by a user",
            Self::Fenced => "another attempt took over",
        }
    }
}

/// The word, if there is one.
#[derive(Debug, Default)]
pub(super) struct Halt(AtomicU8);

impl Halt {
    /// Says why; a weightier cause replaces a lighter one.
    pub(super) fn set(&self, cause: Cause) {
        self.0.fetch_max(cause as u8, Ordering::Relaxed);
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Cause::Shutdown),
            2 => Some(Cause::TooLong),
            3 => Some(Cause::Cancelled),
            4 => Some(Cause::Fenced),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weightiest_cause_stays() {
        let halt = Halt::default();
        assert_eq!(halt.cause(), None);
        for (said, stays) in [
            (Cause::Shutdown, Cause::Shutdown),
            (Cause::Cancelled, Cause::Cancelled),
            (Cause::TooLong, Cause::Cancelled),
            (Cause::Fenced, Cause::Fenced),
            (Cause::Shutdown, Cause::Fenced),
        ] {
            halt.set(said);
            assert_eq!(halt.cause(), Some(stays));
        }
    }
}
