//! Searches over registered models and their versions, and what belongs to many of them at once.

use std::collections::{BTreeMap, HashMap};

use super::filter;
use super::order::{join, push_after, push_order};
use super::sql::{Dialect, Sql, fetch};
use crate::domain::model::{ModelVersion, RegisteredModel};
use crate::domain::registry::{ModelStage, PROMPT_TAG, TrackedModel};
use crate::domain::search::{Clause, Cursor, Kind, OrderBy};
use crate::domain::time::Timestamp;
use crate::store::model::{VERSION_COLUMNS, VersionRow};
use crate::store::{Result, Tx, json};

/// Ids that one statement takes.
const AT_ONCE: usize = 500;

const MODEL_COLUMNS: &str = "select m.id, m.name, m.description, m.gates_json, m.last_version, m.created_by, m.created_at, m.updated_at
     from registered_models m";

/// Finds a model with its newest versions.
pub async fn find_model(tx: &mut Tx, workspace: &str, name: &str) -> Result<Option<TrackedModel>> {
    let mut sql = Sql::new(Dialect::of(tx), MODEL_COLUMNS);
    sql.push(" where m.workspace = ").text(workspace).push(" and m.deleted_at is null and m.name = ").text(name);
    Ok(load_models(tx, workspace, sql).await?.pop())
}

/// Lists up to `limit` models that pass all clauses, after a position.
pub async fn search_models(
    tx: &mut Tx,
    workspace: &str,
    (kind, clauses): (Kind, &[Clause]),
    (order, after): (&[OrderBy], Option<&Cursor>),
    limit: i64,
) -> Result<Vec<TrackedModel>> {
    let mut sql = Sql::new(Dialect::of(tx), MODEL_COLUMNS);
    let terms = join(&mut sql, order, false);
    sql.push(" where m.workspace = ").text(workspace).push(" and m.deleted_at is null");
    if kind == Kind::Models {
        sql.push(" and ");
        not_prompt(&mut sql, "model_tags p where p.model_id = m.id");
    }
    for clause in clauses {
        filter::push_model(&mut sql, clause);
    }
    if let Some(cursor) = after {
        push_after(&mut sql, &terms, &cursor.0);
    }
    push_order(&mut sql, &terms);
    sql.push(" limit ").number(limit);
    load_models(tx, workspace, sql).await
}

/// Lists up to `limit` versions that pass all clauses, after a position.
pub async fn search_versions(
    tx: &mut Tx,
    workspace: &str,
    (kind, clauses): (Kind, &[Clause]),
    (order, after): (&[OrderBy], Option<&Cursor>),
    limit: i64,
) -> Result<Vec<ModelVersion>> {
    let mut sql = Sql::new(Dialect::of(tx), VERSION_COLUMNS);
    sql.push(" from model_versions v join registered_models m on m.id = v.model_id");
    let terms = join(&mut sql, order, false);
    sql.push(" where v.workspace = ").text(workspace).push(" and m.workspace = ").text(workspace).push(" and v.state <> 'DELETED'");
    if kind == Kind::Models {
        sql.push(" and ");
        not_prompt(&mut sql, "model_tags p where p.model_id = v.model_id");
        sql.push(" and ");
        not_prompt(&mut sql, "model_version_tags p where p.model_version_id = v.id");
    }
    for clause in clauses {
        filter::push_version(&mut sql, clause);
    }
    if let Some(cursor) = after {
        push_after(&mut sql, &terms, &cursor.0);
    }
    push_order(&mut sql, &terms);
    sql.push(" limit ").number(limit);
    load_versions(tx, workspace, sql).await
}

fn not_prompt(sql: &mut Sql, tags: &str) {
    sql.push("not ").exists("select 1 from ").push(tags).push(" and p.key = ").text(PROMPT_TAG).push(" and p.value = 'true'").closed();
}

async fn load_models(tx: &mut Tx, workspace: &str, sql: Sql) -> Result<Vec<TrackedModel>> {
    type Row = (String, String, String, String, i64, String, i64, i64);
    let rows: Vec<Row> = fetch!(tx, sql);
    let ids: Vec<String> = rows.iter().map(|row| row.0.clone()).collect();
    let mut aliases: HashMap<String, BTreeMap<String, i64>> = HashMap::new();
    for ((model_id, version), names) in aliases_of(tx, workspace, &ids).await? {
        aliases.entry(model_id).or_default().extend(names.into_iter().map(|name| (name, version)));
    }
    let mut tags = tags_of(tx, "model_tags", "model_id", &ids).await?;
    let mut latest = latest_of(tx, workspace, &ids).await?;
    let mut models = Vec::with_capacity(rows.len());
    for (id, name, description, gates, last_version, created_by, created_at, updated_at) in rows {
        let model = RegisteredModel {
            name,
            description,
            gates: json("registered_models", "gates_json", &id, &gates)?,
            last_version,
            aliases: aliases.remove(&id).unwrap_or_default(),
            tags: tags.remove(&id).unwrap_or_default(),
            created_by,
            created_at: Timestamp(created_at),
            updated_at: Timestamp(updated_at),
        };
        models.push(TrackedModel { latest: latest.remove(&id).unwrap_or_default(), id, model });
    }
    Ok(models)
}

