//! Window profiles, monitors and drift reports.

use super::{Error, Result, Tx, done, json, on};
use crate::domain::monitor::{DriftReport, Monitor, ReportState};
use crate::domain::time::Timestamp;

/// What one process saw of a version in one minute.
#[derive(Clone, Debug)]
pub struct Minute<'a> {
    /// The version's id.
    pub version_id: &'a str,
    /// Start of the minute.
    pub start: i64,
    /// The process.
    pub shard: &'a str,
    /// Grows with each flush of the same minute.
    pub seq: i64,
    /// Rows seen.
    pub rows: i64,
    /// The profile.
    pub profile: &'a [u8],
}

/// Writes a minute; what the same process wrote about it before is replaced, unless that is newer.
pub async fn put_minute(tx: &mut Tx, workspace: &str, minute: &Minute<'_>) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into window_profiles (workspace, model_version_id, bucket_start, shard, seq, num_rows, profile) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (model_version_id, bucket_start, shard) do update set seq = excluded.seq, num_rows = excluded.num_rows,
            profile = excluded.profile where window_profiles.seq < excluded.seq")
        .bind(workspace).bind(minute.version_id).bind(minute.start).bind(minute.shard).bind(minute.seq).bind(minute.rows)
        .bind(minute.profile).execute(conn).await?));
    Ok(())
}

/// Reads the profiles of a version in a span of time.
pub async fn list_profiles(tx: &mut Tx, version_id: &str, from: i64, to: i64) -> Result<Vec<Vec<u8>>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "select profile from window_profiles where model_version_id = $1 and bucket_start >= $2 and bucket_start < $3 order by bucket_start, shard")
        .bind(version_id).bind(from).bind(to).fetch_all(conn).await?))
}

/// Lists the versions of a model that answered in a span of time: id, number, rows.
pub async fn list_active(tx: &mut Tx, model_id: &str, from: i64, to: i64) -> Result<Vec<(String, i64, i64)>> {
    Ok(on!(tx, conn => sqlx::query_as(
        "select v.id, v.version, cast(sum(w.num_rows) as bigint) from window_profiles w join model_versions v on v.id = w.model_version_id
         where v.model_id = $1 and w.bucket_start >= $2 and w.bucket_start < $3 group by v.id, v.version order by v.version")
        .bind(model_id).bind(from).bind(to).fetch_all(conn).await?))
}

/// Finds the first minute of a model's traffic at or after a time.
pub async fn next_minute(tx: &mut Tx, model_id: &str, from: i64) -> Result<Option<i64>> {
    Ok(on!(tx, conn => sqlx::query_scalar(
        "select min(w.bucket_start) from window_profiles w join model_versions v on v.id = w.model_version_id
         where v.model_id = $1 and w.bucket_start >= $2")
        .bind(model_id).bind(from).fetch_one(conn).await?))
}

/// Deletes minutes before a time.
pub async fn prune(tx: &mut Tx, before: i64) -> Result<()> {
    on!(tx, conn => done(sqlx::query("delete from window_profiles where bucket_start < $1").bind(before).execute(conn).await?));
    Ok(())
}

/// Makes a monitor for each model that has none.
pub async fn ensure_all(tx: &mut Tx, window_ms: i64, at: Timestamp) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "insert into monitors (model_id, workspace, enabled, window_ms, rules_json, scanned_through, updated_at, row_version)
         select m.id, m.workspace, true, $1, '{}', 0, $2, 1 from registered_models m
         where m.deleted_at is null and not exists (select 1 from monitors o where o.model_id = m.id) on conflict (model_id) do nothing")
        .bind(window_ms).bind(at.0).execute(conn).await?));
    Ok(())
}

/// A monitor with what a scan has to know.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The workspace.
    pub workspace: String,
    /// The model's id.
    pub model_id: String,
    /// The monitor.
    pub monitor: Monitor,
}

/// Lists monitors: those of one model, or all that are enabled, over all workspaces.
pub async fn list(tx: &mut Tx, only: Option<(&str, &str)>) -> Result<Vec<Watched>> {
    type Row = (String, String, String, bool, i64, String, i64);
    let (workspace, model) = only.unwrap_or_default();
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select o.workspace, o.model_id, m.name, o.enabled, o.window_ms, o.rules_json, o.scanned_through
         from monitors o join registered_models m on m.id = o.model_id
         where m.deleted_at is null and (($1 = '' and o.enabled) or (o.workspace = $1 and m.name = $2)) order by o.model_id")
        .bind(workspace).bind(model).fetch_all(conn).await?);
    rows.into_iter()
        .map(|(workspace, model_id, model, enabled, window_ms, rules, scanned)| {
            let rules = json("monitors", "rules_json", &model_id, &rules)?;
            let monitor = Monitor { model, enabled, window_ms, rules, scanned_through: Timestamp(scanned) };
            Ok(Watched { workspace, model_id, monitor })
        })
        .collect()
}

