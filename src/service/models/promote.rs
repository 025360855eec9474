//! Moving aliases: promotion, rollback, deletion, and their history.

use super::stage::follow;
use super::{Models, append, find, find_id, find_version, no_model};
use crate::domain::identity::{Caller, Role};
use crate::domain::model::{Alias, AliasEvent, AliasEventKind, ModelVersion, ModelVersionState, check_alias};
use crate::domain::page::{Page, PageRequest};
use crate::domain::promotion::{Candidate, GateResult, Metrics, Pointer, Refusal, previous, promote};
use crate::domain::registry::ModelStage;
use crate::domain::time::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::store::alias::Move;
use crate::store::{self, Tx};

/// A move that loses a race nobody was told of is tried again this often.
const RACES: usize = 20;

/// A promotion that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Promotion {
    /// The version.
    pub version: i64,
    /// Moves the alias only from this revision.
    pub expected_revision: Option<i64>,
    /// Why.
    pub reason: String,
    /// Moves the alias though gates fail; needs the role admin and a reason.
    pub override_gates: bool,
}

/// Where a rollback leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// To the version before.
    #[default]
    Previous,
    /// To a version that the alias pointed at once.
    Version(i64),
    /// To where the alias pointed at a time.
    Time(Timestamp),
}

/// A rollback that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Rollback {
    /// Where to.
    pub to: Target,
    /// Moves the alias only from this revision.
    pub expected_revision: Option<i64>,
    /// Why.
    pub reason: String,
}

/// A rollback that was decided: the version, and the revision that is taken back.
struct Way {
    version: ModelVersion,
    reverts: Option<i64>,
}

