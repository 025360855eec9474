//! Requests that may be repeated: the first one reserves its key and leaves its answer there, the next ones are told that answer.
//! The key and what the request does are two transactions, so a process that dies between them leaves a reservation without an
//! answer; after [`STALE_MS`] the key can be used again, and the request is carried out again.

use super::App;
use crate::domain::identity::Caller;
use crate::domain::time::Timestamp;
use crate::error::Result;
use crate::store;
use crate::store::idempotency::{KeyRef, Remembered};

/// Answers are remembered this long.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;
/// A reservation that was not renewed for this long belongs to a request that died.
const STALE_MS: i64 = 60_000;

/// Use cases of repeated requests.
pub struct Idempotency<'a>(pub(super) &'a App);

/// An answer as it went over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Value of `content-type`; empty when there was none.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// The right to carry out the request of a key.
#[derive(Clone, Debug)]
pub struct Reservation {
    workspace: String,
    principal: String,
    key: String,
    at: Timestamp,
}

impl Reservation {
    fn key(&self) -> KeyRef<'_> {
        KeyRef { workspace: &self.workspace, principal: &self.principal, key: &self.key }
    }
}

/// What is to be done about a request.
#[derive(Clone, Debug)]
pub enum Start {
    /// Carry it out.
    Run(Reservation),
    /// It was answered: say that again.
    Answered(Answer),
    /// The first one is still running.
    Running,
    /// The key stands for another request.
    Reused,
}

/// What a key that is taken allows.
fn judge(found: &Remembered, fingerprint: &str, now: Timestamp) -> Option<Start> {
    let age = now.0.saturating_sub(found.reserved_at.0);
    if age >= KEPT_MS {
        return None;
    }
    if found.fingerprint != fingerprint {
        return Some(Start::Reused);
    }
    match &found.answer {
        Some((status, content_type, body)) => {
            Some(Start::Answered(Answer { status: *status, content_type: content_type.clone(), body: body.clone() }))
        }
        None if age >= STALE_MS => None,
        None => Some(Start::Running),
    }
}

impl Idempotency<'_> {
    /// Decides about a request by its key and by the digest of what it asks for.
    pub async fn start(&self, caller: &Caller, key: &str, fingerprint: &str) -> Result<Start> {
        let app = self.0;
        let now = app.now();
        let reserved =
            Reservation { workspace: caller.workspace.clone(), principal: caller.principal.clone(), key: key.to_owned(), at: now };
        let mut tx = app.db().begin().await?;
        if store::idempotency::reserve(&mut tx, reserved.key(), fingerprint, now).await? {
            tx.commit().await?;
            return Ok(Start::Run(reserved));
        }
        let Some(found) = store::idempotency::find(&mut tx, reserved.key()).await? else {
            // it was released between the two statements
            return Ok(Start::Running);
        };
        if let Some(known) = judge(&found, fingerprint, now) {
            return Ok(known);
        }
        if !store::idempotency::take_over(&mut tx, reserved.key(), fingerprint, found.reserved_at, now).await? {
            return Ok(Start::Running);
        }
        tx.commit().await?;
        Ok(Start::Run(reserved))
    }

    /// Keeps a reservation from being taken for that of a dead request.
    pub async fn renew(&self, reserved: &mut Reservation) -> Result<()> {
        let now = self.0.now();
        let mut tx = self.0.db().begin().await?;
        if store::idempotency::renew(&mut tx, reserved.key(), reserved.at, now).await? {
            tx.commit().await?;
            reserved.at = now;
        }
        Ok(())
    }

    /// Remembers the answer of a request that was carried out.
    pub async fn remember(&self, reserved: &Reservation, answer: Answer) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        let Answer { status, content_type, body } = answer;
        if !store::idempotency::remember(&mut tx, reserved.key(), reserved.at, &(status, content_type, body)).await? {
            tracing::warn!("a request ran for so long that its idempotency key was taken over");
        }
        Ok(tx.commit().await?)
    }

    /// Frees the key of a request that failed for no reason of its own.
    pub async fn release(&self, reserved: &Reservation) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        store::idempotency::release(&mut tx, reserved.key(), reserved.at).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets answers that are older than a day; returns how many.
    pub async fn prune(&self) -> Result<u64> {
        let mut tx = self.0.db().begin().await?;
        let pruned = store::idempotency::prune(&mut tx, self.0.now().plus_ms(-KEPT_MS)).await?;
        tx.commit().await?;
        Ok(pruned)
    }
}
