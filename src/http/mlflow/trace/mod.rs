//! Traces of version 3 of the API. `v2` holds what older clients call, `assessment` what is said about traces.

mod assessment;
mod v2;
mod wire;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::request::{Fields, missing, mistyped};
use super::wire::nothing;
use super::{Door, otlp};
use crate::domain::identity::{Caller, Role};
use crate::domain::trace::{TraceInfo, TraceState};
use crate::domain::tracking::Pair;
use crate::error::Error;
use crate::service::{App, TraceSearch};

/// Size of a page when none is asked for, and the largest.
const DEFAULT_PAGE: i64 = 100;
const MAX_PAGE: i64 = 500;

const V2: [&str; 2] = ["/api/2.0", "/ajax-api/2.0"];
const V3: [&str; 2] = ["/api/3.0", "/ajax-api/3.0"];

/// Registers the routes. Versions 2 and 3 give one path two meanings, so what is theirs stands under their prefixes alone.
pub(super) fn routes(door: &mut Door) {
    use Role::{Developer, Viewer};
    door.under(&V3, Developer, "POST", "mlflow/traces", start);
    door.under(&V3, Viewer, "GET", "mlflow/traces/{trace_id}", get_info);
    door.under(&V2, Developer, "POST", "mlflow/traces", v2::start);
    door.under(&V2, Viewer, "GET", "mlflow/traces", v2::search);
    door.under(&V2, Developer, "PATCH", "mlflow/traces/{trace_id}", v2::end);
    door.under(&V2, Viewer, "GET", "mlflow/traces/{trace_id}/info", v2::get_info);

    door.find("traces/search", search);
    door.read("traces/get", get);
    door.read("traces/batchGet", batch_get);
    door.find("traces/batchGetInfos", batch_get_infos);
    door.write("traces/delete-traces", delete);
    door.find("traces/calculate-filter-correlation", correlate);
    door.write("traces/link-to-run", link_to_run);
    door.write("traces/link-prompts", link_prompts);
    door.everywhere(Developer, "PATCH", "mlflow/traces/{trace_id}/tags", set_tag);
    door.everywhere(Developer, "DELETE", "mlflow/traces/{trace_id}/tags", delete_tag);
    door.read("get-trace-artifact", file);

    door.write("traces/{trace_id}/assessments", assessment::create);
    let one = "mlflow/traces/{trace_id}/assessments/{assessment_id}";
    door.everywhere(Viewer, "GET", one, assessment::get);
    door.everywhere(Developer, "PATCH", one, assessment::update);
    door.everywhere(Developer, "DELETE", one, assessment::delete);
    door.add(crate::domain::identity::Permission::AtLeast(Developer), "POST", otlp::PATH, otlp::export);
}

/// Reads a trace without its spans.
fn read_info(message: &Value) -> Result<TraceInfo, Refusal> {
    let trace_id = wire::text(message, "trace_id")?.filter(|id| !id.is_empty()).ok_or_else(|| missing("trace.trace_info.trace_id"))?;
    let location = wire::at(message, "trace_location").and_then(|location| wire::at(location, "mlflow_experiment"));
    let experiment_id = location.map(|location| wire::text(location, "experiment_id")).transpose()?.flatten();
    let request_time = wire::time(message, "request_time")?.map_or(0, |time| time.0);
    let duration = match wire::text(message, "execution_duration")? {
        Some(text) => Some(wire::millis(&text).ok_or_else(|| mistyped("execution_duration", &json!(text)))?),
        None => None,
    };
    let assessments = match wire::at(message, "assessments") {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(assessment::read).collect::<Result<_, _>>()?,
        Some(other) => return Err(mistyped("assessments", other)),
    };
    Ok(TraceInfo {
        trace_id,
        experiment_id: experiment_id.filter(|id| !id.is_empty()).ok_or_else(|| missing("trace.trace_info.trace_location"))?,
        request_time,
        end_time: duration.map(|ms| request_time.saturating_add(ms)),
        state: state(wire::at(message, "state"))?,
        client_request_id: wire::text(message, "client_request_id")?,
        request_preview: wire::text(message, "request_preview")?,
        response_preview: wire::text(message, "response_preview")?,
        metadata: wire::pairs(message, "trace_metadata")?,
        tags: wire::pairs(message, "tags")?,
        assessments,
    })
}

/// Reads a state by its name or its number.
fn state(value: Option<&Value>) -> Result<TraceState, Refusal> {
    let found = match value {
        None => Some(TraceState::Unspecified),
        Some(Value::String(name)) if name == "TRACE_STATUS_UNSPECIFIED" => Some(TraceState::Unspecified),
        Some(Value::String(name)) => TraceState::parse(name),
        Some(other) => other.as_i64().and_then(TraceState::from_number),
    };
    found.ok_or_else(|| mistyped("state", value.unwrap_or(&Value::Null)))
}

async fn start(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let trace = fields.value("trace").ok_or_else(|| missing("trace"))?;
    let info = read_info(wire::at(trace, "trace_info").ok_or_else(|| missing("trace.trace_info"))?)?;
    let made = app.tracking().start_trace(&caller, info).await?;
    Ok(Json(json!({ "trace": { "trace_info": wire::info(&made) } })).into_response())
}

