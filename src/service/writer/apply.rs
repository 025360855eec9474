//! One transaction for many requests. What is looked up is looked up for all of them, then each is decided in the order in which
//! they came, then everything is written: rows of jobs before those of runs, runs before what hangs on them, events last, each kind
//! sorted, so that the writers of several processes can't wait for each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::work::{Attempt, Done, Log, OnParam, Refusal, Start, Work};
use crate::domain::event::NewEvent;
use crate::domain::run::{MetricPoint, RunStatus};
use crate::domain::time::Timestamp;
use crate::domain::tracking::{Pair, RUN_NAME_TAG, RunInfo, Stage, TrackedExperiment, TrackedRun};
use crate::error::{Error, Kind, Result};
use crate::service::tracking::active_experiment;
use crate::service::{App, jobs};
use crate::store::tracking::bulk::{self, Known};
use crate::store::{self, Tx, tracking::metric};

/// Transactions that lose a race against another process are begun again this often.
const RACES: usize = 5;

/// Writes requests; the answers are theirs in their order. An error means that nothing was written, or that nobody knows.
pub(super) async fn apply(app: &App, works: &[&Work]) -> Result<Vec<Result<Done>>> {
    for _ in 0..RACES {
        let mut tx = app.db().begin().await?;
        let mut plan = Plan::default();
        let done = plan.decide(&mut tx, works).await?;
        if !plan.write(&mut tx, app.now()).await? {
            continue;
        }
        let (waiting, told) = (plan.points_by_workspace(), !plan.events.is_empty());
        tx.commit().await?;
        app.note_logged(waiting);
        if told {
            app.nudge();
        }
        return Ok(done);
    }
    Err(Error::new(Kind::Unavailable, "database_unavailable", "params are logged by too many at once; try again"))
}