async fn load_versions(tx: &mut Tx, workspace: &str, sql: Sql) -> Result<Vec<ModelVersion>> {
    let rows: Vec<VersionRow> = fetch!(tx, sql);
    Ok(complete(tx, workspace, rows).await?.into_iter().map(|(_, version)| version).collect())
}

/// Completes rows with aliases and tags; each comes with the id of its model.
async fn complete(tx: &mut Tx, workspace: &str, rows: Vec<VersionRow>) -> Result<Vec<(String, ModelVersion)>> {
    let mut models: Vec<String> = rows.iter().map(|row| row.model_id.clone()).collect();
    models.sort_unstable();
    models.dedup();
    let mut aliases = aliases_of(tx, workspace, &models).await?;
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut tags = tags_of(tx, "model_version_tags", "model_version_id", &ids).await?;
    let with = |row: VersionRow| {
        let model_id = row.model_id.clone();
        let names = aliases.remove(&(model_id.clone(), row.version)).unwrap_or_default();
        let tags = tags.remove(&row.id).unwrap_or_default();
        Ok((model_id, row.with(names, tags)?))
    };
    rows.into_iter().map(with).collect()
}

/// Reads which aliases point at which versions of models.
async fn aliases_of(tx: &mut Tx, workspace: &str, models: &[String]) -> Result<HashMap<(String, i64), Vec<String>>> {
    let mut found: HashMap<(String, i64), Vec<String>> = HashMap::new();
    for chunk in models.chunks(AT_ONCE) {
        let mut sql = Sql::new(Dialect::of(tx), "select model_id, version, alias from aliases where workspace = ");
        sql.text(workspace).push(" and version is not null and model_id in ").texts(chunk.iter().map(String::as_str));
        sql.push(" order by model_id, alias");
        let rows: Vec<(String, i64, String)> = fetch!(tx, sql);
        for (model_id, version, alias) in rows {
            found.entry((model_id, version)).or_default().push(alias);
        }
    }
    Ok(found)
}

async fn tags_of(tx: &mut Tx, table: &str, id: &str, ids: &[String]) -> Result<HashMap<String, BTreeMap<String, String>>> {
    let mut found: HashMap<String, BTreeMap<String, String>> = HashMap::new();
    for chunk in ids.chunks(AT_ONCE) {
        let mut sql = Sql::new(Dialect::of(tx), &format!("select {id}, key, value from {table} where {id} in "));
        sql.texts(chunk.iter().map(String::as_str));
        let rows: Vec<(String, String, String)> = fetch!(tx, sql);
        for (id, key, value) in rows {
            found.entry(id).or_default().insert(key, value);
        }
    }
    Ok(found)
}

/// Reads the newest version of each stage of models, oldest first. An index answers what is newest, however many versions there are.
async fn latest_of(tx: &mut Tx, workspace: &str, models: &[String]) -> Result<HashMap<String, Vec<ModelVersion>>> {
    let mut found: HashMap<String, Vec<ModelVersion>> = HashMap::new();
    for chunk in models.chunks(AT_ONCE) {
        let mut sql = Sql::new(Dialect::of(tx), VERSION_COLUMNS);
        sql.push(" from registered_models m join model_versions v on v.model_id = m.id where m.workspace = ").text(workspace);
        sql.push(" and m.id in ").texts(chunk.iter().map(String::as_str)).push(" and v.version in (");
        for (i, stage) in ModelStage::ALL.into_iter().enumerate() {
            sql.push(if i == 0 { "" } else { ", " });
            sql.push("(select max(w.version) from model_versions w where w.model_id = m.id and w.stage = ").text(stage.as_str());
            sql.push(" and w.state <> 'DELETED')");
        }
        sql.push(") order by m.id, v.version");
        let rows: Vec<VersionRow> = fetch!(tx, sql);
        for (model_id, version) in complete(tx, workspace, rows).await? {
            found.entry(model_id).or_default().push(version);
        }
    }
    Ok(found)
}
