//! The door for MLflow's clients: tracking, the model registry and the artifact proxy, under `/api/2.0`, `/api/3.0` and their `/ajax-api`
//! spellings. `request` reads bodies and queries as MLflow's protobufs do, `refusal` writes its errors, `wire` its answers;
//! the other files hold handlers by noun. docs/mlflow-compatibility.md lists where answers differ from MLflow's own.

mod artifact;
mod experiment;
mod log;
mod logged_model;
mod model;
mod otlp;
mod refusal;
mod request;
mod run;
mod search;
mod trace;
mod version;
mod webhook;
mod wire;
mod wire_model;

use axum::Json;
use axum::handler::Handler;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::json;

use super::problem::Problem;
use super::routes::Routes;
use crate::domain::identity::{Permission, Role};
use crate::service::App;

/// The version whose answers these are. Clients look at it before they use what is new.
pub const COMPATIBLE_WITH: &str = "3.17.2";

const PREFIXES: [&str; 4] = ["/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0"];

pub(super) fn routes(routes: Routes) -> Routes {
    let mut door = Door(routes);
    door.open("/health", || async { "OK" });
    door.open("/version", || async { COMPATIBLE_WITH });
    for prefix in PREFIXES {
        door.open(&format!("{prefix}/mlflow/server-info"), server_info);
    }

    door.write("experiments/create", experiment::create);
    door.read("experiments/get", experiment::get);
    door.read("experiments/get-by-name", experiment::get_by_name);
    door.read("experiments/search", search::experiments);
    door.find("experiments/search", search::experiments);
    door.write("experiments/update", experiment::update);
    door.write("experiments/delete", experiment::delete);
    door.write("experiments/restore", experiment::restore);
    door.write("experiments/set-experiment-tag", experiment::set_tag);
    door.write("experiments/delete-experiment-tag", experiment::delete_tag);

    door.write("runs/create", run::create);
    door.read("runs/get", run::get);
    door.write("runs/update", run::update);
    door.write("runs/delete", run::delete);
    door.write("runs/restore", run::restore);
    door.find("runs/search", search::runs);
    door.write("runs/outputs", logged_model::outputs);
    door.write("runs/log-model", logged_model::record);

    door.write("logged-models", logged_model::create);
    door.find("logged-models/search", logged_model::search);
    door.read("logged-models/{model_id}", logged_model::get);
    door.change("logged-models/{model_id}", logged_model::finalise);
    door.remove("logged-models/{model_id}", logged_model::delete);
    door.write("logged-models/{model_id}/params", logged_model::params);
    door.change("logged-models/{model_id}/tags", logged_model::set_tags);
    door.remove("logged-models/{model_id}/tags/{tag_key}", logged_model::delete_tag);
    door.read("logged-models/{model_id}/artifacts/directories", logged_model::list_files);
    door.page(Role::Viewer, "GET", "logged-models/{model_id}/artifacts/files", artifact::download_of_model);

    door.write("runs/log-metric", log::metric);
    door.write("runs/log-parameter", log::param);
    door.write("runs/log-batch", log::batch);
    door.write("runs/set-tag", log::set_tag);
    door.write("runs/delete-tag", log::delete_tag);
    door.write("runs/log-inputs", log::inputs);
    door.read("metrics/get-history", run::history);
    door.read("metrics/get-history-bulk", run::history_bulk);
    door.read("metrics/get-history-bulk-interval", run::history_sampled);

    door.write("registered-models/create", model::create);
    door.read("registered-models/get", model::get);
    door.read("registered-models/search", model::search);
    door.change("registered-models/update", model::update);
    door.operate("POST", "registered-models/rename", model::rename);
    door.operate("DELETE", "registered-models/delete", model::delete);
    door.write("registered-models/set-tag", model::set_tag);
    door.remove("registered-models/delete-tag", model::delete_tag);
    door.read("registered-models/get-latest-versions", model::latest_versions);
    door.find("registered-models/get-latest-versions", model::latest_versions);
    door.read("registered-models/alias", model::get_by_alias);
    door.operate("POST", "registered-models/alias", model::set_alias);
    door.operate("DELETE", "registered-models/alias", model::delete_alias);

    door.write("model-versions/create", version::create);
    door.read("model-versions/get", version::get);
    door.read("model-versions/search", version::search);
    door.change("model-versions/update", version::update);
    door.operate("DELETE", "model-versions/delete", version::delete);
    door.operate("POST", "model-versions/transition-stage", version::transition);
    door.read("model-versions/get-download-uri", version::download_uri);
    door.write("model-versions/set-tag", version::set_tag);
    door.remove("model-versions/delete-tag", version::delete_tag);

    trace::routes(&mut door);

    door.everywhere(Role::Operator, "POST", "mlflow/webhooks", webhook::create);
    door.everywhere(Role::Operator, "GET", "mlflow/webhooks", webhook::list);
    door.everywhere(Role::Operator, "GET", "mlflow/webhooks/{webhook_id}", webhook::get);
    door.everywhere(Role::Operator, "PATCH", "mlflow/webhooks/{webhook_id}", webhook::update);
    door.everywhere(Role::Operator, "DELETE", "mlflow/webhooks/{webhook_id}", webhook::delete);
    door.everywhere(Role::Operator, "POST", "mlflow/webhooks/{webhook_id}/test", webhook::test);

    door.read("artifacts/list", artifact::list_of_run);
    door.artifact("GET", "", Role::Viewer, artifact::list);
    door.artifact("GET", "/{*artifact_path}", Role::Viewer, artifact::download);
    door.artifact("PUT", "/{*artifact_path}", Role::Developer, artifact::upload);
    door.artifact("DELETE", "/{*artifact_path}", Role::Developer, artifact::delete);
    door.page(Role::Developer, "POST", "upload-artifact", artifact::upload_of_run);
    door.add(Permission::AtLeast(Role::Viewer), "GET", "/get-artifact", artifact::download_of_run);
    door.add(Permission::AtLeast(Role::Viewer), "GET", "/model-versions/get-artifact", version::download);
    door.0
}

