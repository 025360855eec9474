//! The Open Inference protocol, version 2, in JSON.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};

use super::codec::oip::{read_infer, write_infer, write_live, write_model_metadata, write_model_ready, write_ready, write_server_metadata};
use super::{Refusal, answered, json, read};
use crate::domain::identity::{Caller, Permission, Role};
use crate::http::routes::Routes;
use crate::infer::router::Selector;
use crate::infer::tensor::Tensor;
use crate::service::App;

pub(super) fn routes(routes: Routes) -> Routes {
    let viewer = Permission::AtLeast(Role::Viewer);
    let public = Permission::Public;
    routes
        .add_foreign(public, "GET", "/v2", get(server))
        .add_foreign(public, "GET", "/v2/health/live", get(|| async { json(StatusCode::OK, write_live(true)) }))
        .add_foreign(public, "GET", "/v2/health/ready", get(ready))
        .add_foreign(viewer, "GET", "/v2/models/{model}", get(metadata))
        .add_foreign(viewer, "GET", "/v2/models/{model}/ready", get(model_ready))
        .add_foreign(viewer, "POST", "/v2/models/{model}/infer", post(infer))
        .add_foreign(viewer, "GET", "/v2/models/{model}/versions/{version}", get(version_metadata))
        .add_foreign(viewer, "GET", "/v2/models/{model}/versions/{version}/ready", get(version_ready))
        .add_foreign(viewer, "POST", "/v2/models/{model}/versions/{version}/infer", post(version_infer))
}

async fn server() -> Response {
    json(StatusCode::OK, write_server_metadata("slipway", env!("CARGO_PKG_VERSION"), &[]))
}

async fn ready(State(app): State<App>) -> Response {
    let (ready, _) = app.readiness().await;
    json(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, write_ready(ready))
}

async fn metadata(State(app): State<App>, caller: Caller, Path(model): Path<String>) -> Result<Response, Refusal> {
    describe(&app, &caller, &model, Selector::Default)
}

async fn version_metadata(
    State(app): State<App>,
    caller: Caller,
    Path((model, version)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    describe(&app, &caller, &model, number(&version)?)
}

fn describe(app: &App, caller: &Caller, model: &str, which: Selector<'_>) -> Result<Response, Refusal> {
    let route = app.serving().route(caller, model).ok_or_else(|| not_served(model, which))?;
    let served = route.find(which).ok_or_else(|| not_served(model, which))?;
    let versions: Vec<String> = route.versions.keys().map(ToString::to_string).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    Ok(json(StatusCode::OK, write_model_metadata(model, &versions, "onnx", served.model.signature())))
}

async fn model_ready(State(app): State<App>, caller: Caller, Path(model): Path<String>) -> Response {
    told_ready(&app, &caller, &model, Selector::Default)
}

async fn version_ready(
    State(app): State<App>,
    caller: Caller,
    Path((model, version)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    Ok(told_ready(&app, &caller, &model, number(&version)?))
}

fn told_ready(app: &App, caller: &Caller, model: &str, which: Selector<'_>) -> Response {
    let ready = app.serving().find(caller, model, which).is_some();
    json(if ready { StatusCode::OK } else { StatusCode::NOT_FOUND }, write_model_ready(model, ready))
}

async fn infer(
    State(app): State<App>,
    caller: Caller,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    refuse_binary(&headers)?;
    answer(&app, &caller, &model, Selector::Default, body).await
}

async fn version_infer(
    State(app): State<App>,
    caller: Caller,
    Path((model, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    refuse_binary(&headers)?;
    answer(&app, &caller, &model, number(&version)?, body).await
}

async fn answer(app: &App, caller: &Caller, model: &str, which: Selector<'_>, body: Body) -> Result<Response, Refusal> {
    let served = app.serving().find(caller, model, which).ok_or_else(|| not_served(model, which))?;
    let body = read(app, body).await?;
    let signature = served.model.signature();
    let request = read_infer(&body, signature)?;
    let outputs = app.serving().predict(&served, request.inputs, &request.outputs).await?;
    let names = request.outputs.iter().map(|place| signature.outputs[*place].name.as_str());
    let named: Vec<(&str, &Tensor)> = names.zip(&outputs).collect();
    let body = write_infer(model, &served.version.to_string(), request.id.as_deref(), &named);
    Ok(answered(&served, body))
}

/// Tells clients of the binary extension, which is not announced, what to do instead of what is wrong with their bytes.
fn refuse_binary(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.contains_key("inference-header-content-length") {
        let message = "binary tensors are not offered; send the data as JSON (binary_data=False in tritonclient)";
        return Err(Refusal(StatusCode::BAD_REQUEST, message.to_owned()));
    }
    Ok(())
}

fn number(version: &str) -> Result<Selector<'_>, Refusal> {
    version.parse().map(Selector::Version).map_err(|_| Refusal::not_found(format!("{version:?} is not a version")))
}

fn not_served(model: &str, which: Selector<'_>) -> Refusal {
    match which {
        Selector::Version(version) => Refusal::not_found(format!("model {model:?} has no loaded version {version} here")),
        _ => Refusal::not_found(format!("model {model:?} has no champion here")),
    }
}
