//! From events to receivers. Turning events into deliveries is one transaction with the cursor; a try is a claim, a request outside of
//! any transaction, and a record under the claim's fence. So every event is delivered at least once, whoever dies when.

use futures::StreamExt as _;

use super::{Webhooks, seal};
use crate::domain::identity::Caller;
use crate::domain::webhook::{DeliveryState, Patience, WebhookStatus, after_try, message};
use crate::error::Result;
use crate::store::webhook::{Claimed, NewDelivery, StoredWebhook, Tried};
use crate::store::{self, Tx};

/// Events of one transaction.
const EVENTS: i64 = 200;
/// Deliveries that are tried at once.
const AT_ONCE: usize = 8;
/// A claimed delivery comes due again after this long: longer than a receiver may take.
const LEASE_MS: i64 = 60_000;
/// Six hours or so, then it is given up.
const PATIENCE: Patience = Patience { first_ms: 1_000, longest_ms: 3_600_000, tries: 17 };
/// Longest error that is kept, in characters.
const MAX_ERROR: usize = 500;

impl Webhooks<'_> {
    /// Turns events into deliveries and tries what is due, until nothing is. Returns how many tries were made.
    pub async fn work(&self) -> Result<usize> {
        self.fan_out().await?;
        let mut tried = 0;
        loop {
            let claimed = self.claim().await?;
            if claimed.is_empty() {
                return Ok(tried);
            }
            tried += claimed.len();
            let tries = futures::stream::iter(claimed).map(|claimed| self.attempt(claimed)).buffer_unordered(AT_ONCE);
            for outcome in tries.collect::<Vec<_>>().await {
                outcome?;
            }
        }
    }

    /// Turns events that nobody looked at yet into deliveries.
    async fn fan_out(&self) -> Result<()> {
        let mut tx = self.0.db().read().await?;
        let behind = store::webhook::list_behind(&mut tx).await?;
        drop(tx);
        for workspace in behind {
            while self.fan_out_some(&workspace).await? {}
        }
        Ok(())
    }

    /// Takes the next events of a workspace; false when there were few.
    async fn fan_out_some(&self, workspace: &str) -> Result<bool> {
        let app = self.0;
        let mut tx = app.db().begin().await?;
        let Some(seq) = store::webhook::hold_cursor(&mut tx, workspace).await? else { return Ok(false) };
        let hooks = active(&mut tx, workspace).await?;
        if hooks.is_empty() {
            let last = store::event::last_seq(&mut tx, workspace).await?;
            store::webhook::move_cursor(&mut tx, workspace, last).await?;
            tx.commit().await?;
            return Ok(false);
        }
        let events = store::event::list_after(&mut tx, workspace, seq, EVENTS).await?;
        for event in &events {
            let told = |hook: &&StoredWebhook| hook.since_seq < event.seq && hook.webhook.events.contains(&event.kind);
            for hook in hooks.iter().filter(told) {
                let (id, body) = (app.new_id(), message(event));
                let new = NewDelivery { id: &id, webhook_id: &hook.webhook.webhook_id, seq: event.seq, event: &event.kind, body: &body };
                store::webhook::add_delivery(&mut tx, new, app.now()).await?;
            }
        }
        if let Some(last) = events.last() {
            store::webhook::move_cursor(&mut tx, workspace, last.seq).await?;
        }
        tx.commit().await?;
        Ok(i64::try_from(events.len()).unwrap_or(EVENTS) == EVENTS)
    }

    async fn claim(&self) -> Result<Vec<Claimed>> {
        let now = self.0.now();
        let mut tx = self.0.db().begin().await?;
        let limit = i64::try_from(AT_ONCE).unwrap_or(1);
        let claimed = store::webhook::claim(&mut tx, now, now.plus_ms(LEASE_MS), limit).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    /// Tells the receiver and records what came of it.
    async fn attempt(&self, claimed: Claimed) -> Result<()> {
        let app = self.0;
        let caller = Caller::system(&claimed.workspace);
        let mut tx = app.db().read().await?;
        let found = store::webhook::find(&mut tx, &caller.workspace, &claimed.webhook_id).await?;
        drop(tx);
        let Some(found) = found else { return Ok(()) };
        if found.webhook.status == WebhookStatus::Disabled {
            let tried = Tried { state: DeliveryState::Dead, next_at: None, response_status: None, error: Some("the webhook is disabled") };
            return self.record(&claimed, tried).await;
        }
        let answered = match seal::open(app, &claimed.workspace, &found) {
            Ok(secret) => app.sender().send(&found.webhook.url, secret.as_deref(), &claimed.id, app.now(), claimed.body.clone()).await,
            Err(e) => super::Answered { error: Some(e.message), ..super::Answered::default() },
        };
        let delivered = answered.is_delivered();
        let (state, wait) = after_try(delivered, claimed.attempts, PATIENCE);
        let error = match (delivered, answered.error, answered.status) {
            (true, ..) => None,
            (false, Some(error), _) => Some(error.chars().take(MAX_ERROR).collect::<String>()),
            (false, None, status) => Some(format!("the receiver answered {}", status.unwrap_or_default())),
        };
        let tried = Tried {
            state,
            next_at: wait.map(|ms| app.now().plus_ms(ms)),
            response_status: answered.status.map(i64::from),
            error: error.as_deref(),
        };
        self.record(&claimed, tried).await
    }

    async fn record(&self, claimed: &Claimed, tried: Tried<'_>) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        store::webhook::record(&mut tx, claimed, tried, self.0.now()).await?;
        tx.commit().await?;
        if tried.state == DeliveryState::Dead {
            tracing::warn!(delivery.id = claimed.id, webhook.id = claimed.webhook_id, "a delivery was given up");
        }
        Ok(())
    }
}

async fn active(tx: &mut Tx, workspace: &str) -> Result<Vec<StoredWebhook>> {
    let all = store::webhook::list(tx, workspace, (i64::MAX, ""), super::MAX_WEBHOOKS).await?;
    Ok(all.into_iter().filter(|found| found.webhook.status == WebhookStatus::Active).collect())
}
