//! Serving: making what is loaded equal to what the aliases say, and answering with it.

mod load;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{App, Observation};
use crate::domain::identity::Caller;
use crate::error::Result;
use crate::infer::engine::{EngineError, Engines};
use crate::infer::router::{Route, Router, Selector, Served, Table};
use crate::infer::tensor::Tensor;
use crate::store;
use crate::store::serving::{Report, Wanted};

/// A version that could not be loaded is tried again after this.
const RETRY: Duration = Duration::from_secs(10);
/// A server that was silent this long is forgotten.
const SILENT_MS: i64 = 60_000;
/// Rows up to which a prediction runs where its request is handled; larger ones get a thread that may block.
const INLINE_ROWS: usize = 256;

/// What this process serves. One per process.
pub struct Deck {
    router: Router,
    engines: Engines,
    replica: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The routing revision that the table was made from.
    revision: Option<i64>,
    /// Versions that lost their last alias, and when.
    warm: HashMap<String, Instant>,
    /// Versions that could not be loaded: when, and why.
    failed: HashMap<String, (Instant, String)>,
    /// What was last told to the database.
    told: Vec<Report>,
    told_at: Option<Instant>,
}

impl Deck {
    /// Makes an empty one under the name of this process.
    pub fn new(replica: String) -> Self {
        Self { router: Router::default(), engines: Engines::default(), replica, state: Mutex::default() }
    }

    /// Returns the table of loaded versions.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Returns the name of this process among the servers.
    pub fn replica(&self) -> &str {
        &self.replica
    }

    /// Returns what loads models.
    pub(in crate::service) fn engines(&self) -> Engines {
        self.engines.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Use cases of serving.
pub struct Serving<'a>(pub(super) &'a App);

impl Serving<'_> {
    /// Finds the version that answers a request.
    pub fn find(&self, caller: &Caller, model: &str, which: Selector<'_>) -> Option<Arc<Served>> {
        self.0.deck().router.find(&caller.workspace, model, which)
    }

    /// Returns what is loaded of a model.
    pub fn route(&self, caller: &Caller, model: &str) -> Option<Route> {
        self.0.deck().router.route(&caller.workspace, model)
    }

    /// Computes the outputs at the given places of the signature, and lets monitoring know.
    pub async fn predict(&self, served: &Arc<Served>, inputs: Vec<Tensor>, outputs: &[usize]) -> Result<Vec<Tensor>, EngineError> {
        let rows = inputs.first().map_or(1, Tensor::rows);
        let (inputs, answers) = if rows <= INLINE_ROWS {
            let answers = run(served, &inputs, outputs);
            (inputs, answers)
        } else {
            let (shared, outputs) = (served.clone(), outputs.to_vec());
            let work = tokio::task::spawn_blocking(move || {
                let answers = run(&shared, &inputs, &outputs);
                (inputs, answers)
            });
            let failed = |_| EngineError::new(crate::infer::engine::ErrorCode::InvalidModel, "the model panicked");
            work.await.map_err(failed)?
        };
        let answers = answers?;
        self.0.observations().offer(|| Observation { served: served.clone(), inputs, outputs: answers.clone(), at: self.0.now() });
        Ok(answers)
    }

    /// Lists what servers say about the versions of a model.
    pub async fn replicas(&self, caller: &Caller, model: &str) -> Result<Vec<store::serving::Line>> {
        let mut tx = self.0.db().read().await?;
        Ok(store::serving::list_routes(&mut tx, &caller.workspace, model).await?)
    }

