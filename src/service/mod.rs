//! Use cases: each method begins a transaction, loads, lets `domain` decide, writes, emits an event and commits. The HTTP
//! dialects and the workers call the same methods; nothing here knows of either.

mod artifacts;
mod datasets;
mod events;
mod idempotency;
mod jobs;
mod keys;
mod models;
mod monitoring;
mod moving;
mod observe;
mod registry;
mod runs;
mod serving;
mod tracking;
mod training;
mod workers;

use std::sync::Arc;

use tokio::sync::watch;

use crate::blob::BlobStore;
use crate::clock::{Clock, Ids};
use crate::config::Config;
use crate::store::Db;

pub use artifacts::{Artifacts, Owner};
pub use datasets::{Datasets, Staged};
pub use events::Events;
pub use idempotency::{Answer, Idempotency, Reservation, Start};
pub use jobs::{Claim, Close, Closing, Jobs};
pub use keys::Keys;
pub use models::{Models, Promotion, Rollback, Target};
pub use monitoring::Monitoring;
pub use moving::{Moving, Parcel, Settled, check_run, is_prompt};
pub use observe::{Observation, Observations};
pub use registry::{NewTrackedVersion, Registry, RegistrySearch};
pub use runs::Runs;
pub use serving::{Deck, Serving};
pub use tracking::{Batch, Entry, LoggedModelSearch, NewLoggedModel, NewTrackedRun, RunChange, SearchRequest, Tracking};
pub use training::Training;
pub use workers::Workers;

// what others show and take without looking into it
pub use crate::data::Overrides;
pub use crate::stats::profile::ColumnProfile;
pub use crate::store::moving::{Import, Imported};

/// Everything a use case may touch. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] is made of.
pub struct Parts {
    /// Settings.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The object store.
    pub blobs: BlobStore,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Identity and randomness.
    pub ids: Arc<dyn Ids>,
    /// Counts commits of this process that readers of events may want to look at.
    pub committed: watch::Sender<u64>,
    /// Becomes true when the doors close: those who wait for events go.
    pub closing: watch::Sender<bool>,
    /// What this process serves.
    pub deck: Deck,
    /// Predictions on their way to monitoring.
    pub observations: Observations,
}

impl Parts {
    /// Completes what differs between processes with what does not.
    pub fn new(config: Config, db: Db, blobs: BlobStore, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let deck = Deck::new(ids.next());
        let ((committed, _), (closing, _)) = (watch::channel(0), watch::channel(false));
        Self { config, db, blobs, clock, ids, committed, closing, deck, observations: Observations::default() }
    }
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Files of runs and model versions.
    pub fn artifacts(&self) -> Artifacts<'_> {
        Artifacts(self)
    }

    /// Data sets and their versions.
    pub fn datasets(&self) -> Datasets<'_> {
        Datasets(self)
    }

    /// API keys and authentication.
    pub fn keys(&self) -> Keys<'_> {
        Keys(self)
    }

    /// Jobs and their attempts.
    pub fn jobs(&self) -> Jobs<'_> {
        Jobs(self)
    }

    /// The registry.
    pub fn models(&self) -> Models<'_> {
        Models(self)
    }

    /// The registry as MLflow's clients know it.
    pub fn registry(&self) -> Registry<'_> {
        Registry(self)
    }

    /// Runs and what they log.
    pub fn runs(&self) -> Runs<'_> {
        Runs(self)
    }

    /// What is watched, and what was found.
    pub fn monitoring(&self) -> Monitoring<'_> {
        Monitoring(self)
    }

    /// Imports.
    pub fn moving(&self) -> Moving<'_> {
        Moving(self)
    }

    /// What is loaded, and answers.
    pub fn serving(&self) -> Serving<'_> {
        Serving(self)
    }

    /// Experiments and runs as MLflow's clients know them.
    pub fn tracking(&self) -> Tracking<'_> {
        Tracking(self)
    }

    /// Attempts of training jobs.
    pub fn training(&self) -> Training<'_> {
        Training(self)
    }

    /// Processes that run jobs.
    pub fn workers(&self) -> Workers<'_> {
        Workers(self)
    }

    /// The stream of events.
    pub fn events(&self) -> Events<'_> {
        Events(self)
    }

    /// Answers that are remembered for requests that may be repeated.
    pub fn idempotency(&self) -> Idempotency<'_> {
        Idempotency(self)
    }

    /// Tells whether database, schema and object store are usable: one line per part, `ok` or what is wrong.
    pub async fn readiness(&self) -> (bool, Vec<(&'static str, String)>) {
        let database = self.db().ping().await.err().map(|e| e.to_string());
        let migrations = match crate::store::migrate::applied(self.db()).await {
            Ok(crate::store::migrate::LATEST) => None,
            Ok(other) => Some(format!("schema is at {other}, this program needs {}", crate::store::migrate::LATEST)),
            Err(e) => Some(e.to_string()),
        };
        let store = self.0.blobs.probe().await.err().map(|e| e.to_string());
        let ready = database.is_none() && migrations.is_none() && store.is_none();
        let line = |problem: Option<String>| problem.unwrap_or_else(|| "ok".to_owned());
        (ready, vec![("database", line(database)), ("migrations", line(migrations)), ("store", line(store))])
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn deck(&self) -> &Deck {
        &self.0.deck
    }

    pub(crate) fn observations(&self) -> &Observations {
        &self.0.observations
    }

    pub(crate) fn blobs(&self) -> &BlobStore {
        &self.0.blobs
    }

    /// Returns a new id.
    pub(crate) fn new_id(&self) -> String {
        self.0.ids.next()
    }

    /// Deletes what nobody needs any more.
    pub async fn tidy(&self) -> crate::error::Result<()> {
        crate::queue::prune(self.db(), self.now()).await?;
        self.idempotency().prune().await?;
        self.monitoring().prune().await?;
        Ok(())
    }

    pub(crate) fn now(&self) -> crate::domain::time::Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn ids(&self) -> &dyn Ids {
        self.0.ids.as_ref()
    }

    /// Tells this process's readers of events that something was committed.
    pub(crate) fn nudge(&self) {
        self.0.committed.send_modify(|n| *n = n.wrapping_add(1));
    }
}
