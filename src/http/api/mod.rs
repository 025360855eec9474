//! The native API under `/api/v1`.

mod event;
mod key;

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::problem::{Problem, ProblemSchema};
use super::routes::Routes;
use crate::domain::identity::{Permission, Role};
use crate::domain::page::PageRequest;

pub(super) fn routes(routes: Routes) -> Routes {
    let admin = Permission::AtLeast(Role::Admin);
    let viewer = Permission::AtLeast(Role::Viewer);
    routes
        .add(admin, routes!(key::create))
        .add(admin, routes!(key::list))
        .add(admin, routes!(key::revoke))
        .add(viewer, routes!(event::list))
        .add(viewer, routes!(event::stream))
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
        Ok(PageRequest::parse(self.page_size, self.page_token.as_deref()).map_err(crate::error::Error::from)?)
    }
}
