//! Registration: a handler enters the router, the API document and the policy table in one call.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::MethodRouter;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, RefOr, Required, Type};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::domain::identity::Permission;
use crate::service::App;

/// Name of the security scheme in the API document.
const SCHEME: &str = "api_key";

/// What an `Idempotency-Key` does on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing.
    Unnoticed,
    /// Requests of the same method, address and body are the same request.
    ByContent,
    /// Requests of the same method and address are: the body is a stream of any size.
    ByAddress,
    /// As by content; the answer holds a secret and is not kept, so a repeated request is only told that it was carried out.
    Withheld,
}

/// What one method of one path asks of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// For instance `GET`.
    pub method: String,
    /// As registered, for instance `/api/v1/keys/{key_id}`.
    pub path: String,
    /// The permission.
    pub permission: Permission,
    /// What an `Idempotency-Key` does.
    pub repeat: Repeat,
    /// Whether the API document has it; routes of a dialect that has a reference of its own are not in ours.
    pub documented: bool,
}

/// A router under construction.
pub(super) struct Routes {
    router: OpenApiRouter<App>,
    policy: Vec<PolicyRow>,
    noun: &'static str,
    foreign: Option<OpenApi>,
}

impl Routes {
    pub(super) fn new() -> Self {
        let info = InfoBuilder::new()
            .title("slipway")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some("Data sets, jobs, runs, models, serving and monitoring."))
            .build();
        let scheme = SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("slw_…").build());
        let mut components = Components::new();
        components.add_security_scheme(SCHEME, scheme);
        let document = OpenApiBuilder::new().info(info).components(Some(components)).build();
        Self { router: OpenApiRouter::with_openapi(document), policy: Vec::new(), noun: "", foreign: None }
    }

    /// Names what the routes added next are about; it becomes the first part of their operation ids.
    pub(super) fn noun(mut self, noun: &'static str) -> Self {
        self.noun = noun;
        self
    }

    /// Adds documented handlers of one path.
    pub(super) fn add(self, permission: Permission, routes: UtoipaMethodRouter<App>) -> Self {
        self.add_as(permission, Repeat::ByContent, routes)
    }

    /// Adds documented handlers whose POST treats an `Idempotency-Key` as `repeat` says.
    pub(super) fn add_as(mut self, permission: Permission, repeat: Repeat, mut routes: UtoipaMethodRouter<App>) -> Self {
        for (path, item) in &mut routes.1.paths {
            for (method, operation) in operations(item) {
                let repeat = if method == "POST" { repeat } else { Repeat::Unnoticed };
                self.policy.push(PolicyRow { method: method.to_owned(), path: path.clone(), permission, repeat, documented: true });
                if !self.noun.is_empty() {
                    operation.operation_id = operation.operation_id.take().map(|id| format!("{}_{id}", self.noun));
                }
                if repeat != Repeat::Unnoticed {
                    operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
                }
            }
        }
        self.router = self.router.routes(routes);
        self
    }

    /// Adds a handler whose documentation comes with [`Routes::document`].
    pub(super) fn add_foreign(mut self, permission: Permission, method: &str, path: &str, handler: MethodRouter<App>) -> Self {
        let row = PolicyRow { method: method.to_owned(), path: path.to_owned(), permission, repeat: Repeat::Unnoticed, documented: true };
        self.policy.push(row);
        self.router = self.router.route(path, handler);
        self
    }

    /// Adds a handler of a dialect that has a reference of its own.
    pub(super) fn add_dialect(self, permission: Permission, method: &str, path: &str, handler: MethodRouter<App>) -> Self {
        let mut routes = self.add_foreign(permission, method, path, handler);
        if let Some(row) = routes.policy.last_mut() {
            row.documented = false;
        }
        routes
    }

    /// Adds documentation of routes that a pattern of the router can't express, or whose protocol is not ours.
    pub(super) fn document(mut self, document: OpenApi) -> Self {
        match &mut self.foreign {
            Some(known) => known.merge(document),
            None => self.foreign = Some(document),
        }
        self
    }

    /// Ends the construction. Fails when a route has no policy row or two of them, or is not documented.
    pub(super) fn finish(self) -> Result<(Router<App>, Vec<PolicyRow>, OpenApi), String> {
        let (router, mut document) = self.router.split_for_parts();
        for (path, item) in &mut document.paths.paths {
            for (method, _) in operations(item) {
                if !self.policy.iter().any(|row| row.method == method && row.path == *path) {
                    return Err(format!("{method} {path} has no policy row"));
                }
            }
        }
        for (i, row) in self.policy.iter().enumerate() {
            if self.policy.iter().skip(i + 1).any(|other| other.method == row.method && other.path == row.path) {
                return Err(format!("{} {} has two policy rows", row.method, row.path));
            }
        }
        document.merge(self.foreign.unwrap_or_default());
        for row in self.policy.iter().filter(|row| row.documented && !row.path.contains("{*")) {
            let item = document.paths.paths.get_mut(&row.path);
            if !item.is_some_and(|item| operations(item).iter().any(|(method, _)| *method == row.method)) {
                return Err(format!("{} {} is not documented", row.method, row.path));
            }
        }
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                let public =
                    self.policy.iter().any(|row| row.method == method && row.path == *path && row.permission == Permission::Public);
                let needed =
                    if public { SecurityRequirement::default() } else { SecurityRequirement::new::<_, [&str; 0], &str>(SCHEME, []) };
                operation.security = Some(vec![needed]);
                describe(operation);
            }
        }
        Ok((router, self.policy, document))
    }
}

/// Gives each response the description that OpenAPI demands.
fn describe(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let reason = StatusCode::from_bytes(status.as_bytes()).ok().and_then(|status| status.canonical_reason());
            response.description = reason.unwrap_or("the request was refused").to_owned();
        }
    }
}

fn idempotency_key() -> Parameter {
    let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]+$")).build();
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Repeating a request with the same key within a day repeats its answer instead of its effect."))
        .schema(Some(text))
        .build()
}

fn operations(item: &mut PathItem) -> Vec<(&'static str, &mut Operation)> {
    [
        ("GET", &mut item.get),
        ("PUT", &mut item.put),
        ("POST", &mut item.post),
        ("DELETE", &mut item.delete),
        ("PATCH", &mut item.patch),
        ("HEAD", &mut item.head),
    ]
    .into_iter()
    .filter_map(|(name, operation)| operation.as_mut().map(|operation| (name, operation)))
    .collect()
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use utoipa_axum::routes;

    use super::*;

    /// Says hello.
    #[utoipa::path(get, path = "/hello", responses((status = 200)))]
    async fn hello() {}

    #[test]
    fn a_route_without_a_policy_row_or_without_documentation_stops_the_start() {
        assert!(Routes::new().add(Permission::Public, routes!(hello)).finish().is_ok());
        let mut bare = Routes::new();
        bare.router = bare.router.routes(routes!(hello));
        assert_eq!(bare.finish().err().unwrap(), "GET /hello has no policy row");
        let twice = Routes::new().add(Permission::Public, routes!(hello));
        let twice = twice.add_foreign(Permission::Public, "GET", "/hello", MethodRouter::new());
        assert_eq!(twice.finish().err().unwrap(), "GET /hello has two policy rows");
        let secret = Routes::new().add_foreign(Permission::Public, "GET", "/secret", get(hello));
        assert_eq!(secret.finish().err().unwrap(), "GET /secret is not documented");
    }
}
