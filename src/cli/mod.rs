//! The command line: one file a noun. `process.rs` and `config.rs` hold the commands of an installation.

mod config;
mod failure;
mod output;
mod process;
mod settings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{blob, http};

use failure::{Done, Failure};

/// One binary for the whole life of a model.
#[derive(Parser)]
#[command(name = "slipway", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Server(process::Server),
    Demo(process::Demo),
    Worker(process::Worker),
    Ready(process::Ready),
    Migrate(process::Migrate),
    Config(config::Command),
    /// Prints the OpenAPI document.
    Openapi,
}

impl Command {
    async fn run(self) -> Done {
        match self {
            Self::Server(command) => command.run().await,
            Self::Demo(command) => command.run().await,
            Self::Worker(command) => command.run().await,
            Self::Ready(command) => command.run().await,
            Self::Migrate(command) => command.run().await,
            Self::Config(command) => command.run(),
            Self::Openapi => {
                let text = http::openapi()?.to_pretty_json().map_err(|e| e.to_string())?;
                output::print(&format!("{text}\n"))
            }
        }
    }
}

/// Runs the command line and returns the exit code: 0 done, 1 failed, 2 wrong usage or settings.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    blob::install_tls();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return Failure::from(format!("can't start the runtime: {e}")).report(),
    };
    match runtime.block_on(cli.command.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
