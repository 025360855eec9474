//! The gate before every route: who is calling, and does the policy row of the route let them in.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::mlflow;
use super::problem::Problem;
use super::routes::PolicyRow;
use super::session;
use crate::config::Auth;
use crate::domain::identity::{Caller, Permission};
use crate::service::App;

/// The policy table, ready to be asked.
#[derive(Clone)]
pub(super) struct Gate {
    app: App,
    /// Methods and permissions by path.
    policy: Arc<HashMap<String, Vec<(String, Permission)>>>,
}

impl Gate {
    pub(super) fn new(app: App, rows: Vec<PolicyRow>) -> Self {
        let mut policy: HashMap<String, Vec<(String, Permission)>> = HashMap::new();
        for row in rows {
            policy.entry(row.path).or_default().push((row.method, row.permission));
        }
        Self { app, policy: Arc::new(policy) }
    }
}

/// Lets a request through to its handler, or answers 401 or 403. A route without a row is closed to everyone.
pub(super) async fn check(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()) else {
        return next.run(request).await;
    };
    let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
    let rows = gate.policy.get(&path).map(Vec::as_slice).unwrap_or_default();
    let needed = match rows.iter().find(|(name, _)| name == method.as_str()) {
        Some((_, Permission::Public)) => return next.run(request).await,
        Some((_, Permission::AtLeast(role))) => *role,
        None => return not_allowed(rows),
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let caller = match caller(&gate.app, &method, request.headers().clone(), authority.as_deref(), peer).await {
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

/// Answers for a method that no row names, whether or not a handler would take it.
fn not_allowed(rows: &[(String, Permission)]) -> Response {
    let detail = "this path does not answer to this method";
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response();
    let methods: Vec<&str> = rows.iter().map(|(method, _)| method.as_str()).collect();
    if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Refuses in the dialect of the path.
fn refuse(path: &str, problem: Problem) -> Response {
    if mlflow::is_here(path) { mlflow::refuse(&problem) } else { problem.into_response() }
}

async fn caller(app: &App, method: &Method, headers: HeaderMap, authority: Option<&str>, peer: Option<IpAddr>) -> Result<Caller, Problem> {
    if let Some(key) = key_of(&headers)? {
        return Ok(app.keys().authenticate(key).await?);
    }
    if let Some(secret) = session::secret_of(&headers)
        && let Some(caller) = app.sessions().authenticate(secret).await?
    {
        // Browsers send cookies along with what other pages ask for; SameSite does not tell ports of one host apart.
        if !method.is_safe() && !session::comes_from_us(&headers, authority, &app.config().url()) {
            let detail = "with a cookie only requests of the app itself are let in";
            return Err(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail));
        }
        return Ok(caller);
    }
    let missing = || Problem::new(StatusCode::UNAUTHORIZED, "missing_key", "this needs an API key: Authorization: Bearer slw_…");
    let open = app.config().auth == Auth::Auto && app.config().is_loopback() && peer.is_some_and(|ip| ip.is_loopback());
    if !open {
        return Err(missing());
    }
    // A page in the owner's browser reaches loopback too. Its requests carry a foreign Origin, or a Host that was rebound.
    // HTTP/2 names the host in the request line.
    if !authority.is_none_or(is_local) || !header_is_local(&headers, header::HOST) || !header_is_local(&headers, header::ORIGIN) {
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

/// Tells whether a header, if it is there, names this machine.
fn header_is_local(headers: &HeaderMap, name: HeaderName) -> bool {
    headers.get_all(name).iter().all(|value| value.to_str().is_ok_and(is_local))
}

/// Tells whether an origin or an authority names this machine.
fn is_local(text: &str) -> bool {
    let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).unwrap_or(text);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_this_machine_is_local() {
        for local in ["localhost", "LocalHost:8080", "127.0.0.1:1", "127.8.9.1", "[::1]:8080", "http://localhost:3000", "https://[::1]"] {
            assert!(is_local(local), "{local}");
        }
        for foreign in [
            "",
            "null",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "10.0.0.1:8080",
            "[fd00::1]",
            "http://evil.example",
            "localhost@evil.example",
            "2130706433",
            "file://localhost",
        ] {
            assert!(!is_local(foreign), "{foreign}");
        }
    }
}
