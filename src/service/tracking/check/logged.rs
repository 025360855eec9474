//! The limits of what may be said about logged models.

use super::{Pair, Result, invalid, storable, too_long};
use crate::domain::logged_model::ModelPoint;
use crate::service::tracking::NewLoggedModel;

/// Characters that would make a name mean something else in `models:/…`.
const NOT_IN_NAMES: [char; 6] = ['/', ':', '.', '%', '"', '\''];
const MAX_NAME: usize = 500;
const MAX_ID: usize = 250;
const MAX_KEY: usize = 255;
const MAX_VALUE: usize = 65_535;
const MAX_DATASET_NAME: usize = 500;
const MAX_DATASET_DIGEST: usize = 36;

/// Checks a model that is to be made.
pub(in crate::service::tracking) fn logged_model(new: &NewLoggedModel) -> Result<()> {
    if let Some(name) = &new.name {
        if name.is_empty() || name.contains(NOT_IN_NAMES) {
            return Err(invalid(format!(
                "Invalid model name ('{name}') provided. Model name must be a non-empty string and cannot contain the following \
                 characters: ('/', ':', '.', '%', '\"', \"'\")"
            )));
        }
        text(name, "name", MAX_NAME)?;
    }
    text(&new.model_type, "model_type", MAX_NAME)?;
    text(&new.source_run_id, "source_run_id", MAX_ID)?;
    model_params(&new.params)?;
    model_tags(&new.tags)
}

/// Checks params of a model.
pub(in crate::service::tracking) fn model_params(params: &[Pair]) -> Result<()> {
    params.iter().try_for_each(|param| pair(param, "params"))
}

/// Checks tags of a model.
pub(in crate::service::tracking) fn model_tags(tags: &[Pair]) -> Result<()> {
    tags.iter().try_for_each(|tag| pair(tag, "tags"))
}

fn pair(pair: &Pair, what: &str) -> Result<()> {
    text(&pair.key, &format!("{what}.key"), MAX_KEY)?;
    text(&pair.value, &format!("{what}.value"), MAX_VALUE)
}

/// Checks ids of models, which may be those of another server.
pub(in crate::service::tracking) fn model_ids<'a>(ids: impl Iterator<Item = &'a str>) -> Result<()> {
    for id in ids {
        if id.is_empty() {
            return Err(invalid("Missing value for required parameter 'model_id'."));
        }
        text(id, "model_id", MAX_ID)?;
    }
    Ok(())
}

/// Checks what a point says of its model and data set; as a point it is checked elsewhere.
pub(in crate::service::tracking) fn model_point(point: &ModelPoint) -> Result<()> {
    text(&point.model_id, "model_id", MAX_ID)?;
    text(&point.dataset_name, "dataset_name", MAX_DATASET_NAME)?;
    text(&point.dataset_digest, "dataset_digest", MAX_DATASET_DIGEST)
}

fn text(value: &str, what: &str, limit: usize) -> Result<()> {
    if value.chars().count() > limit {
        return Err(too_long(what, limit));
    }
    storable(value, what)
}
