//! Keeping what was logged where reads look. A commit leaves its points packed (`store::tracking::metric`); a task of this process
//! folds them shortly after, a read that needs them does so at once, and the writer itself does when the task falls behind. What a
//! process that died left is folded by whoever reads next.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Result;
use crate::service::App;
use crate::store::{Tx, tracking::metric};

/// How long points are left to gather before they are folded.
const LINGER: Duration = Duration::from_millis(200);
/// Points of one transaction, about: nobody waits long for it.
const MOST: i64 = 20_000;
/// Points that may wait before those who log wait for the fold.
const MOST_BEHIND: usize = 500_000;

/// What this process logged and has not seen folded.
#[derive(Default)]
pub(super) struct Folding {
    waiting: Mutex<Waiting>,
    /// Held by whoever folds in this process: the others find their points folded.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    points: BTreeMap<String, usize>,
    /// Whether the task is under way.
    running: bool,
}

impl Folding {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Begins a transaction that reads what runs of a workspace logged: all that was acknowledged before.
    pub(crate) async fn read_logged(&self, workspace: &str) -> Result<Tx> {
        let mut tx = self.db().read().await?;
        let Some(last) = metric::last_pushed(&mut tx, workspace).await? else { return Ok(tx) };
        drop(tx);
        self.fold(workspace, last).await?;
        Ok(self.db().read().await?)
    }

    /// Folds what a workspace logged up to a batch.
    pub(super) async fn fold(&self, workspace: &str, last: i64) -> Result<()> {
        let _turn = self.writer().folding.turn.lock().await;
        loop {
            let mut tx = self.db().begin().await?;
            let Some(folded) = metric::fold(&mut tx, workspace, MOST).await? else { return Ok(()) };
            tx.commit().await?;
            if folded >= last {
                return Ok(());
            }
        }
    }

    /// Folds what any process left. Reads do not depend on it.
    pub(crate) async fn fold_leftovers(&self) -> Result<()> {
        let mut tx = self.db().read().await?;
        let workspaces = metric::unfolded(&mut tx).await?;
        drop(tx);
        for workspace in workspaces {
            self.fold(&workspace, i64::MAX).await?;
        }
        Ok(())
    }

    /// Sees to it that points which were just logged are folded soon.
    pub(super) fn note_logged(&self, points: Vec<(String, usize)>) {
        if points.is_empty() {
            return;
        }
        let mut waiting = self.writer().folding.waiting();
        for (workspace, count) in points {
            *waiting.points.entry(workspace).or_default() += count;
        }
        if !std::mem::replace(&mut waiting.running, true) {
            tokio::spawn(run(self.clone()));
        }
    }

    /// Folds here and now when too much waits: those who log wait for it.
    pub(super) async fn fold_if_behind(&self) {
        let behind = self.writer().folding.waiting().points.values().sum::<usize>() > MOST_BEHIND;
        if behind {
            fold_noted(self).await;
        }
    }
}

/// Folds until nothing waits.
async fn run(app: App) {
    loop {
        tokio::time::sleep(LINGER).await;
        fold_noted(&app).await;
        let mut waiting = app.writer().folding.waiting();
        if waiting.points.is_empty() {
            waiting.running = false;
            return;
        }
    }
}

async fn fold_noted(app: &App) {
    let noted = std::mem::take(&mut app.writer().folding.waiting().points);
    for (workspace, _) in noted {
        if let Err(e) = app.fold(&workspace, i64::MAX).await {
            // nothing is lost: whoever reads next folds
            tracing::warn!(error = %e, workspace, "points that were logged could not be folded yet");
        }
    }
}
