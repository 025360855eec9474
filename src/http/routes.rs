//! Registration: a handler enters the router, the API document and the policy table in one call.

use axum::Router;
use axum::routing::MethodRouter;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::domain::identity::Permission;
use crate::service::App;

/// What one method of one path asks of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// For instance `GET`.
    pub method: String,
    /// As registered, for instance `/api/v1/keys/{key_id}`.
    pub path: String,
    /// The permission.
    pub permission: Permission,
}

/// A router under construction.
pub(super) struct Routes {
    router: OpenApiRouter<App>,
    policy: Vec<PolicyRow>,
}

impl Routes {
    pub(super) fn new() -> Self {
        let info = InfoBuilder::new()
            .title("slipway")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some("The native API: data sets, jobs, runs, models, serving and monitoring."))
            .build();
        Self { router: OpenApiRouter::with_openapi(OpenApiBuilder::new().info(info).build()), policy: Vec::new() }
    }

    /// Adds documented handlers of one path.
    pub(super) fn add(mut self, permission: Permission, routes: UtoipaMethodRouter<App>) -> Self {
        for (path, item) in &routes.1.paths {
            for method in methods(item) {
                self.policy.push(PolicyRow { method: method.to_owned(), path: path.clone(), permission });
            }
        }
        self.router = self.router.routes(routes);
        self
    }

    /// Adds a handler that another protocol documents.
    pub(super) fn add_foreign(mut self, permission: Permission, method: &str, path: &str, handler: MethodRouter<App>) -> Self {
        self.policy.push(PolicyRow { method: method.to_owned(), path: path.to_owned(), permission });
        self.router = self.router.route(path, handler);
        self
    }

    pub(super) fn finish(self) -> Result<(Router<App>, Vec<PolicyRow>, OpenApi), String> {
        let (router, openapi) = self.router.split_for_parts();
        for (path, item) in &openapi.paths.paths {
            for method in methods(item) {
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
        Ok((router, self.policy, openapi))
    }
}

fn methods(item: &PathItem) -> Vec<&'static str> {
    [
        ("GET", item.get.is_some()),
        ("PUT", item.put.is_some()),
        ("POST", item.post.is_some()),
        ("DELETE", item.delete.is_some()),
        ("PATCH", item.patch.is_some()),
        ("HEAD", item.head.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, present)| present.then_some(name))
    .collect()
}