impl Models<'_> {
    /// Points an alias at a version that passes the model's gates. Its bytes are verified first. Pointing it where it points
    /// already changes nothing.
    pub async fn promote(&self, caller: &Caller, name: &str, alias: &str, ask: &Promotion) -> Result<Alias> {
        check_alias(alias)?;
        let version = self.get_version(caller, name, ask.version).await?;
        if let Some(why) = version.unservable {
            let message = format!("version {} can't be served: {why}", version.version);
            return Err(Error::conflict("version_not_servable", message));
        }
        self.point(caller, name, alias, ask).await
    }

    /// Points an alias at a version as [`promote`](Self::promote) does, also at one that can't be served.
    pub(crate) async fn point(&self, caller: &Caller, name: &str, alias: &str, ask: &Promotion) -> Result<Alias> {
        if ask.override_gates && (caller.role < Role::Admin || ask.reason.is_empty()) {
            return Err(Error::new(Kind::PermissionDenied, "override_refused", "overriding gates needs the role admin and a reason"));
        }
        let version = self.get_version(caller, name, ask.version).await?;
        if version.status == ModelVersionState::Ready {
            self.verify(caller, &version).await?;
        }
        for _ in 0..RACES {
            let mut tx = self.0.db().begin().await?;
            let model_id = self.open(&mut tx, caller, name, alias).await?;
            let at = store::alias::find(&mut tx, &caller.workspace, &model_id, alias).await?;
            let gates = find(&mut tx, caller, name).await?.gates;
            let version = find_version(&mut tx, caller, name, ask.version).await?;
            let champion: Option<Metrics> = match at.version {
                Some(number) => store::model::find_version(&mut tx, &caller.workspace, name, number).await?.map(|v| v.metrics),
                None => None,
            };
            let candidate = Candidate {
                version: version.version,
                state: version.status,
                metrics: &version.metrics,
                expected_revision: ask.expected_revision,
                override_gates: ask.override_gates,
            };
            let Some(results) = promote(at, &candidate, &gates, champion.as_ref()).map_err(|refusal| told(refusal, at, &version))? else {
                let found = self.alias_in(&mut tx, caller, name, alias).await?;
                if found.revision == at.revision {
                    return Ok(found);
                }
                // it moved between the two reads: what was decided is no longer true
                continue;
            };
            let step = Step { kind: AliasEventKind::Promote, to: Some(&version), reverts: None, gates: &results, reason: &ask.reason };
            if let Some(moved) = self.shift(tx, caller, name, &model_id, alias, at, &step).await? {
                return Ok(moved);
            }
        }
        Err(contended())
    }

    /// Points an alias back at a version of its history. Its bytes are verified first; gates are not asked.
    pub async fn rollback(&self, caller: &Caller, name: &str, alias: &str, ask: &Rollback) -> Result<Alias> {
        check_alias(alias)?;
        for _ in 0..RACES {
            let mut tx = self.0.db().read().await?;
            let model_id = find_id(&mut tx, caller, name).await?;
            let at = store::alias::find(&mut tx, &caller.workspace, &model_id, alias).await?;
            if at.version.is_none() {
                return Err(no_alias());
            }
            let way = self.way_back(&mut tx, caller, name, &model_id, alias, ask, at).await?;
            drop(tx);
            self.verify(caller, &way.version).await?;
            let mut tx = self.0.db().begin().await?;
            let model_id = self.open(&mut tx, caller, name, alias).await?;
            let version = find_version(&mut tx, caller, name, way.version.version).await?;
            if version.status != ModelVersionState::Ready {
                return Err(told(Refusal::NotReady, at, &version));
            }
            let step = Step { kind: AliasEventKind::Rollback, to: Some(&version), reverts: way.reverts, gates: &[], reason: &ask.reason };
            if let Some(moved) = self.shift(tx, caller, name, &model_id, alias, at, &step).await? {
                return Ok(moved);
            }
        }
        Err(contended())
    }

    #[expect(clippy::too_many_arguments, reason = "a lookup inside one transaction")]
    async fn way_back(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        name: &str,
        model_id: &str,
        alias: &str,
        ask: &Rollback,
        at: Pointer,
    ) -> Result<Way> {
        let ws = &caller.workspace;
        if ask.expected_revision.is_some_and(|expected| expected != at.revision) {
            return Err(revision_conflict(at));
        }
        let nothing = || Error::conflict("nothing_to_roll_back_to", "the alias has not pointed at another version that is ready");
        let steps = store::alias::steps(tx, ws, model_id, alias).await?;
        let (target, reverts) = match ask.to {
            Target::Previous => {
                let mut ready = Vec::new();
                for step in &steps {
                    if let Some(to) = step.to
                        && store::model::find_version(tx, ws, name, to).await?.is_some_and(|v| v.status == ModelVersionState::Ready)
                    {
                        ready.push(to);
                    }
                }
                let (version, reverts) = previous(&steps, |version| ready.contains(&version)).ok_or_else(nothing)?;
                (version, Some(reverts))
            }
            Target::Version(version) if steps.iter().any(|step| step.to == Some(version)) => (version, Some(at.revision)),
            Target::Version(_) => {
                return Err(Error::conflict("not_in_history", "the alias never pointed at that version; promote it instead"));
            }
            Target::Time(time) => {
                let found = store::alias::at_time(tx, ws, model_id, alias, time).await?.and_then(|(_, version)| version);
                (found.ok_or_else(|| Error::conflict("not_in_history", "the alias pointed at nothing at that time"))?, Some(at.revision))
            }
        };
        if at.version == Some(target) {
            return Err(Error::conflict("already_current", "the alias points at that version now"));
        }
        let version = find_version(tx, caller, name, target).await?;
        if version.status != ModelVersionState::Ready {
            return Err(told(Refusal::NotReady, at, &version));
        }
        Ok(Way { version, reverts })
    }

    /// Takes an alias away. Its history stays, and its revision goes on.
    pub async fn delete_alias(&self, caller: &Caller, name: &str, alias: &str, expected_revision: Option<i64>, reason: &str) -> Result<()> {
        for _ in 0..RACES {
            let mut tx = self.0.db().begin().await?;
            let model_id = self.open(&mut tx, caller, name, alias).await?;
            let at = store::alias::find(&mut tx, &caller.workspace, &model_id, alias).await?;
            if at.version.is_none() {
                return Err(no_alias());
            }
            if expected_revision.is_some_and(|expected| expected != at.revision) {
                return Err(revision_conflict(at));
            }
            let step = Step { kind: AliasEventKind::Delete, to: None, reverts: None, gates: &[], reason };
            if self.shift(tx, caller, name, &model_id, alias, at, &step).await?.is_some() {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Finds the model of an alias that is to move. An alias that stands for a stage moves versions as well, so its model is locked
    /// first.
    async fn open(&self, tx: &mut Tx, caller: &Caller, name: &str, alias: &str) -> Result<String> {
        match ModelStage::of_alias(alias) {
            Some(_) => store::model::touch(tx, &caller.workspace, name, self.0.now()).await?.ok_or_else(no_model),
            None => find_id(tx, caller, name).await,
        }
    }

    /// Writes a move and its event, and returns where the alias is by that move; `None` when somebody else was faster.
    #[expect(clippy::too_many_arguments, reason = "the end of one transaction")]
    async fn shift(
        &self,
        mut tx: Tx,
        caller: &Caller,
        name: &str,
        model_id: &str,
        alias: &str,
        from: Pointer,
        step: &Step<'_>,
    ) -> Result<Option<Alias>> {
        let now = self.0.now();
        let Some(moved) = write_move(&mut tx, caller, model_id, alias, from, step, now).await? else { return Ok(None) };
        let mut moves = vec![moved];
        if let Some(stage) = ModelStage::of_alias(alias) {
            moves.extend(follow(&mut tx, caller, model_id, stage, step.to.map(|version| version.version), step.reason, now).await?);
        }
        tell_moves(&mut tx, caller, name, model_id, moves, now).await?;
        tx.commit().await?;
        self.0.nudge();
        let (version, revision) = (step.to.map(|version| version.version), from.revision + 1);
        Ok(Some(Alias { name: name.to_owned(), alias: alias.to_owned(), version, revision, updated_at: now }))
    }

    /// Returns an alias.
    pub async fn alias(&self, caller: &Caller, name: &str, alias: &str) -> Result<Alias> {
        let mut tx = self.0.db().read().await?;
        self.alias_in(&mut tx, caller, name, alias).await
    }

    async fn alias_in(&self, tx: &mut Tx, caller: &Caller, name: &str, alias: &str) -> Result<Alias> {
        let found = store::alias::find_view(tx, &caller.workspace, name, alias).await?;
        found.filter(|alias| alias.version.is_some()).ok_or_else(no_alias)
    }

    /// Lists the moves of an alias, newest first.
    pub async fn history(&self, caller: &Caller, name: &str, alias: &str, page: &PageRequest) -> Result<Page<AliasEvent>> {
        let before = page.after_number(i64::MAX)?;
        let mut tx = self.0.db().read().await?;
        let model_id = store::model::find_id(&mut tx, &caller.workspace, name).await?.ok_or_else(no_model)?;
        let rows = store::alias::list_events(&mut tx, &caller.workspace, &model_id, alias, before, page.limit()).await?;
        Ok(Page::cut(rows, page, |event| event.revision.to_string()))
    }

    /// Returns the version that an alias pointed at at a time.
    pub async fn version_at(&self, caller: &Caller, name: &str, alias: &str, time: Timestamp) -> Result<ModelVersion> {
        let mut tx = self.0.db().read().await?;
        let model_id = find_id(&mut tx, caller, name).await?;
        let found = store::alias::at_time(&mut tx, &caller.workspace, &model_id, alias, time).await?.and_then(|(_, version)| version);
        find_version(&mut tx, caller, name, found.ok_or_else(no_alias)?).await
    }
}

/// A move without what the alias row knows.
pub(crate) struct Step<'a> {
    pub(crate) kind: AliasEventKind,
    pub(crate) to: Option<&'a ModelVersion>,
    pub(crate) reverts: Option<i64>,
    pub(crate) gates: &'a [GateResult],
    pub(crate) reason: &'a str,
}

/// What is told of a move.
pub(crate) type Moved = serde_json::Value;

/// Writes a move; `None` when somebody else was faster. Its event is appended at the end of the transaction by [`tell_moves`].
pub(crate) async fn write_move(
    tx: &mut Tx,
    caller: &Caller,
    model_id: &str,
    alias: &str,
    from: Pointer,
    step: &Step<'_>,
    now: Timestamp,
) -> Result<Option<Moved>> {
    let to = step.to.map(|version| version.version);
    let row = Move {
        model_id,
        alias,
        from,
        to,
        kind: step.kind,
        reverts: step.reverts,
        manifest_digest: step.to.map(|version| version.manifest_digest.as_str()),
        gates: step.gates,
        actor: &caller.principal,
        reason: step.reason,
    };
    if !store::alias::shift(tx, &caller.workspace, &row, now).await? {
        return Ok(None);
    }
    Ok(Some(serde_json::json!({
        "alias": alias, "move": step.kind, "from_version": from.version, "to_version": to, "revision": from.revision + 1,
        "reason": step.reason,
    })))
}

/// Appends the events of moves.
pub(crate) async fn tell_moves(tx: &mut Tx, caller: &Caller, name: &str, model_id: &str, moves: Vec<Moved>, now: Timestamp) -> Result<()> {
    let prompt = store::model::is_prompt(tx, model_id).await?;
    for payload in moves {
        let kind = match (prompt, payload["to_version"].is_null()) {
            (false, false) => "model_version_alias.created",
            (false, true) => "model_version_alias.deleted",
            (true, false) => "prompt_alias.created",
            (true, true) => "prompt_alias.deleted",
        };
        append(tx, caller, kind, name, payload, now).await?;
    }
    Ok(())
}

pub(crate) fn told(refusal: Refusal, at: Pointer, version: &ModelVersion) -> Error {
    match refusal {
        Refusal::Revision => revision_conflict(at),
        Refusal::NotReady => {
            let message = format!("version {} is {}", version.version, version.status.as_str());
            Error::conflict("version_not_ready", message).with("state", version.status.as_str())
        }
        Refusal::Gates(results) => {
            let failed = results.iter().filter(|result| !result.passed).count();
            let message = format!("{failed} of {} gates failed for version {}", results.len(), version.version);
            Error::conflict("gates_failed", message).with("gates", serde_json::json!(results))
        }
    }
}

pub(super) fn revision_conflict(at: Pointer) -> Error {
    let message = format!("the alias is at revision {} now", at.revision);
    Error::conflict("revision_conflict", message).with("revision", at.revision).with("version", at.version)
}

pub(crate) fn no_alias() -> Error {
    Error::not_found("alias_not_found", "there is no such alias")
}

pub(crate) fn contended() -> Error {
    Error::new(Kind::ResourceExhausted, "alias_contended", "the alias moves too fast; try again")
}