/// Registers handlers under all spellings, each with its policy row.
struct Door(Routes);

impl Door {
    fn add<H: Handler<T, App>, T: 'static>(&mut self, permission: Permission, method: &str, path: &str, handler: H) {
        let routes = std::mem::replace(&mut self.0, Routes::new());
        self.0 = routes.add_dialect(permission, method, path, answer(method, handler));
    }

    fn open<H: Handler<T, App>, T: 'static>(&mut self, path: &str, handler: H) {
        self.add(Permission::Public, "GET", path, handler);
    }

    fn everywhere<H: Handler<T, App>, T: 'static>(&mut self, role: Role, method: &str, path: &str, handler: H) {
        self.under(&PREFIXES, role, method, path, handler);
    }

    /// Registers a handler under some of the spellings, where one path means two things.
    fn under<H: Handler<T, App>, T: 'static>(&mut self, prefixes: &[&str], role: Role, method: &str, path: &str, handler: H) {
        for prefix in prefixes {
            self.add(Permission::AtLeast(role), method, &format!("{prefix}/{path}"), handler.clone());
        }
    }

    fn read<H: Handler<T, App>, T: 'static>(&mut self, path: &str, handler: H) {
        self.everywhere(Role::Viewer, "GET", &format!("mlflow/{path}"), handler);
    }

    /// A search, which is asked by POST and changes nothing.
    fn find<H: Handler<T, App>, T: 'static>(&mut self, path: &str, handler: H) {
        self.everywhere(Role::Viewer, "POST", &format!("mlflow/{path}"), handler);
    }

    fn write<H: Handler<T, App>, T: 'static>(&mut self, path: &str, handler: H) {
        self.everywhere(Role::Developer, "POST", &format!("mlflow/{path}"), handler);
    }

    fn change<H: Handler<T, App>, T: 'static>(&mut self, path: &str, handler: H) {
        self.everywhere(Role::Developer, "PATCH", &format!("mlflow/{path}"), handler);
    }

    fn remove<H: Handler<T, App>, T: 'static>(&mut self, path: &str, handler: H) {
        self.everywhere(Role::Developer, "DELETE", &format!("mlflow/{path}"), handler);
    }

    /// What MLflow has for its own pages alone.
    fn page<H: Handler<T, App>, T: 'static>(&mut self, role: Role, method: &str, path: &str, handler: H) {
        self.add(Permission::AtLeast(role), method, &format!("/ajax-api/2.0/mlflow/{path}"), handler);
    }

    /// What changes which version is used, as promoting on the native API does.
    fn operate<H: Handler<T, App>, T: 'static>(&mut self, method: &str, path: &str, handler: H) {
        self.everywhere(Role::Operator, method, &format!("mlflow/{path}"), handler);
    }

    fn artifact<H: Handler<T, App>, T: 'static>(&mut self, method: &str, path: &str, role: Role, handler: H) {
        self.everywhere(role, method, &format!("mlflow-artifacts/artifacts{path}"), handler);
    }
}

fn answer<H: Handler<T, App>, T: 'static>(method: &str, handler: H) -> MethodRouter<App> {
    let filter = match method {
        "GET" => MethodFilter::GET,
        "PUT" => MethodFilter::PUT,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::POST,
    };
    on(filter, handler)
}

/// Tells whether a path belongs to this door, whether or not something is there.
pub(super) fn is_here(path: &str) -> bool {
    matches!(path, "/get-artifact" | "/model-versions/get-artifact" | otlp::PATH)
        || PREFIXES.iter().any(|prefix| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')))
}

/// Writes a refusal of the gate in this dialect.
pub(super) fn refuse(problem: &Problem) -> Response {
    refusal::of_gate(problem).into_response()
}

/// Answers where nothing is. Clients take a 404 that is not JSON as "this server is older than I am".
pub(super) fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/plain")], "there is nothing at this path").into_response()
}

/// Tells clients what they may use. It is asked before they log in.
async fn server_info() -> Response {
    Json(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        "multipart_uploads_enabled": false,
        "multipart_downloads_enabled": false,
        "presigned_upload_run_id_supported": false,
        "presigned_upload_model_id_supported": false,
        "features_enabled": { "gateway": false },
    }))
    .into_response()
}
