//! Traffic on its way into the database: counted in memory per version and minute, written every `profile_flush_ms`. A crash may
//! lose what was counted since the last write, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::known::{Cache, Known};
use crate::domain::monitor::MINUTE_MS;
use crate::error::Result;
use crate::service::observe::Item;
use crate::service::{App, Observation};
use crate::stats::window::WindowProfile;
use crate::store::{self, monitor::Minute};

/// Minutes of versions that are counted at the same time at most; further traffic is not watched until some are written.
const MOST: usize = 10_000;

/// One minute of a version.
struct Counted {
    known: Arc<Known>,
    window: WindowProfile,
    workspace: String,
    rows: u64,
    /// Names the row that only this value writes.
    shard: String,
    seq: i64,
    changed: bool,
}

/// Counts and writes.
pub(super) struct Recorder {
    app: App,
    references: Cache,
    minutes: HashMap<(String, i64), Counted>,
    opened: u64,
}

impl Recorder {
    pub(super) fn new(app: App) -> Self {
        Self { app, references: Cache::default(), minutes: HashMap::new(), opened: 0 }
    }

    /// Runs until `stop` is true; what was counted by then is written.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let Some(mut items) = self.app.observations().take() else { return };
        let mut ticks = interval(Duration::from_millis(self.app.config().profile_flush_ms));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let item = tokio::select! {
                item = items.recv() => item,
                _ = ticks.tick() => {
                    self.flush().await;
                    continue;
                }
                () = async { drop(stop.wait_for(|stopping| *stopping).await) } => None,
            };
            match item {
                Some(item) => self.take(item).await,
                None => break,
            }
        }
        items.close();
        while let Some(item) = items.recv().await {
            self.take(item).await;
        }
        self.flush().await;
    }

    async fn take(&mut self, item: Item) {
        match item {
            Item::Seen(seen) => {
                self.app.observations().taken(&seen);
                if let Err(e) = self.count(&seen).await {
                    tracing::warn!(error = %e, model = seen.served.name, "a prediction could not be counted");
                }
            }
            Item::Flush(done) => {
                self.flush().await;
                let _ = done.send(());
            }
        }
    }

    async fn count(&mut self, seen: &Observation) -> Result<()> {
        let served = &seen.served;
        let key = (served.version_id.clone(), seen.at.0.div_euclid(MINUTE_MS) * MINUTE_MS);
        if !self.minutes.contains_key(&key) {
            let Some(known) = self.references.get(&self.app, &served.workspace, &served.version_id).await? else { return Ok(()) };
            if self.minutes.len() >= MOST {
                metrics::counter!("slipway_observations_dropped_total").increment(1);
                return Ok(());
            }
            let window = WindowProfile::new(known.baseline.clone());
            // a minute that is opened again after it was forgotten, say because the clock was set back, must not replace itself
            self.opened += 1;
            let shard = format!("{}-{}", self.app.deck().replica(), self.opened);
            let counted = Counted { known, window, workspace: served.workspace.clone(), rows: 0, shard, seq: 0, changed: false };
            self.minutes.insert(key.clone(), counted);
        }
        let Some(counted) = self.minutes.get_mut(&key) else { return Ok(()) };
        let signature = served.model.signature();
        if let Err(e) = counted.known.observe(&mut counted.window, signature, &seen.inputs, &seen.outputs) {
            tracing::debug!(error = %e, model = served.name, "a column of a prediction was not counted");
        }
        counted.rows += seen.inputs.first().map_or(1, |tensor| tensor.rows() as u64);
        counted.changed = true;
        Ok(())
    }

    /// Writes what changed; minutes that are over are forgotten once they are written.
    async fn flush(&mut self) {
        let now = self.app.now().0;
        for ((version_id, start), counted) in self.minutes.iter_mut().filter(|(_, counted)| counted.changed) {
            let profile = counted.window.to_bytes();
            let rows = i64::try_from(counted.rows).unwrap_or(i64::MAX);
            // counted up before the try: one that failed may have been written, with fewer rows
            counted.seq += 1;
            let minute = Minute { version_id, start: *start, shard: &counted.shard, seq: counted.seq, rows, profile: &profile };
            let app = &self.app;
            let write = async {
                let mut tx = app.db().begin().await?;
                store::monitor::put_minute(&mut tx, &counted.workspace, &minute).await?;
                tx.commit().await
            };
            match write.await {
                Ok(()) => counted.changed = false,
                Err(e) => tracing::warn!(error = %e, "a minute of traffic could not be written; it is tried again"),
            }
        }
        self.minutes.retain(|(_, start), counted| counted.changed || start + 2 * MINUTE_MS > now);
    }
}
