//! The native API under `/api/v1`.

mod artifact;
mod dataset;
mod event;
mod job;
mod key;
mod model;
mod monitor;
mod run;
mod webhook;
mod worker;

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::problem::{Problem, ProblemSchema};
use super::routes::{Repeat, Routes};
use crate::domain::identity::{Permission, Role};
use crate::domain::page::PageRequest;

pub(super) fn routes(routes: Routes) -> Routes {
    let admin = Permission::AtLeast(Role::Admin);
    let operator = Permission::AtLeast(Role::Operator);
    let developer = Permission::AtLeast(Role::Developer);
    let viewer = Permission::AtLeast(Role::Viewer);
    routes
        .noun("key")
        .add_as(admin, Repeat::Withheld, routes!(key::create))
        .add(admin, routes!(key::list))
        .add(admin, routes!(key::revoke))
        .noun("dataset")
        .add(viewer, routes!(dataset::list))
        .add(viewer, routes!(dataset::get))
        .add_as(developer, Repeat::ByAddress, routes!(dataset::upload))
        .add(viewer, routes!(dataset::list_versions))
        .add(viewer, routes!(dataset::get_version))
        .add(viewer, routes!(dataset::schema))
        .add(viewer, routes!(dataset::profile))
        .add(viewer, routes!(dataset::preview))
        .add(viewer, routes!(dataset::content))
        .add(developer, routes!(dataset::archive))
        .add(developer, routes!(dataset::restore))
        .noun("event")
        .add(viewer, routes!(event::list))
        .add(viewer, routes!(event::stream))
        .noun("run")
        .add(viewer, routes!(run::list_experiments))
        .add(developer, routes!(run::create))
        .add(viewer, routes!(run::list))
        .add(viewer, routes!(run::get))
        .add(developer, routes!(run::log))
        .add(viewer, routes!(run::history))
        .add(developer, routes!(run::end))
        .add(viewer, routes!(artifact::of_run))
        .add(viewer, routes!(artifact::content_of_run))
        .noun("job")
        .add(developer, routes!(job::submit))
        .add(viewer, routes!(job::list))
        .add(viewer, routes!(job::get))
        .add(viewer, routes!(job::attempts))
        .add(developer, routes!(job::cancel))
        .noun("worker")
        .add(viewer, routes!(worker::list))
        .noun("model")
        .add(developer, routes!(model::create))
        .add(viewer, routes!(model::list))
        .add(viewer, routes!(model::get))
        .add(operator, routes!(model::update))
        .add(developer, routes!(model::register))
        .add(viewer, routes!(model::list_versions))
        .add(viewer, routes!(model::get_version))
        .add(viewer, routes!(artifact::of_version))
        .add(viewer, routes!(artifact::content_of_version))
        .add(operator, routes!(model::set_status))
        .add(developer, routes!(model::set_tag))
        .add(developer, routes!(model::delete_tag))
        .add(developer, routes!(model::set_version_tag))
        .add(developer, routes!(model::delete_version_tag))
        .add(operator, routes!(model::promote))
        .add(operator, routes!(model::rollback))
        .add(viewer, routes!(model::alias))
        .add(operator, routes!(model::delete_alias))
        .add(viewer, routes!(model::history))
        .add(viewer, routes!(model::version_at))
        .add(viewer, routes!(model::replicas))
        .noun("webhook")
        .add(operator, routes!(webhook::create))
        .add(operator, routes!(webhook::list))
        .add(operator, routes!(webhook::get))
        .add(operator, routes!(webhook::update))
        .add(operator, routes!(webhook::delete))
        .add(operator, routes!(webhook::test))
        .add(operator, routes!(webhook::deliveries))
        .add(operator, routes!(webhook::replay))
        .noun("monitor")
        .add(viewer, routes!(monitor::get))
        .add(operator, routes!(monitor::update))
        .add(developer, routes!(monitor::evaluate))
        .add(viewer, routes!(monitor::list))
        .add(viewer, routes!(monitor::report))
}

/// Which page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// 1 to 1000, 100 when absent.
    page_size: Option<u32>,
    /// `next_page_token` of the page before.
    page_token: Option<String>,
}

impl PageQuery {
    fn parse(&self) -> Result<PageRequest, Problem> {
        page_of(self.page_size, self.page_token.as_deref())
    }
}

fn page_of(size: Option<u32>, token: Option<&str>) -> Result<PageRequest, Problem> {
    Ok(PageRequest::parse(size, token).map_err(crate::error::Error::from)?)
}