/// What a transaction is to write.
#[derive(Default)]
struct Plan<'a> {
    starts: Vec<&'a Start>,
    progress: Vec<&'a Attempt>,
    /// By workspace: run, attempt, points.
    points: BTreeMap<&'a str, Vec<(i64, i64, &'a [MetricPoint])>>,
    names: BTreeMap<i64, &'a str>,
    new_params: BTreeMap<(i64, &'a str), &'a str>,
    set_params: BTreeMap<(i64, &'a str), &'a str>,
    tags: BTreeMap<(i64, &'a str), &'a str>,
    /// By workspace: actor and event.
    events: BTreeMap<&'a str, Vec<(&'a str, NewEvent)>>,
}

impl<'a> Plan<'a> {
    async fn decide(&mut self, tx: &mut Tx, works: &[&'a Work]) -> Result<Vec<Result<Done>>> {
        let held = hold(tx, works).await?;
        let runs = find_runs(tx, works).await?;
        let params = find_params(tx, works, &runs).await?;
        let mut experiments = HashMap::new();
        let mut done = Vec::with_capacity(works.len());
        for work in works {
            done.push(match work {
                Work::Log(log) => Ok(self.log(log, &runs, &params)),
                Work::Start(start) => self.start(tx, start, &mut experiments).await,
                Work::Attempt(attempt) => self.report(attempt, &held),
            });
        }
        Ok(done)
    }

    fn log(&mut self, log: &'a Log, runs: &Runs<'a>, params: &HashMap<(i64, String), String>) -> Done {
        let Some(run) = runs.get(log.workspace.as_str()).and_then(|runs| runs.get(&log.run_id)) else {
            return Done::Refused(Refusal::NoRun);
        };
        if run.stage != Stage::Active {
            return Done::Refused(Refusal::Stage(run.stage));
        }
        let batch = &log.batch;
        if let (Some(job), false) = (&run.job_id, batch.metrics.is_empty() && batch.params.is_empty()) {
            return Done::Refused(Refusal::OfJob(job.clone()));
        }
        if log.on_param == OnParam::Refuse {
            let is = |key: &'a str| {
                let planned = self.set_params.get(&(run.seq, key)).or_else(|| self.new_params.get(&(run.seq, key))).copied();
                planned.or_else(|| params.get(&(run.seq, key.to_owned())).map(String::as_str))
            };
            let other = |pair: &'a Pair| {
                is(&pair.key).filter(|value| *value != pair.value).map(|value| (pair.key.clone(), value.to_owned(), pair.value.clone()))
            };
            let mut conflicts: Vec<_> = batch.params.iter().filter_map(other).collect();
            if !conflicts.is_empty() {
                conflicts.sort();
                return Done::Refused(Refusal::ParamsAreSet(conflicts));
            }
        }
        for pair in &batch.params {
            let key = (run.seq, pair.key.as_str());
            match log.on_param {
                OnParam::Replace => drop(self.set_params.insert(key, &pair.value)),
                OnParam::Refuse if self.set_params.contains_key(&key) || params.contains_key(&(run.seq, pair.key.clone())) => {}
                OnParam::Refuse => drop(self.new_params.insert(key, &pair.value)),
            }
        }
        if !batch.metrics.is_empty() {
            self.points.entry(&log.workspace).or_default().push((run.seq, 0, &batch.metrics));
        }
        for pair in &batch.tags {
            self.tags.insert((run.seq, &pair.key), &pair.value);
            // the tag that repeats the name of the run names it
            if pair.key == RUN_NAME_TAG && !pair.value.is_empty() {
                self.names.insert(run.seq, &pair.value);
            }
        }
        Done::Logged
    }

    fn report(&mut self, attempt: &'a Attempt, held: &HashMap<Held<'a>, Option<i64>>) -> Result<Done> {
        let claim = &attempt.claim;
        let Some(seq) = held.get(&key_of(attempt)).copied().flatten() else { return Ok(Done::Reported(false)) };
        if !attempt.points.is_empty() {
            self.points.entry(&claim.caller.workspace).or_default().push((seq, claim.attempt_no, &attempt.points));
        }
        self.progress.push(attempt);
        Ok(Done::Reported(true))
    }

    async fn start(
        &mut self,
        tx: &mut Tx,
        start: &'a Start,
        experiments: &mut HashMap<(&'a str, &'a str), TrackedExperiment>,
    ) -> Result<Done> {
        let key = (start.caller.workspace.as_str(), start.experiment_id.as_str());
        if !experiments.contains_key(&key) {
            experiments.insert(key, active_experiment(tx, &start.caller, &start.experiment_id).await?);
        }
        let Some(experiment) = experiments.get(&key) else { return Err(Error::internal("an experiment was not kept")) };
        let payload = serde_json::json!({ "experiment": experiment.name, "run_name": start.name });
        let event = NewEvent { kind: "run.created", entity: "run", entity_id: start.id.clone(), payload };
        self.events.entry(key.0).or_default().push((&start.caller.principal, event));
        self.starts.push(start);
        let info = RunInfo {
            run_id: start.id.clone(),
            run_name: start.name.clone(),
            experiment_id: start.experiment_id.clone(),
            status: RunStatus::Running,
            user_id: start.user.clone(),
            job_id: None,
            start_time: start.start_time,
            end_time: None,
            stage: Stage::Active,
            artifact_uri: format!("{}/{}/artifacts", experiment.artifact_location, start.id),
        };
        let (metrics, params, inputs) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Done::Started(Box::new(TrackedRun { info, metrics, params, tags: start.tags.clone(), inputs })))
    }

    /// Writes it all; false when another process was faster with a param, and then nothing may be committed.
    async fn write(&mut self, tx: &mut Tx, now: Timestamp) -> Result<bool> {
        for attempt in &self.progress {
            if let Some(progress) = &attempt.progress {
                store::job::set_progress(tx, &attempt.claim.job_id, progress).await?;
            }
        }
        self.insert_runs(tx).await?;
        if !self.names.is_empty() {
            let names: Vec<(i64, &str)> = self.names.iter().map(|(seq, name)| (*seq, *name)).collect();
            bulk::name_runs(tx, &names).await?;
        }
        for (workspace, points) in &self.points {
            metric::push(tx, workspace, points).await?;
        }
        let new = words(&self.new_params);
        if !new.is_empty() && bulk::add_params(tx, &new).await? < new.len() as u64 {
            return Ok(false);
        }
        let set = words(&self.set_params);
        if !set.is_empty() {
            bulk::set_params(tx, &set).await?;
        }
        let tags = words(&self.tags);
        if !tags.is_empty() {
            bulk::set_tags(tx, &tags).await?;
        }
        for (workspace, events) in &self.events {
            store::event::append_all(tx, workspace, events, now).await?;
        }
        Ok(true)
    }

    async fn insert_runs(&mut self, tx: &mut Tx) -> Result<()> {
        let mut by_workspace: BTreeMap<&str, Vec<&'a Start>> = BTreeMap::new();
        for start in &self.starts {
            by_workspace.entry(&start.caller.workspace).or_default().push(start);
        }
        for (workspace, starts) in by_workspace {
            let row = |start: &&'a Start| store::tracking::run::NewTrackedRun {
                id: &start.id,
                experiment_id: &start.experiment_id,
                name: &start.name,
                user: &start.user,
                start_time: start.start_time,
            };
            let seqs = bulk::insert_runs(tx, workspace, &starts.iter().map(row).collect::<Vec<_>>()).await?;
            for start in starts {
                let seq = *seqs.get(&start.id).ok_or_else(|| Error::internal("a run was not made"))?;
                self.tags.extend(start.tags.iter().map(|pair| ((seq, pair.key.as_str()), pair.value.as_str())));
            }
        }
        Ok(())
    }

    /// Counts the points of each workspace.
    fn points_by_workspace(&self) -> Vec<(String, usize)> {
        let count = |batches: &Vec<(i64, i64, &[MetricPoint])>| batches.iter().map(|(_, _, points)| points.len()).sum();
        self.points.iter().map(|(workspace, batches)| ((*workspace).to_owned(), count(batches))).collect()
    }
}

