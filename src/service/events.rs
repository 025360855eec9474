//! Reading the outbox: in commit order, without gaps, from any position on.

use std::time::Duration;

use tokio::sync::watch;

use super::App;
use crate::domain::event::Event;
use crate::domain::identity::Caller;
use crate::error::Result;
use crate::store;

/// Commits of other processes are seen at the latest after this long.
const POLL: Duration = Duration::from_millis(500);

/// Use cases of the event stream.
pub struct Events<'a>(pub(super) &'a App);

impl Events<'_> {
    /// Lists up to `limit` events after `seq`.
    pub async fn list_after(&self, caller: &Caller, seq: i64, limit: u32) -> Result<Vec<Event>> {
        let mut tx = self.0.db().read().await?;
        Ok(store::event::list_after(&mut tx, &caller.workspace, seq, i64::from(limit)).await?)
    }

    /// Returns the position of the newest event.
    pub async fn last_seq(&self, caller: &Caller) -> Result<i64> {
        let mut tx = self.0.db().read().await?;
        Ok(store::event::last_seq(&mut tx, &caller.workspace).await?)
    }

    /// Subscribes to commits of this process.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.0.committed.subscribe()
    }

    /// Sends those away who wait for events: the process stops.
    pub fn close(&self) {
        self.0.0.closing.send_replace(true);
        self.0.nudge();
    }

    /// Tells whether the process stops.
    pub fn is_closing(&self) -> bool {
        *self.0.0.closing.borrow()
    }

    /// Waits until something may have been committed.
    pub async fn changed(watch: &mut watch::Receiver<u64>) {
        let _ = tokio::time::timeout(POLL, watch.changed()).await;
    }
}