async fn get_info(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response, Refusal> {
    let info = app.tracking().get_trace_info(&caller, &id).await?;
    Ok(Json(json!({ "trace": { "trace_info": wire::info(&info) } })).into_response())
}

async fn get(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let partial = fields.text("allow_partial")?.is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let trace = app.tracking().get_trace(&caller, fields.required("trace_id")?, partial).await?;
    Ok(Json(json!({ "trace": wire::trace(&trace) })).into_response())
}

/// Reads which experiments may be looked into; none when all may.
fn experiments(fields: &Fields) -> Result<Option<Vec<String>>, Refusal> {
    fields.value("experiment_ids").map(|_| fields.texts("experiment_ids")).transpose()
}

fn named(fields: &Fields) -> Result<Vec<String>, Refusal> {
    Some(fields.texts("trace_ids")?).filter(|ids| !ids.is_empty()).ok_or_else(|| missing("trace_ids"))
}

async fn batch_get(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let traces = app.tracking().get_traces(&caller, &named(&fields)?, experiments(&fields)?.as_deref()).await?;
    Ok(Json(json!({ "traces": traces.iter().map(wire::trace).collect::<Vec<_>>() })).into_response())
}

async fn batch_get_infos(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let infos = app.tracking().get_trace_infos(&caller, &named(&fields)?, experiments(&fields)?.as_deref()).await?;
    Ok(Json(json!({ "trace_infos": infos.iter().map(wire::info).collect::<Vec<_>>() })).into_response())
}

/// Reads what is looked for, but for where.
fn request(fields: &Fields, experiments: Vec<String>) -> Result<TraceSearch, Refusal> {
    let max_results = fields.integer("max_results")?.unwrap_or(DEFAULT_PAGE);
    if max_results > MAX_PAGE {
        return Err(mistyped("max_results", &max_results.into()));
    }
    Ok(TraceSearch {
        experiments,
        filter: fields.text("filter")?.unwrap_or_default().to_owned(),
        order_by: fields.texts("order_by")?,
        max_results,
        page_token: fields.text("page_token")?.unwrap_or_default().to_owned(),
    })
}

async fn search(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let Some(Value::Array(locations)) = fields.value("locations") else { return Err(missing("locations")) };
    let experiments = locations.iter().filter_map(|location| wire::at(location, "mlflow_experiment"));
    let experiments = experiments.filter_map(|location| wire::text(location, "experiment_id").transpose()).collect::<Result<_, _>>()?;
    let (found, next) = app.tracking().search_traces(&caller, &request(&fields, experiments)?).await?;
    let mut answer = json!({ "traces": found.iter().map(wire::info).collect::<Vec<_>>() });
    if let Some(token) = next {
        answer["next_page_token"] = json!(token);
    }
    Ok(Json(answer).into_response())
}

async fn delete(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let (until, most) = (fields.integer("max_timestamp_millis")?, fields.integer("max_traces")?);
    let ids = fields.texts("request_ids")?;
    let deleted = app.tracking().delete_traces(&caller, fields.required("experiment_id")?, until, most, &ids).await?;
    Ok(Json(json!({ "traces_deleted": deleted })).into_response())
}

async fn correlate(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let experiments = Some(fields.texts("experiment_ids")?).filter(|ids| !ids.is_empty()).ok_or_else(|| missing("experiment_ids"))?;
    let filters = (fields.required("filter_string1")?, fields.required("filter_string2")?);
    let base = fields.text("base_filter")?.unwrap_or_default();
    let found = app.tracking().correlate_traces(&caller, &experiments, filters, base).await?;
    let mut answer = json!({
        "filter1_count": found.first,
        "filter2_count": found.second,
        "joint_count": found.both,
        "total_count": found.all,
    });
    for (name, value) in [("npmi", found.npmi(0.0)), ("npmi_smoothed", found.npmi(0.5))] {
        if let Some(value) = value {
            answer[name] = json!(value);
        }
    }
    Ok(Json(answer).into_response())
}

async fn link_to_run(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().link_traces(&caller, &named(&fields)?, fields.required("run_id")?).await?;
    Ok(nothing())
}

async fn link_prompts(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let versions = fields.messages("prompt_versions")?;
    let prompts = versions.iter().map(|version| Ok((version.required("name")?, version.required("version")?)));
    let prompts = prompts.collect::<Result<Vec<_>, Refusal>>()?;
    app.tracking().link_prompts(&caller, fields.required("trace_id")?, &prompts).await?;
    Ok(nothing())
}

async fn set_tag(State(app): State<App>, caller: Caller, Path(id): Path<String>, fields: Fields) -> Result<Response, Refusal> {
    let tag = Pair { key: fields.required("key")?.to_owned(), value: fields.text("value")?.unwrap_or_default().to_owned() };
    app.tracking().set_trace_tag(&caller, &id, &tag).await?;
    Ok(nothing())
}

async fn delete_tag(State(app): State<App>, caller: Caller, Path(id): Path<String>, fields: Fields) -> Result<Response, Refusal> {
    app.tracking().delete_trace_tag(&caller, &id, fields.required("key")?).await?;
    Ok(nothing())
}

/// Answers with the spans of a trace as the file that older clients keep them in.
async fn file(State(app): State<App>, caller: Caller, fields: Fields) -> Result<Response, Refusal> {
    let id = fields.text("request_id")?.filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Refusal::invalid("Request must include the \"request_id\" query parameter."))?;
    if fields.text("path")?.is_some_and(|path| !path.is_empty()) {
        return Err(Error::not_found("artifact_not_found", format!("trace {id} has no such attachment")).into());
    }
    let trace = app.tracking().get_trace(&caller, id, true).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment; filename=traces.json"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, wire::file(&trace.spans).to_string()).into_response())
}