    /// Compares what is loaded with what the aliases say, at least as often as `serving_poll_ms`, until `stop` is true.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let every = Duration::from_millis(self.0.config().serving_poll_ms);
        let mut commits = self.0.events().watch();
        while !*stop.borrow() {
            if let Err(e) = self.reconcile().await {
                tracing::warn!(error = %e, "could not learn what to serve; what is loaded goes on");
            }
            tokio::select! {
                _ = stop.wait_for(|stopping| *stopping) => {}
                _ = tokio::time::sleep(every) => {}
                _ = commits.changed() => {}
            }
        }
    }

    /// Makes what is loaded equal to what the aliases say: loads, verifies and warms up first, then swaps the table.
    pub async fn reconcile(&self) -> Result<()> {
        let deck = self.0.deck();
        let mut tx = self.0.db().read().await?;
        let revision = store::alias::routing_revision(&mut tx).await?;
        if deck.state().revision == Some(revision) && !self.is_due() {
            drop(tx);
            return self.tell(None).await;
        }
        let wanted = store::serving::list_wanted(&mut tx).await?;
        let table = deck.router.table();
        let ids: Vec<String> = table.versions().map(|served| served.version_id.clone()).collect();
        let mut names = store::serving::list_names(&mut tx, &ids).await?;
        drop(tx);
        // what was deleted goes at once, what was renamed answers under its new name
        let still = |served: &Arc<Served>| Some((served.version_id.clone(), served.under(names.remove(&served.version_id)?)));
        let mut loaded: HashMap<String, Arc<Served>> = table.versions().filter_map(still).collect();
        deck.state().failed.retain(|id, _| wanted.iter().any(|version| version.version_id == *id && !version.damaged));
        // what is loaded already does not wait for what has to be fetched
        deck.router.replace(self.arrange(&table, &wanted, &loaded));
        for version in wanted.iter().filter(|version| !version.damaged && version.unservable.is_none()) {
            if loaded.contains_key(&version.version_id) || self.rests(&version.version_id) {
                continue;
            }
            match self.load(version).await {
                Ok(served) => {
                    tracing::info!(model = version.name, version = version.version, "version is loaded");
                    deck.state().failed.remove(&version.version_id);
                    loaded.insert(version.version_id.clone(), Arc::new(served));
                    deck.router.replace(self.arrange(&table, &wanted, &loaded));
                }
                Err(message) => {
                    tracing::error!(model = version.name, version = version.version, message, "version can't be served; traffic stays");
                    deck.state().failed.insert(version.version_id.clone(), (Instant::now(), message));
                }
            }
        }
        deck.state().revision = Some(revision);
        self.tell(Some(&wanted)).await
    }

    /// Builds the next table. An alias whose version could not be loaded stays where it was, unless that is gone; versions without an
    /// alias stay until their warm time is over.
    fn arrange(&self, before: &Table, wanted: &[Wanted], loaded: &HashMap<String, Arc<Served>>) -> Table {
        let keep = Duration::from_millis(self.0.config().serving_keep_warm_ms);
        let mut table = Table::default();
        let mut named: HashSet<&str> = HashSet::new();
        for version in wanted {
            let old = before.get(&version.workspace, &version.name).and_then(|route| route.find(Selector::Label(&version.alias)));
            let old = old.filter(|old| loaded.contains_key(&old.version_id));
            let Some(served) = loaded.get(&version.version_id).cloned().or(old) else { continue };
            let served = loaded.get(&served.version_id).cloned().unwrap_or(served);
            named.extend(loaded.get_key_value(&served.version_id).map(|(id, _)| id.as_str()));
            let route = table.entry(&version.workspace, &version.name);
            route.aliases.insert(version.alias.clone(), served.version);
            route.versions.insert(served.version, served);
        }
        let mut state = self.0.deck().state();
        let now = Instant::now();
        state.warm.retain(|id, _| loaded.contains_key(id) && !named.contains(id.as_str()));
        for (id, served) in loaded.iter().filter(|(id, _)| !named.contains(id.as_str())) {
            let since = *state.warm.entry(id.clone()).or_insert(now);
            if now.duration_since(since) < keep {
                let route = table.entry(&served.workspace, &served.name);
                route.versions.insert(served.version, served.clone());
            } else {
                tracing::info!(model = served.name, version = served.version, "version is unloaded");
                state.warm.remove(id);
            }
        }
        table
    }

    /// Tells whether something is to be done without the aliases having moved: unloading, or loading once more.
    fn is_due(&self) -> bool {
        let keep = Duration::from_millis(self.0.config().serving_keep_warm_ms);
        let state = self.0.deck().state();
        state.warm.values().any(|since| since.elapsed() >= keep) || state.failed.values().any(|(at, _)| at.elapsed() >= RETRY)
    }

    fn rests(&self, version_id: &str) -> bool {
        self.0.deck().state().failed.get(version_id).is_some_and(|(at, _)| at.elapsed() < RETRY)
    }

    /// Tells the database what this process serves, when that changed or a while has passed.
    async fn tell(&self, wanted: Option<&[Wanted]>) -> Result<()> {
        let (app, deck) = (self.0, self.0.deck());
        let reports = wanted.map(|wanted| self.reports(wanted));
        {
            let mut state = deck.state();
            let changed = reports.as_ref().is_some_and(|reports| *reports != state.told);
            let due = state.told_at.is_none_or(|at| at.elapsed() > Duration::from_millis(SILENT_MS.unsigned_abs() / 4));
            if !changed && !due {
                return Ok(());
            }
            state.told_at = Some(Instant::now());
            if let Some(reports) = &reports {
                state.told = reports.clone();
            }
        }
        let now = app.now();
        let told = deck.state().told.clone();
        let host = super::workers::host();
        let mut tx = app.db().begin().await?;
        store::serving::forget_silent(&mut tx, now.plus_ms(-SILENT_MS)).await?;
        store::serving::beat(&mut tx, &deck.replica, &host, std::process::id().into(), &app.config().url(), now).await?;
        store::serving::report(&mut tx, &deck.replica, &told, now).await?;
        Ok(tx.commit().await?)
    }

    fn reports(&self, wanted: &[Wanted]) -> Vec<Report> {
        let deck = self.0.deck();
        let table = deck.router.table();
        let state = deck.state();
        let mut labels: BTreeMap<(&str, &str, i64), Vec<&str>> = BTreeMap::new();
        for version in wanted {
            labels.entry((&version.workspace, &version.model_id, version.version)).or_default().push(&version.alias);
        }
        let report = |((workspace, model_id, version), aliases): (&(&str, &str, i64), &Vec<&str>)| {
            let row = wanted.iter().find(|row| row.model_id == *model_id && row.version == *version)?;
            let there = table.get(&row.workspace, &row.name).is_some_and(|route| route.versions.contains_key(version));
            let message = match state.failed.get(&row.version_id) {
                Some((_, message)) => message.clone(),
                None if row.damaged => "its stored bytes are damaged".to_owned(),
                None => row.unservable.clone().unwrap_or_default(),
            };
            Some(Report {
                workspace: (*workspace).to_owned(),
                model_id: (*model_id).to_owned(),
                version: *version,
                state: if there { "AVAILABLE" } else { "FAILED" },
                message: if there { String::new() } else { message },
                labels: aliases.join(","),
            })
        };
        labels.iter().filter_map(report).collect()
    }
}

fn run(served: &Served, inputs: &[Tensor], outputs: &[usize]) -> Result<Vec<Tensor>, EngineError> {
    let signature = served.model.signature();
    let inputs: Vec<(&str, &Tensor)> = signature.inputs.iter().map(|spec| spec.name.as_str()).zip(inputs).collect();
    let wanted: Vec<&str> = outputs.iter().map(|place| signature.outputs[*place].name.as_str()).collect();
    served.model.run(&inputs, &wanted)
}
