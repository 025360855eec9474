//! `slipway workers`.

use clap::{Args, Subcommand};

use super::failure::Done;
use super::output::View;
use super::session::Common;
use super::table::{Column, Kind};

const WORKER: View = View {
    plural: "workers",
    name: "worker_id",
    columns: &[
        Column::new("WORKER", "/worker_id", Kind::Text),
        Column::new("HOST", "/host", Kind::Text),
        Column::new("PID", "/pid", Kind::Number),
        Column::new("RUNNING", "/running", Kind::Number),
        Column::new("SLOTS", "/slots", Kind::Number),
        Column::new("STARTED", "/started_at", Kind::Time),
        Column::new("HEARTBEAT", "/heartbeat_at", Kind::Time),
    ],
    more: &[],
};

/// Processes that run jobs.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists the processes that run jobs, with their heartbeats.
    Ls,
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        match self.verb {
            Verb::Ls => {
                let answer = session.client.get(session.client.v1(&["workers"])?).await?;
                session.out.all(answer["items"].as_array().map(Vec::as_slice).unwrap_or_default(), &WORKER)
            }
        }
    }
}
