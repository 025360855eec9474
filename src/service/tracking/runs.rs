//! The life of a run that a client drives.

use std::collections::BTreeMap;

use super::{Tracking, active_run, check, no_run, not_of_a_job, run};
use crate::domain::event::NewEvent;
use crate::domain::identity::Caller;
use crate::domain::run::RunStatus;
use crate::domain::tracking::{Pair, RUN_NAME_TAG, RunInfo, Stage, TrackedRun};
use crate::error::{Error, Result};
use crate::service::writer::{Done, Start, Work};
use crate::store;

/// A run to be started.
#[derive(Clone, Debug, Default)]
pub struct NewTrackedRun {
    /// Its experiment.
    pub experiment_id: String,
    /// Its name; made up when empty.
    pub name: String,
    /// Who starts it; the caller when empty.
    pub user: String,
    /// When it starts by the client's clock; now when absent.
    pub start_time: Option<i64>,
    /// Its tags.
    pub tags: Vec<Pair>,
}

/// What changes about a run; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct RunChange {
    /// Where it stands.
    pub status: Option<RunStatus>,
    /// When it ended.
    pub end_time: Option<i64>,
    /// Its name.
    pub name: Option<String>,
}

impl Tracking<'_> {
    /// Starts a run.
    pub async fn create_run(&self, caller: &Caller, new: &NewTrackedRun) -> Result<TrackedRun> {
        let mut tags = new.tags.iter().map(|pair| check::tag(pair, "")).collect::<Result<Vec<_>>>()?;
        let tagged = tags.iter().rev().find(|pair| pair.key == RUN_NAME_TAG).map(|pair| pair.value.clone()).unwrap_or_default();
        if !new.name.is_empty() && !tagged.is_empty() && new.name != tagged {
            return Err(Error::invalid(
                "invalid_parameter_value",
                format!(
                    "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='{}', \
                     mlflow.runName='{tagged}').",
                    new.name
                ),
            ));
        }
        let (app, now, id) = (self.0, self.0.now(), self.0.new_id());
        let name = [&new.name, &tagged].into_iter().find(|name| !name.is_empty()).cloned();
        let name = name.unwrap_or_else(|| format!("run-{}", id.get(24..).unwrap_or(&id)));
        let name = check::tag(&Pair { key: RUN_NAME_TAG.to_owned(), value: name }, "")?;
        let user = if new.user.is_empty() { &caller.principal } else { &new.user };
        check::tag(&Pair { key: "user_id".to_owned(), value: user.clone() }, "")?;
        tags.push(name.clone());
        let mut by_key: BTreeMap<String, String> = BTreeMap::new();
        by_key.extend(tags.into_iter().map(|Pair { key, value }| (key, value)));
        let start = Start {
            caller: caller.clone(),
            id,
            experiment_id: new.experiment_id.clone(),
            name: name.value,
            user: user.clone(),
            start_time: new.start_time.unwrap_or(now.0),
            tags: by_key.into_iter().map(|(key, value)| Pair { key, value }).collect(),
        };
        match app.write(Work::Start(Box::new(start))).await? {
            Done::Started(run) => Ok(*run),
            _ => Err(Error::internal("a run was not made")),
        }
    }

    /// Returns a run with what it logged, deleted or not.
    pub async fn get_run(&self, caller: &Caller, id: &str) -> Result<TrackedRun> {
        if id.contains('\0') {
            return Err(no_run(id));
        }
        let mut tx = self.0.read_logged(&caller.workspace).await?;
        store::tracking::run::find(&mut tx, &caller.workspace, id).await?.ok_or_else(|| no_run(id))
    }

    /// Changes a run. One that has ended may be taken up again, as `start_run(run_id=…)` does.
    pub async fn update_run(&self, caller: &Caller, id: &str, change: &RunChange) -> Result<RunInfo> {
        let app = self.0;
        let name = change.name.as_ref().filter(|name| !name.is_empty());
        let tag = name.map(|name| check::tag(&Pair { key: RUN_NAME_TAG.to_owned(), value: name.clone() }, "")).transpose()?;
        let mut tx = app.db().begin().await?;
        let (seq, before) = active_run(&mut tx, &caller.workspace, id).await?;
        if change.status.is_some() || change.end_time.is_some() {
            not_of_a_job(&before)?;
        }
        let name = tag.as_ref().map(|tag| tag.value.as_str());
        store::tracking::run::update(&mut tx, seq, change.status, change.end_time, name).await?;
        if let Some(tag) = &tag {
            store::tracking::run::set_tags(&mut tx, seq, std::slice::from_ref(tag)).await?;
        }
        let (_, after) = run(&mut tx, &caller.workspace, id).await?;
        let ended = matches!(after.status, RunStatus::Finished | RunStatus::Failed | RunStatus::Killed);
        let told = after.status != before.status && ended;
        if told {
            let payload = serde_json::json!({ "status": after.status });
            let event = NewEvent { kind: "run.finished", entity: "run", entity_id: id.to_owned(), payload };
            store::event::append(&mut tx, caller, &event, app.now()).await?;
        }
        tx.commit().await?;
        if told {
            app.nudge();
        }
        Ok(after)
    }

    /// Deletes a run; `restore_run` brings it back. Deleting it again changes nothing.
    pub async fn delete_run(&self, caller: &Caller, id: &str) -> Result<()> {
        self.move_run(caller, id, Stage::Deleted, "run.deleted").await
    }

    /// Brings a deleted run back.
    pub async fn restore_run(&self, caller: &Caller, id: &str) -> Result<()> {
        self.move_run(caller, id, Stage::Active, "run.restored").await
    }

    async fn move_run(&self, caller: &Caller, id: &str, to: Stage, kind: &'static str) -> Result<()> {
        let app = self.0;
        if id.contains('\0') {
            return Err(no_run(id));
        }
        let mut tx = app.db().begin().await?;
        let (seq, info) = run(&mut tx, &caller.workspace, id).await?;
        if info.stage == to {
            return Ok(());
        }
        if info.status == RunStatus::Running && to == Stage::Deleted {
            not_of_a_job(&info)?;
        }
        store::tracking::run::set_stage(&mut tx, seq, to).await?;
        let event = NewEvent { kind, entity: "run", entity_id: id.to_owned(), payload: serde_json::json!({}) };
        store::event::append(&mut tx, caller, &event, app.now()).await?;
        tx.commit().await?;
        app.nudge();
        Ok(())
    }
}
