//! Registered models and their versions in MLflow's database.

use std::collections::HashMap;

use super::Schema;
use crate::domain::model::ModelVersionState;
use crate::domain::moving::{MovedRegistered, MovedVersion};
use crate::domain::registry::ModelStage;
use crate::domain::time::Timestamp;
use crate::domain::tracking::Pair;
use crate::store::tracking::sql::{Dialect, Sql, fetch};
use crate::store::{Error, Result, Tx};

/// Lists registered models, prompts too, by name after `after`.
pub async fn list_models(tx: &mut Tx, schema: Schema, after: &str, limit: i64) -> Result<Vec<MovedRegistered>> {
    type Row = (String, Option<String>, Option<i64>, Option<i64>);
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select m.name, m.description, m.creation_time, m.last_updated_time from registered_models m where m.name > ",
    );
    sql.text(after).push(&schema.here("m")).push(" order by m.name limit ").number(limit);
    let rows: Vec<Row> = fetch!(tx, sql);
    let mut models = Vec::with_capacity(rows.len());
    for (name, description, created, updated) in rows {
        let created = created.unwrap_or(0);
        let mut sql = Sql::new(Dialect::of(tx), "select t.key, coalesce(t.value, '') from registered_model_tags t where t.name = ");
        sql.text(&name).push(&schema.here("t")).push(" order by t.key");
        let tags: Vec<(String, String)> = fetch!(tx, sql);
        let mut aliases: Vec<(String, i64)> = Vec::new();
        if schema.aliases {
            let mut sql =
                Sql::new(Dialect::of(tx), "select a.alias, cast(a.version as bigint) from registered_model_aliases a where a.name = ");
            sql.text(&name).push(&schema.here("a")).push(" order by a.alias");
            aliases = fetch!(tx, sql);
        }
        models.push(MovedRegistered {
            name,
            description: description.unwrap_or_default(),
            created_at: Timestamp(created),
            updated_at: Timestamp(updated.unwrap_or(created)),
            tags: tags.into_iter().map(|(key, value)| Pair { key, value }).collect(),
            aliases,
        });
    }
    Ok(models)
}

type Text = Option<String>;
type Row = (i64, Option<i64>, Option<i64>, Text, Text, Text, Text, Text, Text, Text, Text);

/// Lists versions of a model by number after `after`.
pub async fn list_versions(tx: &mut Tx, schema: Schema, model: &str, after: i64, limit: i64) -> Result<Vec<MovedVersion>> {
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select cast(v.version as bigint), v.creation_time, v.last_updated_time, v.description, v.user_id, v.current_stage, v.source,
            v.run_id, v.status, v.status_message, v.run_link
         from model_versions v where v.name = ",
    );
    sql.text(model).push(" and v.version > ").number(after).push(&schema.here("v"));
    sql.push(" and coalesce(v.current_stage, '') <> 'Deleted_Internal' order by v.version limit ").number(limit);
    let rows: Vec<Row> = fetch!(tx, sql);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        Dialect::of(tx),
        "select cast(t.version as bigint), t.key, coalesce(t.value, '') from model_version_tags t where t.name = ",
    );
    sql.text(model).push(&schema.here("t")).push(" and t.version in ").numbers(rows.iter().map(|row| row.0));
    let found: Vec<(i64, String, String)> = fetch!(tx, sql);
    let mut tags: HashMap<i64, Vec<Pair>> = HashMap::new();
    for (version, key, value) in found {
        tags.entry(version).or_default().push(Pair { key, value });
    }
    rows.into_iter().map(|row| version(model, row, &mut tags)).collect()
}

fn version(model: &str, row: Row, tags: &mut HashMap<i64, Vec<Pair>>) -> Result<MovedVersion> {
    let (version, created, updated, description, user, stage, source, run_id, status, status_message, run_link) = row;
    let at = || format!("{model}/{version}");
    let (stage, status) = (stage.unwrap_or_else(|| "None".to_owned()), status.unwrap_or_else(|| "READY".to_owned()));
    let created = created.unwrap_or(0);
    Ok(MovedVersion {
        version,
        description: description.unwrap_or_default(),
        user: user.unwrap_or_default(),
        stage: ModelStage::parse(&stage).ok_or_else(|| Error::decode("model_versions", "current_stage", &at(), stage))?,
        source: source.unwrap_or_default(),
        run_id: run_id.unwrap_or_default(),
        run_link: run_link.unwrap_or_default(),
        state: ModelVersionState::parse(&status).ok_or_else(|| Error::decode("model_versions", "status", &at(), status))?,
        state_message: status_message.unwrap_or_default(),
        created_at: Timestamp(created),
        updated_at: Timestamp(updated.unwrap_or(created)),
        tags: tags.remove(&version).unwrap_or_default(),
    })
}
