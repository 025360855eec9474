//! Watching traffic: comparing windows of it with what the model was made from.

mod known;
mod recorder;

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::App;
use crate::domain::event::NewEvent;
use crate::domain::identity::Caller;
use crate::domain::monitor::{DEFAULT_WINDOW_MS, DriftReport, MAX_WINDOW_MS, MINUTE_MS, Monitor, ReportState};
use crate::domain::page::{Page, PageRequest};
use crate::domain::time::Timestamp;
use crate::error::{Error, Result};
use crate::infer::router::CHAMPION;
use crate::stats::baseline::WindowError;
use crate::stats::drift;
use crate::stats::rules::Rules;
use crate::stats::window::WindowProfile;
use crate::store;
use crate::store::monitor::{Last, ReportFilter, Watched};

use known::Known;
use recorder::Recorder;

/// Closed windows that are looked at again for rows that came late.
const LOOK_BACK: i64 = 3;
/// A report that loses a race is made again this often.
const RACES: usize = 5;
/// An hour.
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Minutes are kept this long.
const KEPT_MS: i64 = 30 * 24 * 60 * MINUTE_MS;

/// Use cases of monitoring.
pub struct Monitoring<'a>(pub(super) &'a App);

/// What a window came to, before it is stored.
struct Finding {
    version_id: String,
    report: DriftReport,
    /// The report that it takes the place of.
    before: Last,
    /// Whether an alert follows from drift; not when the report before raised one.
    tell: bool,
}

