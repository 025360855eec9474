//! The command line: reads flags into settings and calls `boot`.

use std::error::Error as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::clock::{Ids, SystemIds};
use crate::config::{self, Config, Sources};
use crate::{blob, boot, demo, domain, http, store, telemetry};

/// How long a server may take to say whether it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// One binary for the whole life of a model.
#[derive(Parser)]
#[command(name = "slipway", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Settings file instead of ./slipway.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

/// Flags that are settings.
#[derive(Args)]
struct Flags {
    /// Folder of the embedded database, local artifacts and spool files.
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// `sqlite:PATH` or `postgres://…`.
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// Folder or `s3://bucket/prefix`.
    #[arg(long, global = true, value_name = "ROOT")]
    artifact_root: Option<String>,
    /// What is logged to standard error, for instance `warn` or `info,slipway=debug`.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the API; runs jobs too unless `worker_slots` is 0.
    Server {
        /// Address to listen on.
        #[arg(long)]
        host: Option<String>,
        /// Port to listen on; 0 takes a free one.
        #[arg(long)]
        port: Option<String>,
    },
    /// Plays the life of a model against a server of its own, then keeps serving.
    Demo {
        /// Ends when the story is told.
        #[arg(long)]
        exit: bool,
        /// Port to listen on; 0 takes a free one.
        #[arg(long)]
        port: Option<String>,
    },
    /// Runs jobs and serves nothing: for machines beside a server, on the same Postgres and artifact store.
    Worker {
        /// Jobs at once.
        #[arg(long)]
        slots: Option<String>,
    },
    /// Asks a running server whether it is ready; the exit code is the answer.
    Ready {
        /// The server; the one that the settings describe when absent.
        #[arg(long)]
        url: Option<String>,
    },
    /// Brings the database to the schema of this program.
    Migrate,
    /// Shows settings and makes keys.
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Prints the OpenAPI document.
    Openapi,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Lists all settings; secrets are masked.
    Show {
        /// Says where each value comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Prints what every setting means, as Markdown.
    Reference,
    /// Prints a new key that can be set as `admin_key` before the first start.
    NewKey,
}

/// Runs the command line and returns the exit code: 0 done, 1 failed, 2 wrong usage or settings.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut flags: Vec<(&'static str, String)> = Vec::new();
    let mut flag = |key, value: &Option<String>| flags.extend(value.iter().map(|v| (key, v.clone())));
    flag("data_dir", &cli.flags.data_dir);
    flag("database_url", &cli.flags.database_url);
    flag("artifact_root", &cli.flags.artifact_root);
    flag("log", &cli.flags.log);
    if let Command::Server { host, port } = &cli.command {
        flag("host", host);
        flag("port", port);
    }
    if let Command::Demo { port, .. } = &cli.command {
        flag("port", port);
    }
    if let Command::Worker { slots } = &cli.command {
        flag("worker_slots", slots);
    }
    let loaded = Sources::gather(cli.config.as_deref(), flags).and_then(|sources| Ok((config::load(&sources)?, sources)));
    let ((mut config, origins), sources) = match loaded {
        Ok(loaded) => loaded,
        Err(e) => return fail(2, &e.to_string()),
    };
    // between the lines of the story only what goes wrong is worth a line
    if matches!(cli.command, Command::Demo { .. }) && origins.get("log").is_some_and(|origin| origin == config::DEFAULT) {
        config.log = "warn".to_owned();
    }
    if let Err(e) = telemetry::init_logs(&config.log, config.log_format) {
        return fail(2, &e);
    }
    blob::install_tls();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(1, &format!("can't start the runtime: {e}")),
    };
    let done = match cli.command {
        Command::Server { .. } => runtime.block_on(async {
            let stop = on_signal()?;
            boot::serve(config, stop).await
        }),
        Command::Demo { exit, .. } => runtime.block_on(async {
            let stop = on_signal()?;
            demo::run(config, exit, stop).await
        }),
        Command::Worker { .. } => runtime.block_on(async {
            let stop = on_signal()?;
            boot::work(config, stop).await
        }),
        Command::Ready { url } => runtime.block_on(ready(&url.unwrap_or_else(|| local_url(&config)))),
        Command::Migrate => runtime.block_on(migrate(&config)),
        Command::Config { what: ConfigCommand::Show { origin } } => {
            Config::show(&sources, origin).map_err(|e| e.to_string()).and_then(|text| print(&text))
        }
        Command::Config { what: ConfigCommand::Reference } => print(&config::reference()),
        Command::Config { what: ConfigCommand::NewKey } => {
            let mut random = [0; domain::key::ENTROPY];
            SystemIds.secret(&mut random);
            print(&format!("{}\n", domain::key::make(&random)))
        }
        Command::Openapi => {
            http::openapi().and_then(|doc| doc.to_pretty_json().map_err(|e| e.to_string())).and_then(|t| print(&format!("{t}\n")))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(1, &e),
    }
}

/// Where a server with these settings is reached from its own machine.
fn local_url(config: &Config) -> String {
    let host = match config.host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => "[::1]".to_owned(),
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => config.host.clone(),
    };
    format!("http://{host}:{}", config.port)
}

async fn ready(url: &str) -> Result<(), String> {
    let client = reqwest::Client::builder().timeout(READY_TIMEOUT).build().map_err(|e| e.to_string())?;
    let answer = client.get(format!("{}/readyz", url.trim_end_matches('/'))).send().await;
    let answer = answer.map_err(|e| format!("{url} does not answer: {}", e.source().map_or_else(|| e.to_string(), ToString::to_string)))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|e| e.to_string())?;
    match status.is_success() {
        true => print(&format!("{text}\n")),
        false => Err(format!("{url} is not ready: {text}")),
    }
}

async fn migrate(config: &Config) -> Result<(), String> {
    boot::make_data_dir(config)?;
    let db = boot::connect(config).await?;
    boot::bring_up_to_date(&db).await?;
    let at = store::migrate::applied(&db).await.map_err(|e| e.to_string())?;
    db.close().await;
    print(&format!("schema is at {at}\n"))
}

fn on_signal() -> Result<watch::Receiver<bool>, String> {
    let (tell, stop) = watch::channel(false);
    let mut term = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut int = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        tracing::info!("asked to stop: finishing what runs");
        tell.send_replace(true);
        // a second signal does not wait
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        std::process::exit(130);
    });
    Ok(stop)
}

fn print(text: &str) -> Result<(), String> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.to_string()),
        _ => Ok(()),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("slipway: {message}");
    ExitCode::from(code)
}
