//! Aliases as clients set them: the same pointers, gates, history and events as promotions on the native API.

use super::{Registry, check, invalid, model, no_model, no_version, version};
use crate::domain::identity::Caller;
use crate::domain::model::ModelVersion;
use crate::error::{Error, Result};
use crate::service::Promotion;
use crate::store;

impl Registry<'_> {
    /// Points an alias at a version.
    pub async fn set_alias(&self, caller: &Caller, name: &str, alias: &str, number: &str) -> Result<()> {
        check::name(name)?;
        check::new_alias(alias)?;
        let number = check::number(number)?;
        let ask = Promotion { version: number, reason: "set by a client of MLflow's API".to_owned(), ..Promotion::default() };
        let moved = self.0.models().point(caller, name, alias, &ask).await;
        moved.map(|_| ()).map_err(|e| told(e, name, number))
    }

    /// Takes an alias away; one that is not there is gone already.
    pub async fn delete_alias(&self, caller: &Caller, name: &str, alias: &str) -> Result<()> {
        check::name(name)?;
        check::alias(alias)?;
        let deleted = self.0.models().delete_alias(caller, name, alias, None, "deleted by a client of MLflow's API").await;
        match deleted {
            Err(e) if e.code == "alias_not_found" => Ok(()),
            Err(e) if e.code == "model_not_found" => Err(no_model(name)),
            other => other,
        }
    }

    /// Returns the version that an alias points at; `latest` means the newest.
    pub async fn get_version_by_alias(&self, caller: &Caller, name: &str, alias: &str) -> Result<ModelVersion> {
        check::name(name)?;
        check::alias(alias)?;
        let mut tx = self.0.db().read().await?;
        let found = model(&mut tx, caller, name).await?;
        if alias.eq_ignore_ascii_case("latest") {
            let newest = found.latest.into_iter().max_by_key(|version| version.version);
            return newest
                .ok_or_else(|| Error::not_found("model_version_not_found", format!("Latest version not found for model {name}.")));
        }
        let number = found.model.aliases.get(alias).copied();
        // MLflow has this code for it, where one would expect "not found"
        let number = number.ok_or_else(|| invalid(format!("Registered model alias {alias} not found.")))?;
        version(&mut tx, caller, name, number).await
    }

    /// Lists the newest version of each of some stages, or of all.
    pub async fn latest_versions(&self, caller: &Caller, name: &str, stages: &[String]) -> Result<Vec<ModelVersion>> {
        check::name(name)?;
        let stages = stages.iter().map(|stage| super::stages::parse(stage)).collect::<Result<Vec<_>>>()?;
        let mut tx = self.0.db().read().await?;
        let latest = store::tracking::registry::find_model(&mut tx, &caller.workspace, name).await?.ok_or_else(|| no_model(name))?.latest;
        Ok(latest.into_iter().filter(|version| stages.is_empty() || stages.contains(&version.stage)).collect())
    }
}

/// Puts what refuses a move into MLflow's words, and says which gates failed: its clients see nothing but the message.
pub(super) fn told(error: Error, name: &str, number: i64) -> Error {
    match error.code {
        "model_not_found" => no_model(name),
        "model_version_not_found" => no_version(name, number),
        "gates_failed" => {
            let gates = error.details.iter().find(|(key, _)| *key == "gates").map(|(_, gates)| gates.clone()).unwrap_or_default();
            let failed: Vec<String> = gates
                .as_array()
                .into_iter()
                .flatten()
                .filter(|result| result["passed"] == false)
                .map(|result| format!("{} (the version has {}, the champion {})", result["gate"], result["value"], result["champion"]))
                .collect();
            let message = format!("Model Version (name={name}, version={number}) is refused: {}: {}", error.message, failed.join("; "));
            Error::conflict("gates_failed", message)
        }
        _ => error,
    }
}
