//! Every store function on both engines with exact results: what is written is read back, a compare-and-set loses to whoever was
//! faster, a unique index refuses, and nothing is seen from another workspace.

mod alias;
mod dataset;
mod identity;
mod model;
mod monitor;
mod run;
mod serving;

use slipway::domain::identity::DEFAULT_WORKSPACE;
use slipway::store::{self, Tx};

use crate::support::db::{START, World};

/// The workspace that rows are written in.
const WS: &str = DEFAULT_WORKSPACE;
/// One that must not see them.
const OTHER: &str = "other";

/// A world with a second workspace, and a transaction in it.
async fn begin(world: &World) -> Tx {
    let mut tx = world.db.begin().await.unwrap();
    store::identity::ensure_workspace(&mut tx, OTHER, START).await.unwrap();
    tx
}
