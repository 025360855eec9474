//! The command line. `process.rs` and `config.rs` hold the commands that run a part of slipway; all others are a client of its API,
//! one file a noun, over `client.rs` (requests) and `output.rs` (what is printed).

mod aliases;
mod client;
mod compare;
mod config;
mod datasets;
mod events;
mod failure;
mod files;
mod follow;
mod gates;
mod input;
mod jobs;
mod keys;
mod login;
mod manual;
mod models;
mod monitor;
mod openapi;
mod output;
mod predict;
mod process;
mod profile;
mod progress;
mod runs;
mod search;
mod session;
mod settings;
mod style;
mod table;
mod text;
mod train;
mod transfer;
mod workers;
mod yaml;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::blob;

use failure::{Done, FAILED, Failure, INTERRUPTED};

/// How long what runs has to come to its end when the command has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// One binary for the whole life of a model.
#[derive(Parser)]
#[command(name = "slipway", version, max_term_width = 120)]
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
    Login(login::Login),
    Logout(login::Logout),
    Profiles(login::Command),
    Datasets(datasets::Command),
    Train(Box<train::Command>),
    Jobs(jobs::Command),
    Experiments(runs::Experiments),
    Runs(runs::Command),
    Models(models::Command),
    Predict(predict::Command),
    Monitor(monitor::Command),
    Events(events::Command),
    Workers(workers::Command),
    Keys(keys::Command),
    Completion(manual::Completion),
    Man(manual::Man),
    Openapi(openapi::Command),
    /// Prints the reference of the command line, as Markdown.
    #[command(hide = true)]
    Reference,
}

impl Command {
    /// Whether it ends by itself when it is asked to.
    fn is_process(&self) -> bool {
        matches!(self, Self::Server(_) | Self::Demo(_) | Self::Worker(_))
    }

    async fn run(self) -> Done {
        match self {
            Self::Server(command) => command.run().await,
            Self::Demo(command) => command.run().await,
            Self::Worker(command) => command.run().await,
            Self::Ready(command) => command.run().await,
            Self::Migrate(command) => command.run().await,
            Self::Config(command) => command.run(),
            Self::Login(command) => command.run().await,
            Self::Logout(command) => command.run(),
            Self::Profiles(command) => command.run(),
            Self::Datasets(command) => command.run().await,
            Self::Train(command) => command.run().await,
            Self::Jobs(command) => command.run().await,
            Self::Experiments(command) => command.run().await,
            Self::Runs(command) => command.run().await,
            Self::Models(command) => command.run().await,
            Self::Predict(command) => command.run().await,
            Self::Monitor(command) => command.run().await,
            Self::Events(command) => command.run().await,
            Self::Workers(command) => command.run().await,
            Self::Keys(command) => command.run().await,
            Self::Completion(command) => command.run(),
            Self::Man(command) => command.run(),
            Self::Openapi(command) => command.run(),
            Self::Reference => manual::reference(),
        }
    }
}

/// Runs the command line and returns the exit code; `failure.rs` lists them.
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    blob::install_tls();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return Failure::from(format!("can't start the runtime: {e}")).report(),
    };
    if command.is_process() {
        return exit_code(runtime.block_on(command.run()));
    }
    let done = runtime.block_on(async {
        // on a thread of the runtime: one that waits for a person's answer can be interrupted, too
        let running = tokio::spawn(command.run());
        tokio::select! {
            done = running => done.unwrap_or_else(|e| Err(Failure::new(FAILED, format!("the command ended by itself: {e}")))),
            _ = tokio::signal::ctrl_c() => Err(Failure::new(INTERRUPTED, "")),
        }
    });
    let code = exit_code(done);
    runtime.shutdown_timeout(LAST_WORDS);
    code
}

fn exit_code(done: Done) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
