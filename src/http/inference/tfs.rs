//! TensorFlow Serving's REST API. Its paths end in `:verb`, which a router's patterns can't match, so they are read here.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::codec::tfs::{VersionState, VersionStatus, read_predict, write_metadata, write_predict, write_status};
use super::{Refusal, answered, json, read};
use crate::domain::identity::{Caller, Permission, Role};
use crate::http::routes::Routes;
use crate::infer::router::Selector;
use crate::infer::tensor::Tensor;
use crate::service::App;

pub(super) fn routes(routes: Routes) -> Routes {
    let viewer = Permission::AtLeast(Role::Viewer);
    routes.add_foreign(viewer, "POST", "/v1/models/{*rest}", post(ask)).add_foreign(viewer, "GET", "/v1/models/{*rest}", get(look))
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
struct Address<'a> {
    model: &'a str,
    which: Selector<'a>,
    /// After the `:`, or the last word of the path.
    verb: &'a str,
}

impl<'a> Address<'a> {
    fn parse(rest: &'a str) -> Option<Self> {
        let (path, verb) = rest.split_once(':').unwrap_or((rest, ""));
        let (path, verb) = match path.strip_suffix("/metadata") {
            Some(path) if verb.is_empty() => (path, "metadata"),
            _ => (path, verb),
        };
        let mut parts = path.split('/');
        let model = parts.next().filter(|name| !name.is_empty())?;
        let which = match (parts.next(), parts.next()) {
            (None, None) => Selector::Default,
            (Some("versions"), Some(number)) => Selector::Version(number.parse().ok()?),
            (Some("labels"), Some(label)) => Selector::Label(label),
            _ => return None,
        };
        parts.next().is_none().then_some(Self { model, which, verb })
    }
}

async fn ask(State(app): State<App>, caller: Caller, Path(rest): Path<String>, body: Body) -> Result<Response, Refusal> {
    let address = Address::parse(&rest).ok_or_else(|| malformed(&rest))?;
    if address.verb != "predict" {
        let message = format!("{:?} is not offered; models answer to :predict", address.verb);
        return Err(Refusal(StatusCode::BAD_REQUEST, message));
    }
    let served = app.serving().find(&caller, address.model, address.which).ok_or_else(|| not_served(&address))?;
    let body = read(&app, body).await?;
    let signature = served.model.signature();
    let request = read_predict(&body, signature)?;
    let wanted: Vec<usize> = (0..signature.outputs.len()).collect();
    let outputs = app.serving().predict(&served, request.inputs, &wanted).await?;
    let named: Vec<(&str, &Tensor)> = signature.outputs.iter().map(|spec| spec.name.as_str()).zip(&outputs).collect();
    Ok(answered(&served, write_predict(request.form, &named)?))
}

async fn look(State(app): State<App>, caller: Caller, Path(rest): Path<String>) -> Result<Response, Refusal> {
    let address = Address::parse(&rest).ok_or_else(|| malformed(&rest))?;
    match address.verb {
        "metadata" => {
            let served = app.serving().find(&caller, address.model, address.which).ok_or_else(|| not_served(&address))?;
            let version = served.version.unsigned_abs();
            Ok(json(StatusCode::OK, write_metadata(address.model, version, served.model.signature())))
        }
        "" => {
            let route = app.serving().route(&caller, address.model).ok_or_else(|| not_served(&address))?;
            let one = match address.which {
                Selector::Default => None,
                which => Some(route.find(which).ok_or_else(|| not_served(&address))?.version),
            };
            let shown = route.versions.keys().rev().filter(|version| one.is_none_or(|one| one == **version));
            let status = |version: &i64| VersionStatus {
                version: version.unsigned_abs(),
                state: VersionState::Available,
                error_code: "OK",
                error_message: "",
            };
            let statuses: Vec<VersionStatus<'_>> = shown.map(status).collect();
            Ok(json(StatusCode::OK, write_status(&statuses)))
        }
        _ => Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "predictions are asked for with POST".to_owned())),
    }
}

fn malformed(rest: &str) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, format!("{rest:?} is not of the form model[/versions/N|/labels/L][:predict|/metadata]"))
}

fn not_served(address: &Address<'_>) -> Refusal {
    let what = match address.which {
        Selector::Default => "no champion".to_owned(),
        Selector::Version(version) => format!("no loaded version {version}"),
        Selector::Label(label) => format!("no label {label:?}"),
    };
    Refusal::not_found(format!("model {:?} has {what} here", address.model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let address = |model, which, verb| Some(Address { model, which, verb });
        assert_eq!(Address::parse("m:predict"), address("m", Selector::Default, "predict"));
        assert_eq!(Address::parse("m/versions/3:predict"), address("m", Selector::Version(3), "predict"));
        assert_eq!(Address::parse("m/labels/canary:predict"), address("m", Selector::Label("canary"), "predict"));
        assert_eq!(Address::parse("m"), address("m", Selector::Default, ""));
        assert_eq!(Address::parse("m/versions/3/metadata"), address("m", Selector::Version(3), "metadata"));
        assert_eq!(Address::parse("m/metadata"), address("m", Selector::Default, "metadata"));
        for bad in ["", ":predict", "m/versions", "m/versions/x:predict", "m/nothing/3", "m/versions/3/4", "/m"] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }
}
