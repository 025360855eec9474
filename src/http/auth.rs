//! The gate before every route: who is calling, and does the policy row of the route let them in.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::mlflow;
use super::problem::Problem;
use super::routes::PolicyRow;
use crate::config::Auth;
use crate::domain::identity::{Caller, Permission};
use crate::service::App;

/// The policy table, ready to be asked.
#[derive(Clone)]
pub(super) struct Gate {
    app: App,
    policy: Arc<HashMap<(String, String), Permission>>,
}

impl Gate {
    pub(super) fn new(app: App, rows: Vec<PolicyRow>) -> Self {
        Self { app, policy: Arc::new(rows.into_iter().map(|row| ((row.method, row.path), row.permission)).collect()) }
    }
}

/// Lets a request through to its handler, or answers 401 or 403. A route without a row is closed to everyone.
pub(super) async fn check(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()) else {
        return next.run(request).await;
    };
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let needed = match gate.policy.get(&(method.as_str().to_owned(), path)) {
        Some(Permission::Public) => return next.run(request).await,
        Some(Permission::AtLeast(role)) => *role,
        // the router answers 405 for a method that the path does not have
        None => return next.run(request).await,
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let caller = match caller(&gate.app, request.headers().clone(), peer).await {
        Ok(caller) => caller,
        Err(problem) => return refuse(request.uri().path(), problem),
    };
    if caller.role < needed {
        let detail = format!("this needs the role {}, the key has {}", needed.as_str(), caller.role.as_str());
        return refuse(request.uri().path(), Problem::new(StatusCode::FORBIDDEN, "permission_denied", detail));
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Refuses in the dialect of the path.
fn refuse(path: &str, problem: Problem) -> Response {
    if mlflow::is_here(path) { mlflow::refuse(&problem) } else { problem.into_response() }
}

async fn caller(app: &App, headers: HeaderMap, peer: Option<IpAddr>) -> Result<Caller, Problem> {
    if let Some(key) = key_of(&headers)? {
        return Ok(app.keys().authenticate(key).await?);
    }
    let missing = || Problem::new(StatusCode::UNAUTHORIZED, "missing_key", "this needs an API key: Authorization: Bearer slw_…");
    let open = app.config().auth == Auth::Auto && app.config().is_loopback() && peer.is_some_and(|ip| ip.is_loopback());
    if !open {
        return Err(missing());
    }
    // A page in the owner's browser reaches loopback too. Its requests carry a foreign Origin, or a Host that was rebound.
    if !header_is_local(&headers, header::HOST.as_str(), true) || !header_is_local(&headers, header::ORIGIN.as_str(), false) {
        let detail = "without a key only requests addressed to localhost, from no other site, are let in";
        return Err(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail));
    }
    Ok(Caller::local())
}

fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let malformed = || Problem::new(StatusCode::UNAUTHORIZED, "invalid_key", "the API key is not valid");
    if let Some(value) = headers.get("x-api-key") {
        return value.to_str().map(Some).map_err(|_| malformed());
    }
    match headers.get(header::AUTHORIZATION) {
        None => Ok(None),
        Some(value) => {
            let text = value.to_str().map_err(|_| malformed())?;
            text.strip_prefix("Bearer ").map(|key| Some(key.trim())).ok_or_else(malformed)
        }
    }
}

/// Tells whether a header that holds an authority or an origin names this machine; a missing one is as `absent` says.
fn header_is_local(headers: &HeaderMap, name: &str, absent: bool) -> bool {
    let Some(value) = headers.get(name) else {
        return absent || name == header::ORIGIN.as_str();
    };
    let Ok(text) = value.to_str() else { return false };
    let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
