//! API keys: making, listing, revoking, and telling who a request comes from.

use super::App;
use crate::domain::identity::{ApiKey, Caller, DEFAULT_WORKSPACE, Role};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::domain::tracking::{DEFAULT_EXPERIMENT, DEFAULT_EXPERIMENT_ID};
use crate::domain::{check_name, event::NewEvent, key};
use crate::error::{Error, Kind, Result};
use crate::store;

/// Use cases of API keys.
pub struct Keys<'a>(pub(super) &'a App);

impl Keys<'_> {
    /// Makes the default workspace with its default experiment and, when there is no key at all, the first admin key: the configured one, or a new one that
    /// is returned and never shown again.
    pub async fn bootstrap(&self) -> Result<Option<String>> {
        let app = self.0;
        let mut tx = app.db().begin().await?;
        let now = app.now();
        store::identity::ensure_workspace(&mut tx, DEFAULT_WORKSPACE, now).await?;
        store::tracking::experiment::ensure(&mut tx, DEFAULT_WORKSPACE, DEFAULT_EXPERIMENT_ID, DEFAULT_EXPERIMENT, now).await?;
        if store::identity::count_keys(&mut tx).await? > 0 {
            tx.commit().await?;
            return Ok(None);
        }
        let configured = &app.config().admin_key;
        let text = if configured.is_empty() { self.draw() } else { configured.clone() };
        let key_id = key::parse(&text).ok_or_else(|| Error::internal("a made key is not well-formed"))?.to_owned();
        let first = ApiKey {
            key_id,
            name: "first admin key".to_owned(),
            role: Role::Admin,
            created_by: "system".to_owned(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
        };
        store::identity::insert_key(&mut tx, DEFAULT_WORKSPACE, &first, &key::hash(&text)).await?;
        tx.commit().await?;
        Ok(configured.is_empty().then_some(text))
    }

    /// Makes a key; the second value is the whole key, which is stored nowhere.
    pub async fn create(&self, caller: &Caller, name: &str, role: Role, expires_at: Option<Timestamp>) -> Result<(ApiKey, String)> {
        check_name("key", name)?;
        let app = self.0;
        let now = app.now();
        if expires_at.is_some_and(|t| t <= now) {
            return Err(Error::invalid("invalid_expiry", "expires_at must be in the future"));
        }
        let text = self.draw();
        let key_id = key::parse(&text).ok_or_else(|| Error::internal("a made key is not well-formed"))?.to_owned();
        let made = ApiKey {
            key_id: key_id.clone(),
            name: name.to_owned(),
            role,
            created_by: caller.principal.clone(),
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        let mut tx = app.db().begin().await?;
        store::identity::insert_key(&mut tx, &caller.workspace, &made, &key::hash(&text)).await?;
        let payload = serde_json::json!({ "name": name, "role": role });
        let event = NewEvent { kind: "api_key.created", entity: "api_key", entity_id: key_id, payload };
        store::event::append(&mut tx, caller, &event, now).await?;
        tx.commit().await?;
        app.nudge();
        Ok((made, text))
    }

    /// Lists keys by id.
    pub async fn list(&self, caller: &Caller, page: &PageRequest) -> Result<Page<ApiKey>> {
        let mut tx = self.0.db().read().await?;
        let after = page.after.as_deref().unwrap_or("");
        let rows = store::identity::list_keys(&mut tx, &caller.workspace, after, page.limit()).await?;
        Ok(Page::cut(rows, page, |key| key.key_id.clone()))
    }

    /// Revokes a key at once and for good.
    pub async fn revoke(&self, caller: &Caller, key_id: &str) -> Result<()> {
        let app = self.0;
        let now = app.now();
        let mut tx = app.db().begin().await?;
        if !store::identity::revoke_key(&mut tx, &caller.workspace, key_id, now).await? {
            return Err(Error::not_found("key_not_found", "there is no such key that is not revoked"));
        }
        let event = NewEvent { kind: "api_key.revoked", entity: "api_key", entity_id: key_id.to_owned(), payload: serde_json::json!({}) };
        store::event::append(&mut tx, caller, &event, now).await?;
        tx.commit().await?;
        app.nudge();
        Ok(())
    }

    /// Tells whose key this is. Every failure is the same error, so that nothing is learned from it.
    pub async fn authenticate(&self, text: &str) -> Result<Caller> {
        let refused = || Error::new(Kind::Unauthenticated, "invalid_key", "the API key is not valid");
        let key_id = key::parse(text).ok_or_else(refused)?;
        let mut tx = self.0.db().read().await?;
        let found = store::identity::find_key(&mut tx, key_id).await?;
        let hash = key::hash(text);
        let (key, workspace, stored) = found.ok_or_else(refused)?;
        if !key::same_hash(&hash, &stored) || !key.works_at(self.0.now()) {
            return Err(refused());
        }
        Ok(Caller::of_key(workspace, &key))
    }

    fn draw(&self) -> String {
        let mut random = [0; key::ENTROPY];
        self.0.ids().secret(&mut random);
        key::make(&random)
    }
}