impl Monitoring<'_> {
    /// Counts this process's traffic until `stop` is true.
    pub async fn record(&self, stop: watch::Receiver<bool>) {
        Recorder::new(self.0.clone()).run(stop).await;
    }

    /// Compares windows as they close, every `monitor_scan_ms`, until `stop` is true.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let every = Duration::from_millis(self.0.config().monitor_scan_ms);
        while !*stop.borrow() {
            if let Err(e) = self.scan().await {
                tracing::warn!(error = %e, "windows of traffic could not be compared");
            }
            tokio::select! {
                _ = stop.wait_for(|stopping| *stopping) => {}
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    /// Deletes minutes that are too old to be compared.
    pub async fn prune(&self) -> Result<()> {
        let mut tx = self.0.db().begin().await?;
        store::monitor::prune(&mut tx, self.0.now().0 - KEPT_MS).await?;
        Ok(tx.commit().await?)
    }

    /// Compares every closed window that has not been compared; returns the number of reports. Safe to run in several processes at
    /// once: each window is reported by one.
    pub async fn scan(&self) -> Result<usize> {
        let app = self.0;
        let now = app.now();
        let mut tx = app.db().begin().await?;
        store::monitor::ensure_all(&mut tx, DEFAULT_WINDOW_MS, now).await?;
        tx.commit().await?;
        let mut tx = app.db().read().await?;
        let watched = store::monitor::list(&mut tx, None).await?;
        drop(tx);
        let mut reports = 0;
        for model in watched {
            let name = model.monitor.model.clone();
            match self.scan_model(model).await {
                Ok(made) => reports += made,
                Err(e) => tracing::error!(error = %e, model = name, "the windows of a model could not be compared"),
            }
        }
        Ok(reports)
    }

    async fn scan_model(&self, mut model: Watched) -> Result<usize> {
        let mut reports = self.look_again(&model).await?;
        while let Some(made) = self.next_window(&mut model).await? {
            reports += made;
        }
        Ok(reports)
    }

    /// Compares the next window that has traffic and is closed; `None` when there is none.
    async fn next_window(&self, watched: &mut Watched) -> Result<Option<usize>> {
        let app = self.0;
        let (through, length) = (watched.monitor.scanned_through.0, watched.monitor.window_ms);
        let mut tx = app.db().read().await?;
        let next = store::monitor::next_minute(&mut tx, &watched.model_id, through).await?;
        drop(tx);
        let Some(minute) = next else { return Ok(None) };
        let start = minute.div_euclid(length) * length;
        let end = start + length;
        // servers write a minute up to two flushes after its end
        let lateness = i64::try_from(app.config().profile_flush_ms).unwrap_or(MINUTE_MS) * 2;
        if end + lateness > app.now().0 {
            return Ok(None);
        }
        let findings = self.compare(watched, start, end, None).await?;
        let mut tx = app.db().begin().await?;
        if !store::monitor::advance(&mut tx, &watched.model_id, through, end).await? {
            return Ok(None);
        }
        let made = self.store(tx, watched, findings).await?;
        watched.monitor.scanned_through = Timestamp(end);
        Ok(Some(made))
    }

    /// Makes new revisions of reports about windows in which rows arrived after they were compared.
    async fn look_again(&self, watched: &Watched) -> Result<usize> {
        let app = self.0;
        let (through, length) = (watched.monitor.scanned_through.0, watched.monitor.window_ms);
        let mut made = 0;
        for start in (1..=LOOK_BACK).map(|n| through - n * length).filter(|start| *start >= 0 && start % length == 0) {
            let mut tx = app.db().read().await?;
            let active = store::monitor::list_active(&mut tx, &watched.model_id, start, start + length).await?;
            let mut late = Vec::new();
            for (version_id, version, rows) in active {
                if store::monitor::last_report(&mut tx, &version_id, start, start + length).await?.rows != rows {
                    late.push(version);
                }
            }
            drop(tx);
            for version in late {
                let mut findings = self.compare(watched, start, start + length, Some(version)).await?;
                // another process may have been faster since the look above; if it is faster from here on, the store says so
                findings.retain(|finding| finding.before.rows != finding.report.num_rows);
                findings.iter_mut().for_each(|finding| finding.tell = !finding.before.drifted);
                let tx = app.db().begin().await?;
                match self.store(tx, watched, findings).await {
                    Ok(reports) => made += reports,
                    // another process was faster: the revision exists
                    Err(e) if e.is_duplicate() => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(made)
    }

    /// Compares a span of a model's traffic with the reference of each version that answered in it, or of one.
    async fn compare(&self, watched: &Watched, from: i64, to: i64, only: Option<i64>) -> Result<Vec<Finding>> {
        let app = self.0;
        let rules = rules_of(&watched.monitor.rules)?;
        let mut tx = app.db().read().await?;
        let active = store::monitor::list_active(&mut tx, &watched.model_id, from, to).await?;
        let mut findings = Vec::new();
        for (version_id, version, rows) in active.into_iter().filter(|(_, version, _)| only.is_none_or(|only| only == *version)) {
            let Some(known) = Known::read(&mut tx, &watched.workspace, &version_id).await? else { continue };
            let mut window = WindowProfile::new(known.baseline.clone());
            // an hour at a time: a month of minutes would not fit into memory
            let mut start = from;
            while start < to {
                let end = to.min(start + HOUR_MS);
                for bytes in store::monitor::list_profiles(&mut tx, &version_id, start, end).await? {
                    let broken = |e: WindowError| Error::internal("a stored window can't be read").caused_by(e);
                    let part = WindowProfile::from_bytes(known.baseline.clone(), &bytes).map_err(broken)?;
                    window.merge(&part).map_err(broken)?;
                }
                tokio::task::yield_now().await;
                start = end;
            }
            let before = store::monitor::last_report(&mut tx, &version_id, from, to).await?;
            let found = drift::evaluate(&window, &known.rules(&rules));
            let state = match (found.evaluated_columns, found.drifted) {
                (0, _) => ReportState::InsufficientData,
                (_, true) => ReportState::Drifted,
                (_, false) => ReportState::Ok,
            };
            let report = DriftReport {
                report_id: None,
                model: watched.monitor.model.clone(),
                version,
                window_start: Timestamp(from),
                window_end: Timestamp(to),
                revision: before.revision + 1,
                state,
                num_rows: rows,
                report: serde_json::to_value(&found).map_err(|e| Error::internal("a report can't be written").caused_by(e))?,
                created_at: app.now(),
            };
            findings.push(Finding { version_id, report, before, tell: true });
        }
        Ok(findings)
    }

    /// Stores reports, and raises an alert for each that found drift.
    async fn store(&self, mut tx: store::Tx, watched: &Watched, findings: Vec<Finding>) -> Result<usize> {
        let app = self.0;
        let caller = Caller::system(&watched.workspace);
        let made = findings.len();
        let mut alerts = Vec::new();
        for Finding { version_id, mut report, tell, .. } in findings {
            let id = app.new_id();
            store::monitor::insert_report(&mut tx, &watched.workspace, &watched.model_id, &version_id, &id, &report).await?;
            report.report_id = Some(id);
            if tell && report.state == ReportState::Drifted {
                alerts.push(report);
            }
        }
        for report in &alerts {
            alert(&mut tx, &caller, report, app.now()).await?;
        }
        tx.commit().await?;
        app.nudge();
        Ok(made)
    }

    /// Compares a span of traffic now, rounded outwards to whole minutes: of the given version, or of the one that the champion
    /// points at. The report is stored only if `keep` is true.
    pub async fn evaluate(
        &self,
        caller: &Caller,
        model: &str,
        version: Option<i64>,
        from: Timestamp,
        to: Timestamp,
        keep: bool,
    ) -> Result<DriftReport> {
        let app = self.0;
        let start = from.0.div_euclid(MINUTE_MS) * MINUTE_MS;
        let end = (to.0 + MINUTE_MS - 1).div_euclid(MINUTE_MS) * MINUTE_MS;
        if from.0 < 0 || end <= start || end - start > KEPT_MS {
            return Err(Error::invalid("invalid_window", "from must be before to, and at most 30 days before it"));
        }
        let watched = self.watched(caller, model).await?;
        let version = match version {
            Some(version) => version,
            None => {
                let champion = app.models().get(caller, model).await?.aliases.get(CHAMPION).copied();
                champion.ok_or_else(|| Error::conflict("no_champion", "the model has no champion: say which version is meant"))?
            }
        };
        self.has_reference(caller, model, version).await?;
        app.observations().flush().await;
        for _ in 0..RACES {
            let mut findings = self.compare(&watched, start, end, Some(version)).await?;
            let finding =
                findings.pop().ok_or_else(|| Error::not_found("no_traffic", format!("version {version} answered nothing in that time")))?;
            if !keep {
                return Ok(finding.report);
            }
            match self.keep(caller, &watched, finding).await {
                // somebody else made this revision of the report meanwhile
                Err(e) if e.is_duplicate() => {}
                kept => return kept,
            }
        }
        Err(Error::conflict("report_contended", "reports about this window are made too fast; try again"))
    }

    /// Refuses a version whose traffic has nothing to be compared with.
    async fn has_reference(&self, caller: &Caller, model: &str, version: i64) -> Result<()> {
        let found = self.0.models().get_version(caller, model, version).await?;
        let mut tx = self.0.db().read().await?;
        if store::model::find_reference(&mut tx, &caller.workspace, &found.id).await?.is_some() {
            return Ok(());
        }
        let message = format!("version {version} was registered without a reference_profile.json: its traffic is not watched");
        Err(Error::conflict("no_reference", message))
    }

    /// Stores a report that was asked for.
    async fn keep(&self, caller: &Caller, watched: &Watched, finding: Finding) -> Result<DriftReport> {
        let app = self.0;
        let Finding { version_id, mut report, .. } = finding;
        let id = app.new_id();
        report.report_id = Some(id.clone());
        let mut tx = app.db().begin().await?;
        store::monitor::insert_report(&mut tx, &caller.workspace, &watched.model_id, &version_id, &id, &report).await?;
        let payload = serde_json::json!({ "version": report.version, "report_id": id, "state": report.state });
        let event = NewEvent { kind: "drift_report.created", entity: "model", entity_id: report.model.clone(), payload };
        store::event::append(&mut tx, caller, &event, app.now()).await?;
        if report.state == ReportState::Drifted {
            alert(&mut tx, caller, &report, app.now()).await?;
        }
        tx.commit().await?;
        app.nudge();
        Ok(report)
    }

    /// Returns how a model is watched.
    pub async fn get(&self, caller: &Caller, model: &str) -> Result<Monitor> {
        Ok(self.watched(caller, model).await?.monitor)
    }

    /// Changes how a model is watched.
    pub async fn update(&self, caller: &Caller, model: &str, enabled: bool, window_ms: i64, rules: &Value) -> Result<Monitor> {
        if !(MINUTE_MS..=MAX_WINDOW_MS).contains(&window_ms) || window_ms % MINUTE_MS != 0 {
            return Err(Error::invalid("invalid_window", "window_ms must be whole minutes, one minute to one week"));
        }
        rules_of(rules)?;
        let app = self.0;
        let watched = self.watched(caller, model).await?;
        let mut tx = app.db().begin().await?;
        store::monitor::update(&mut tx, &caller.workspace, &watched.model_id, enabled, window_ms, rules, app.now()).await?;
        let payload = serde_json::json!({ "enabled": enabled, "window_ms": window_ms });
        let event = NewEvent { kind: "monitor.updated", entity: "model", entity_id: model.to_owned(), payload };
        store::event::append(&mut tx, caller, &event, app.now()).await?;
        tx.commit().await?;
        app.nudge();
        self.get(caller, model).await
    }

    /// Lists reports, newest window first.
    pub async fn reports(
        &self,
        caller: &Caller,
        model: &str,
        version: Option<i64>,
        state: Option<ReportState>,
        page: &PageRequest,
    ) -> Result<Page<DriftReport>> {
        self.0.models().get(caller, model).await?;
        let bad = || Error::invalid("invalid_page_token", "page_token is not one of this list");
        let after = match &page.after {
            None => None,
            Some(text) => {
                let (start, id) = text.split_once(',').ok_or_else(bad)?;
                Some((start.parse().map_err(|_| bad())?, id))
            }
        };
        let mut tx = self.0.db().read().await?;
        let filter = ReportFilter { id: None, version, state, after };
        let rows = store::monitor::list_reports(&mut tx, &caller.workspace, model, &filter, page.limit()).await?;
        Ok(Page::cut(rows, page, |report| format!("{},{}", report.window_start.0, report.report_id.as_deref().unwrap_or_default())))
    }

    /// Returns a report.
    pub async fn report(&self, caller: &Caller, model: &str, id: &str) -> Result<DriftReport> {
        let mut tx = self.0.db().read().await?;
        let filter = ReportFilter { id: Some(id), ..ReportFilter::default() };
        let found = store::monitor::list_reports(&mut tx, &caller.workspace, model, &filter, 1).await?.pop();
        found.ok_or_else(|| Error::not_found("report_not_found", "there is no such report"))
    }

    async fn watched(&self, caller: &Caller, model: &str) -> Result<Watched> {
        self.0.models().get(caller, model).await?;
        for _ in 0..2 {
            let mut tx = self.0.db().read().await?;
            if let Some(watched) = store::monitor::list(&mut tx, Some((&caller.workspace, model))).await?.pop() {
                return Ok(watched);
            }
            drop(tx);
            let mut tx = self.0.db().begin().await?;
            store::monitor::ensure_all(&mut tx, DEFAULT_WINDOW_MS, self.0.now()).await?;
            tx.commit().await?;
        }
        Err(Error::internal("a monitor could not be made"))
    }
}

/// Tells everyone who listens that a stored report found drift.
async fn alert(tx: &mut store::Tx, caller: &Caller, report: &DriftReport, now: Timestamp) -> Result<()> {
    let payload = serde_json::json!({
        "version": report.version, "report_id": report.report_id, "window_start": report.window_start,
        "window_end": report.window_end, "columns": drifted_columns(&report.report), "revision": report.revision,
    });
    let event = NewEvent { kind: "drift.detected", entity: "model", entity_id: report.model.clone(), payload };
    store::event::append(tx, caller, &event, now).await?;
    tracing::warn!(model = report.model, version = report.version, "traffic has drifted");
    Ok(())
}

/// Reads thresholds; those that are absent have their defaults.
fn rules_of(chosen: &Value) -> Result<Rules> {
    let invalid = |why: String| Error::invalid("invalid_rules", format!("rules: {why}"));
    let rules: Rules = serde_json::from_value(chosen.clone()).map_err(|e| invalid(e.to_string()))?;
    if !rules.outputs.is_empty() {
        return Err(invalid("the outputs follow from the model".to_owned()));
    }
    Ok(rules)
}

fn drifted_columns(report: &Value) -> Vec<Value> {
    let columns = report["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    columns.iter().filter(|c| matches!(c["verdict"].as_str(), Some("alert" | "severe"))).map(|c| c["name"].clone()).collect()
}