/// Changes how a model is watched.
pub async fn update(
    tx: &mut Tx,
    workspace: &str,
    model_id: &str,
    enabled: bool,
    window_ms: i64,
    rules: &serde_json::Value,
    at: Timestamp,
) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update monitors set enabled = $3, window_ms = $4, rules_json = $5, updated_at = $6, row_version = row_version + 1
         where workspace = $1 and model_id = $2")
        .bind(workspace).bind(model_id).bind(enabled).bind(window_ms).bind(rules.to_string()).bind(at.0).execute(conn).await?));
    Ok(())
}

/// Notes that windows before `to` have been compared; false when another process was faster.
pub async fn advance(tx: &mut Tx, model_id: &str, from: i64, to: i64) -> Result<bool> {
    let rows = on!(tx, conn => sqlx::query("update monitors set scanned_through = $3, row_version = row_version + 1 where model_id = $1 and scanned_through = $2")
        .bind(model_id).bind(from).bind(to).execute(conn).await?.rows_affected());
    Ok(rows == 1)
}

/// The newest report about a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Last {
    /// Its revision, 0 when there is none.
    pub revision: i64,
    /// Rows that it knew.
    pub rows: i64,
    /// Whether it found drift.
    pub drifted: bool,
}

/// Finds the newest report about a window.
pub async fn last_report(tx: &mut Tx, version_id: &str, from: i64, to: i64) -> Result<Last> {
    let row: Option<(i64, i64, String)> = on!(tx, conn => sqlx::query_as(
        "select revision, num_rows, state from drift_reports where model_version_id = $1 and window_start = $2 and window_end = $3
         order by revision desc limit 1")
        .bind(version_id).bind(from).bind(to).fetch_optional(conn).await?);
    let drifted = ReportState::Drifted.as_str();
    Ok(row.map_or_else(Last::default, |(revision, rows, state)| Last { revision, rows, drifted: state == drifted }))
}

/// Stores a report under its id; earlier revisions are superseded.
pub async fn insert_report(tx: &mut Tx, workspace: &str, model_id: &str, version_id: &str, id: &str, report: &DriftReport) -> Result<()> {
    on!(tx, conn => done(sqlx::query(
        "update drift_reports set state = 'SUPERSEDED' where model_version_id = $1 and window_start = $2 and window_end = $3 and revision < $4")
        .bind(version_id).bind(report.window_start.0).bind(report.window_end.0).bind(report.revision).execute(conn).await?));
    on!(tx, conn => done(sqlx::query(
        "insert into drift_reports (id, workspace, model_id, model_version_id, version, window_start, window_end, revision, state, num_rows,
            report_json, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
        .bind(id).bind(workspace).bind(model_id).bind(version_id).bind(report.version).bind(report.window_start.0)
        .bind(report.window_end.0).bind(report.revision).bind(report.state.as_str()).bind(report.num_rows).bind(report.report.to_string())
        .bind(report.created_at.0).execute(conn).await?));
    Ok(())
}

/// Which reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportFilter<'a> {
    /// One report.
    pub id: Option<&'a str>,
    /// Of one version.
    pub version: Option<i64>,
    /// In one state; superseded ones are listed only when asked for.
    pub state: Option<ReportState>,
    /// After this position of an earlier page: window start and id.
    pub after: Option<(i64, &'a str)>,
}

/// Lists reports about a model, newest window first.
pub async fn list_reports(tx: &mut Tx, workspace: &str, model: &str, filter: &ReportFilter<'_>, limit: i64) -> Result<Vec<DriftReport>> {
    type Row = (String, i64, i64, i64, i64, String, i64, String, i64);
    let (start, id) = filter.after.unwrap_or((i64::MAX, ""));
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(
        "select d.id, d.version, d.window_start, d.window_end, d.revision, d.state, d.num_rows, d.report_json, d.created_at
         from drift_reports d join registered_models m on m.id = d.model_id
         where d.workspace = $1 and m.name = $2 and ($3 = '' or d.id = $3) and d.version = coalesce($4, d.version)
            and (($5 = '' and (d.state <> 'SUPERSEDED' or $3 <> '')) or d.state = $5)
            and (d.window_start < $6 or (d.window_start = $6 and d.id < $7))
         order by d.window_start desc, d.id desc limit $8")
        .bind(workspace).bind(model).bind(filter.id.unwrap_or("")).bind(filter.version)
        .bind(filter.state.map_or("", ReportState::as_str)).bind(start).bind(id).bind(limit).fetch_all(conn).await?);
    rows.into_iter()
        .map(|(id, version, start, end, revision, state, num_rows, report, at)| {
            Ok(DriftReport {
                model: model.to_owned(),
                version,
                window_start: Timestamp(start),
                window_end: Timestamp(end),
                revision,
                state: ReportState::parse(&state).ok_or_else(|| Error::decode("drift_reports", "state", &id, &state))?,
                num_rows,
                report: json("drift_reports", "report_json", &id, &report)?,
                created_at: Timestamp(at),
                report_id: Some(id),
            })
        })
        .collect()
}
