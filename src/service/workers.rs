//! Which processes run jobs. Nothing depends on these rows: leases of attempts decide who is lost.

use super::App;
use crate::domain::worker::WorkerProcess;
use crate::error::Result;
use crate::store;

/// A process that was silent this long is forgotten.
const SILENT_MS: i64 = 60_000;

/// Use cases of worker processes.
pub struct Workers<'a>(pub(super) &'a App);

impl Workers<'_> {
    /// Notes that a process is alive, and forgets those that fell silent.
    pub async fn beat(&self, id: &str, slots: usize) -> Result<()> {
        let now = self.0.now();
        let mut tx = self.0.db().begin().await?;
        store::worker::forget_silent(&mut tx, now.plus_ms(-SILENT_MS)).await?;
        let slots = i64::try_from(slots).unwrap_or(i64::MAX);
        store::worker::beat(&mut tx, id, &host(), std::process::id().into(), slots, now).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets a process that ends.
    pub async fn leave(&self, id: &str) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        store::worker::forget(&mut tx, id).await?;
        Ok(tx.commit().await?)
    }

    /// Lists the processes that are alive.
    pub async fn list(&self) -> Result<Vec<WorkerProcess>> {
        let mut tx = self.0.db().read().await?;
        Ok(store::worker::list(&mut tx).await?)
    }
}

/// Returns the name of this machine, empty where the system does not tell.
pub(super) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}