fn words<'a>(map: &BTreeMap<(i64, &'a str), &'a str>) -> Vec<bulk::Word<'a>> {
    map.iter().map(|((seq, key), value)| (*seq, *key, *value)).collect()
}

/// Runs by workspace and id.
type Runs<'a> = BTreeMap<&'a str, HashMap<String, Known>>;

async fn find_runs<'a>(tx: &mut Tx, works: &[&'a Work]) -> Result<Runs<'a>> {
    let mut wanted: BTreeMap<&'a str, BTreeSet<&'a str>> = BTreeMap::new();
    for work in works {
        if let Work::Log(log) = work {
            wanted.entry(&log.workspace).or_default().insert(&log.run_id);
        }
    }
    let mut found = Runs::new();
    for (workspace, ids) in wanted {
        let ids: Vec<&str> = ids.into_iter().collect();
        found.insert(workspace, bulk::find_runs(tx, workspace, &ids).await?);
    }
    Ok(found)
}

/// Finds the values of params that must not be given another.
async fn find_params<'a>(tx: &mut Tx, works: &[&'a Work], runs: &Runs<'a>) -> Result<HashMap<(i64, String), String>> {
    let mut wanted = BTreeSet::new();
    for work in works {
        if let Work::Log(log) = work
            && log.on_param == OnParam::Refuse
            && let Some(run) = runs.get(log.workspace.as_str()).and_then(|runs| runs.get(&log.run_id))
        {
            wanted.extend(log.batch.params.iter().map(|pair| (run.seq, pair.key.as_str())));
        }
    }
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(bulk::find_params(tx, &wanted.into_iter().collect::<Vec<_>>()).await?)
}

/// Job, number and epoch of an attempt.
type Held<'a> = (&'a str, i64, i64);

fn key_of(attempt: &Attempt) -> Held<'_> {
    (&attempt.claim.job_id, attempt.claim.attempt_no, attempt.claim.epoch)
}

/// Locks the jobs whose attempts report, and finds their runs; none for an attempt that is not the active one any more.
async fn hold<'a>(tx: &mut Tx, works: &[&'a Work]) -> Result<HashMap<Held<'a>, Option<i64>>> {
    let mut attempts: BTreeMap<Held<'a>, &'a Attempt> = BTreeMap::new();
    for work in works {
        if let Work::Attempt(attempt) = work {
            attempts.insert(key_of(attempt), attempt);
        }
    }
    let mut held = HashMap::new();
    for (key, attempt) in attempts {
        let claim = &attempt.claim;
        let seq = match jobs::fence(tx, claim).await? {
            true => store::run::find_seq(tx, &claim.caller.workspace, &claim.run_id).await?,
            false => None,
        };
        held.insert(key, seq);
    }
    Ok(held)
}
