//! The other side of an attempt: says that it is alive, and learns whether it should end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::halt::{Cause, Halt};
use crate::service::{App, Claim};

/// Beats until the attempt ends. Without an accepted beat for `job_self_fence_ms` the attempt has to stop by itself: its lease
/// may be given away soon after.
pub(super) async fn watch(app: App, claim: Claim, halt: Arc<Halt>, mut stop: watch::Receiver<bool>) {
    let config = app.config();
    let patience = Duration::from_millis(config.job_self_fence_ms);
    let mut ticks = interval(Duration::from_millis(config.job_beat_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (begun, mut heard) = (Instant::now(), Instant::now());
    let longest = claim.spec.max_duration_seconds.map(Duration::from_secs);
    let mut too_long = false;
    loop {
        let overtime = longest.map_or(Duration::MAX, |longest| longest.saturating_sub(begun.elapsed()));
        tokio::select! {
            _ = ticks.tick() => {}
            () = tokio::time::sleep(overtime), if longest.is_some() && !too_long => {
                too_long = true;
                halt.set(Cause::TooLong);
            }
            _ = stop.wait_for(|stopping| *stopping), if halt.cause().is_none() => halt.set(Cause::Shutdown),
        }
        match timeout(patience.saturating_sub(heard.elapsed()), app.jobs().beat(&claim)).await {
            Ok(Ok(Some(cancelled))) => {
                heard = Instant::now();
                if cancelled {
                    halt.set(Cause::Cancelled);
                }
            }
            Ok(Ok(None)) => return halt.set(Cause::Fenced),
            Ok(Err(e)) => tracing::warn!(job.id = claim.job_id, error = %e, "a sign of life was not recorded"),
            Err(_) => {}
        }
        if heard.elapsed() >= patience {
            tracing::warn!(job.id = claim.job_id, "no sign of life was recorded for too long; the attempt stops");
            return halt.set(Cause::Fenced);
        }
    }
}
