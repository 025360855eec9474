//! What is written to a run.

use axum::extract::State;
use axum::response::Response;

use super::refusal::Refusal;
use super::request::{Fields, Message, double, missing, mistyped};
use super::wire::nothing;
use crate::domain::identity::Caller;
use crate::domain::run::{MetricPoint, Number};
use crate::domain::tracking::{DatasetInput, LoggedDataset, Pair};
use crate::service::{App, Batch};

pub(super) async fn metric(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (run_id, key) = (fields.run_id()?, fields.required("key")?.to_owned());
    let value = fields.double("value")?.ok_or_else(|| missing("value"))?;
    let timestamp = fields.integer("timestamp")?.ok_or_else(|| missing("timestamp"))?;
    let step = fields.integer("step")?.unwrap_or(0);
    app.tracking().log_metric(&caller, run_id, MetricPoint { key, value: Number(value), timestamp, step }).await?;
    Ok(nothing())
}

pub(super) async fn param(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().log_param(&caller, fields.run_id()?, &pair(&fields)?).await?;
    Ok(nothing())
}

pub(super) async fn set_tag(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().set_tag(&caller, fields.run_id()?, &pair(&fields)?).await?;
    Ok(nothing())
}

fn pair(fields: &Fields) -> Result<Pair, Refusal> {
    Ok(Pair { key: fields.required("key")?.to_owned(), value: fields.text("value")?.unwrap_or_default().to_owned() })
}

pub(super) async fn delete_tag(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().delete_tag(&caller, fields.run_id()?, fields.required("key")?).await?;
    Ok(nothing())
}

pub(super) async fn batch(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let run_id = fields.run_id()?;
    let metrics = fields.messages("metrics")?.iter().map(point).collect::<Result<Vec<_>, _>>()?;
    let batch = Batch { metrics, params: fields.pairs("params")?, tags: fields.pairs("tags")? };
    app.tracking().log_batch(&caller, run_id, batch).await?;
    Ok(nothing())
}

fn point(message: &Message<'_>) -> Result<MetricPoint, Refusal> {
    let key = message.required("key")?;
    let value = message.value("value").ok_or_else(|| missing(&message.path("value")))?;
    let value = double(value).ok_or_else(|| mistyped(&message.path("value"), value))?;
    let timestamp = message.integer("timestamp")?.ok_or_else(|| missing(&message.path("timestamp")))?;
    Ok(MetricPoint { key, value: Number(value), timestamp, step: message.integer("step")?.unwrap_or(0) })
}

pub(super) async fn inputs(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    if !fields.messages("models")?.is_empty() {
        return Err(Refusal::invalid("logged models as inputs of runs are not supported by this server"));
    }
    let inputs = fields.messages("datasets")?.iter().map(input).collect::<Result<Vec<_>, _>>()?;
    app.tracking().log_inputs(&caller, fields.run_id()?, &inputs).await?;
    Ok(nothing())
}

fn input(message: &Message<'_>) -> Result<DatasetInput, Refusal> {
    let dataset = message.message("dataset")?;
    Ok(DatasetInput {
        dataset: LoggedDataset {
            name: dataset.required("name")?,
            digest: dataset.required("digest")?,
            source_type: dataset.required("source_type")?,
            source: dataset.required("source")?,
            schema: dataset.text("schema")?,
            profile: dataset.text("profile")?,
        },
        tags: message.messages("tags")?.iter().map(Message::pair).collect::<Result<_, _>>()?,
    })
}
