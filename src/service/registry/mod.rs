//! The registry as MLflow's clients know it: what the native API has no use case for, stages, prompts and the searches. Aliases are
//! moved by `models`, so that a client's move passes the same gates and leaves the same history as a promotion.
//!
//! Messages follow MLflow's, because its clients and their users' programs look into them.

mod aliases;
mod check;
mod files;
mod models;
mod search;
mod source;
mod stages;
mod versions;

pub use search::RegistrySearch;
pub use versions::NewTrackedVersion;

use super::App;
use crate::domain::identity::Caller;
use crate::domain::model::ModelVersion;
use crate::domain::registry::TrackedModel;
use crate::domain::time::Timestamp;
use crate::error::{Error, Result};
use crate::store::{self, Tx};

/// Use cases of the registry.
pub struct Registry<'a>(pub(super) &'a App);

async fn model(tx: &mut Tx, caller: &Caller, name: &str) -> Result<TrackedModel> {
    store::tracking::registry::find_model(tx, &caller.workspace, name).await?.ok_or_else(|| no_model(name))
}

/// Locks a model and returns its id.
async fn lock(tx: &mut Tx, caller: &Caller, name: &str, now: Timestamp) -> Result<String> {
    store::model::touch(tx, &caller.workspace, name, now).await?.ok_or_else(|| no_model(name))
}

async fn version(tx: &mut Tx, caller: &Caller, name: &str, number: i64) -> Result<ModelVersion> {
    store::model::find_version(tx, &caller.workspace, name, number).await?.ok_or_else(|| no_version(name, number))
}

fn no_model(name: &str) -> Error {
    Error::not_found("model_not_found", format!("Registered Model with name={name} not found"))
}

fn no_version(name: &str, number: i64) -> Error {
    Error::not_found("model_version_not_found", format!("Model Version (name={name}, version={number}) not found"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("invalid_parameter_value", message)
}
