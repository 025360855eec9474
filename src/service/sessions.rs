//! Sign-ins of browsers: a key is shown once, and a cookie with a secret of its own stands for it from then on. A session is never
//! more than its key: it has the same workspace, role and name in histories, and ends when the key expires or is revoked.

use super::App;
use crate::domain::identity::Caller;
use crate::domain::key::{self, hash, hex};
use crate::error::Result;
use crate::store;

/// Random bytes of a session's secret.
const ENTROPY: usize = 32;

/// A session that was begun.
pub struct Opened {
    /// Whose it is.
    pub caller: Caller,
    /// What the cookie holds; stored nowhere.
    pub secret: String,
    /// How long it lasts at most.
    pub lasts_ms: i64,
}

/// Use cases of sessions.
pub struct Sessions<'a>(pub(super) &'a App);

impl Sessions<'_> {
    /// Begins a session of a key.
    pub async fn open(&self, text: &str) -> Result<Opened> {
        let app = self.0;
        let caller = app.keys().authenticate(text).await?;
        let key_id = key::parse(text).unwrap_or_default();
        let mut random = [0; ENTROPY];
        app.ids().secret(&mut random);
        let (secret, now, lasts_ms) = (hex(&random), app.now(), app.config().session_ms);
        let mut tx = app.db().begin().await?;
        store::session::insert(&mut tx, &hash(&secret), key_id, now, now.plus_ms(lasts_ms)).await?;
        tx.commit().await?;
        Ok(Opened { caller, secret, lasts_ms })
    }

    /// Tells whose session this is; nobody's when it has ended or its key no longer works.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<Caller>> {
        let now = self.0.now();
        let mut tx = self.0.db().read().await?;
        let found = store::session::find_key(&mut tx, &hash(secret), now).await?;
        Ok(found.filter(|(key, _, _)| key.works_at(now)).map(|(key, workspace, _)| Caller::of_key(workspace, &key)))
    }

    /// Ends a session, if there is one.
    pub async fn close(&self, secret: &str) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        store::session::delete(&mut tx, &hash(secret)).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets those that have ended.
    pub async fn prune(&self) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        store::session::prune(&mut tx, self.0.now()).await?;
        Ok(tx.commit().await?)
    }
}
