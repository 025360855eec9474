//! Webhooks: who is told of which events. `deliver` turns events into deliveries and tries these, `send` speaks to receivers,
//! `seal` keeps secrets.

mod deliver;
mod seal;
mod send;

use super::App;
use crate::domain::identity::Caller;
use crate::domain::page::{Page, PageRequest};
use crate::domain::webhook::{self, Delivery, Webhook, WebhookStatus};
use crate::error::{Error, Kind, Result};
use crate::store::webhook::StoredWebhook;
use crate::store::{self, Tx};

pub use send::{Answered, Sender};

/// Webhooks of one workspace.
const MAX_WEBHOOKS: i64 = 100;
/// How long the history of deliveries is kept.
const KEPT_MS: i64 = 30 * 86_400_000;

/// Use cases of webhooks.
pub struct Webhooks<'a>(pub(super) &'a App);

/// A webhook to be made, or what changes about one: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// What people call it.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Where it is told.
    pub url: Option<String>,
    /// Kinds of events.
    pub events: Option<Vec<String>>,
    /// Signs deliveries; an empty one takes the signature away.
    pub secret: Option<String>,
    /// Whether it is told of anything.
    pub status: Option<WebhookStatus>,
}

impl Webhooks<'_> {
    /// Makes a webhook. It is told of what happens from now on.
    pub async fn create(&self, caller: &Caller, new: WebhookChange) -> Result<Webhook> {
        let (app, now) = (self.0, self.0.now());
        let hook = Webhook {
            webhook_id: app.new_id(),
            name: String::new(),
            description: String::new(),
            url: String::new(),
            events: Vec::new(),
            status: WebhookStatus::Active,
            signed: false,
            created_at: now,
            updated_at: now,
        };
        let mut made = StoredWebhook { webhook: hook, secret: None, since_seq: 0 };
        self.apply(caller, &mut made, new)?;
        webhook::check_name(&made.webhook.name)?;
        webhook::check_url(&made.webhook.url, app.config().webhook_targets.is_any())?;
        webhook::check_kinds(&made.webhook.events)?;
        let mut tx = app.db().begin().await?;
        if store::webhook::count(&mut tx, &caller.workspace).await? >= MAX_WEBHOOKS {
            return Err(Error::invalid("too_many_webhooks", format!("a workspace has at most {MAX_WEBHOOKS} webhooks")));
        }
        made.since_seq = store::event::last_seq(&mut tx, &caller.workspace).await?;
        store::webhook::ensure_cursor(&mut tx, &caller.workspace, made.since_seq).await?;
        store::webhook::insert(&mut tx, &caller.workspace, &made).await?;
        tx.commit().await?;
        Ok(made.webhook)
    }

    /// Checks what is given and lays it over a webhook.
    fn apply(&self, caller: &Caller, w: &mut StoredWebhook, change: WebhookChange) -> Result<()> {
        let hook = &mut w.webhook;
        if let Some(name) = change.name {
            webhook::check_name(&name)?;
            hook.name = name;
        }
        if let Some(description) = change.description {
            if description.contains('\0') || description.chars().count() > 1000 {
                return Err(Error::invalid("invalid_description", "a description has at most 1000 characters, without NUL"));
            }
            hook.description = description;
        }
        if let Some(url) = change.url {
            webhook::check_url(&url, self.0.config().webhook_targets.is_any())?;
            send::check(&url, self.0.config().webhook_targets)?;
            hook.url = url;
        }
        if let Some(mut events) = change.events {
            webhook::check_kinds(&events)?;
            events.sort();
            events.dedup();
            hook.events = events;
        }
        if let Some(secret) = change.secret {
            webhook::check_secret(&secret)?;
            w.secret = match secret.as_str() {
                "" => None,
                secret => Some(seal::seal(self.0, &caller.workspace, &hook.webhook_id, secret)?),
            };
            hook.signed = w.secret.is_some();
        }
        hook.status = change.status.unwrap_or(hook.status);
        Ok(())
    }

    /// Returns a webhook.
    pub async fn get(&self, caller: &Caller, id: &str) -> Result<Webhook> {
        let mut tx = self.0.db().read().await?;
        Ok(find(&mut tx, caller, id).await?.webhook)
    }

    /// Lists webhooks, newest first.
    pub async fn list(&self, caller: &Caller, page: &PageRequest) -> Result<Page<Webhook>> {
        let bad = || Error::invalid("invalid_page_token", "page_token is not one that this server gave out for this list");
        let after = match page.after.as_deref() {
            None => (i64::MAX, ""),
            Some(text) => text.split_once('/').and_then(|(at, id)| Some((at.parse().ok()?, id))).ok_or_else(bad)?,
        };
        let mut tx = self.0.db().read().await?;
        let rows = store::webhook::list(&mut tx, &caller.workspace, after, page.limit()).await?;
        let rows = rows.into_iter().map(|found| found.webhook).collect();
        Ok(Page::cut(rows, page, |hook: &Webhook| format!("{}/{}", hook.created_at.0, hook.webhook_id)))
    }

    /// Changes a webhook. One that becomes active is told of what happens from then on.
    pub async fn update(&self, caller: &Caller, id: &str, change: WebhookChange) -> Result<Webhook> {
        let app = self.0;
        let mut tx = app.db().begin().await?;
        let mut found = find(&mut tx, caller, id).await?;
        let before = found.webhook.status;
        self.apply(caller, &mut found, change)?;
        found.webhook.updated_at = app.now();
        if before == WebhookStatus::Disabled && found.webhook.status == WebhookStatus::Active {
            found.since_seq = store::event::last_seq(&mut tx, &caller.workspace).await?;
        }
        store::webhook::update(&mut tx, &found).await?;
        tx.commit().await?;
        Ok(found.webhook)
    }

    /// Deletes a webhook; what is on its way to it is dropped.
    pub async fn delete(&self, caller: &Caller, id: &str) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        if id.contains('\0') || !store::webhook::delete(&mut tx, &caller.workspace, id).await? {
            return Err(no_webhook(id));
        }
        tx.commit().await?;
        Ok(())
    }

    /// Sends a webhook an example of an event, once and now, and returns what came of it.
    pub async fn test(&self, caller: &Caller, id: &str, kind: Option<&str>) -> Result<Answered> {
        let app = self.0;
        let mut tx = app.db().read().await?;
        let found = find(&mut tx, caller, id).await?;
        drop(tx);
        if let Some(kind) = kind {
            webhook::check_kinds(std::slice::from_ref(&kind.to_owned()))?;
        }
        let kind = kind.or(found.webhook.events.first().map(String::as_str)).unwrap_or_default();
        let secret = seal::open(app, &caller.workspace, &found)?;
        let body = webhook::example(kind, app.now());
        Ok(app.sender().send(&found.webhook.url, secret.as_deref(), &app.new_id(), app.now(), body).await)
    }

    /// Lists deliveries of a webhook, newest first.
    pub async fn deliveries(&self, caller: &Caller, id: &str, page: &PageRequest) -> Result<Page<Delivery>> {
        let before = page.after_number(i64::MAX)?;
        let mut tx = self.0.db().read().await?;
        find(&mut tx, caller, id).await?;
        let rows = store::webhook::list_deliveries(&mut tx, id, before, None, page.limit()).await?;
        Ok(Page::cut(rows, page, |delivery: &Delivery| delivery.seq.to_string()))
    }

    /// Delivers once more what was delivered or given up, under its old id.
    pub async fn replay(&self, caller: &Caller, id: &str, delivery_id: &str) -> Result<Delivery> {
        let app = self.0;
        let none = || Error::not_found("delivery_not_found", "the webhook has no such delivery");
        let mut tx = app.db().begin().await?;
        find(&mut tx, caller, id).await?;
        if delivery_id.contains('\0') {
            return Err(none());
        }
        let one = store::webhook::list_deliveries(&mut tx, id, i64::MAX, Some(delivery_id), 1).await?.pop().ok_or_else(none)?;
        if !store::webhook::replay(&mut tx, delivery_id, app.now()).await? {
            let message = format!("the delivery is {}, it is tried again by itself", one.state.as_str());
            return Err(Error::conflict("invalid_state", message).with("state", one.state.as_str()));
        }
        let replayed = store::webhook::list_deliveries(&mut tx, id, i64::MAX, Some(delivery_id), 1).await?.pop().ok_or_else(none)?;
        tx.commit().await?;
        app.nudge();
        Ok(replayed)
    }

    /// Deletes the history of deliveries that are over for long.
    pub async fn prune(&self) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        store::webhook::prune(&mut tx, self.0.now().plus_ms(-KEPT_MS)).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn find(tx: &mut Tx, caller: &Caller, id: &str) -> Result<StoredWebhook> {
    if id.contains('\0') {
        return Err(no_webhook(id));
    }
    store::webhook::find(tx, &caller.workspace, id).await?.ok_or_else(|| no_webhook(id))
}

fn no_webhook(id: &str) -> Error {
    Error::new(Kind::NotFound, "webhook_not_found", format!("Webhook with ID {id} not found."))
}
