//! The commands that are processes of a slipway installation: they work on its database and artifacts themselves.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::failure::Done;
use super::output::print;
use super::settings::Settings;
use crate::config::{self, Config};
use crate::{boot, demo, store};

/// How long a server may take to say whether it is ready.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves the API; runs jobs too unless `worker_slots` is 0.
#[derive(Args)]
pub(super) struct Server {
    /// Address to listen on.
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on; 0 takes a free one.
    #[arg(long)]
    port: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Server {
    pub(super) async fn run(self) -> Done {
        let config = self.settings.load(&[("host", &self.host), ("port", &self.port)])?;
        let stop = on_signal()?;
        Ok(boot::serve(config, stop).await?)
    }
}

/// Plays the life of a model against a server of its own, then keeps serving.
#[derive(Args)]
pub(super) struct Demo {
    /// Ends when the story is told.
    #[arg(long)]
    exit: bool,
    /// Port to listen on; 0 takes a free one.
    #[arg(long)]
    port: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Demo {
    pub(super) async fn run(self) -> Done {
        let config = self.settings.load_with(&[("port", &self.port)], |config, origins| {
            // between the lines of the story only what goes wrong is worth a line
            if origins.get("log").is_some_and(|origin| origin == config::DEFAULT) {
                config.log = "warn".to_owned();
            }
        })?;
        let stop = on_signal()?;
        Ok(demo::run(config, self.exit, stop).await?)
    }
}

/// Runs jobs and serves nothing: for machines beside a server, on the same Postgres and artifact store.
#[derive(Args)]
pub(super) struct Worker {
    /// Jobs at once.
    #[arg(long)]
    slots: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Worker {
    pub(super) async fn run(self) -> Done {
        let config = self.settings.load(&[("worker_slots", &self.slots)])?;
        let stop = on_signal()?;
        Ok(boot::work(config, stop).await?)
    }
}

/// Asks a running server whether it is ready; the exit code is the answer.
#[derive(Args)]
pub(super) struct Ready {
    /// The server; the one that the settings describe when absent.
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Ready {
    pub(super) async fn run(self) -> Done {
        let config = self.settings.load(&[])?;
        let url = self.url.unwrap_or_else(|| local_url(&config));
        let client = reqwest::Client::builder().timeout(READY_TIMEOUT).build().map_err(|e| e.to_string())?;
        let answer = client.get(format!("{}/readyz", url.trim_end_matches('/'))).send().await;
        let answer =
            answer.map_err(|e| format!("{url} does not answer: {}", e.source().map_or_else(|| e.to_string(), ToString::to_string)))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|e| e.to_string())?;
        match status.is_success() {
            true => print(&format!("{text}\n")),
            false => Err(format!("{url} is not ready: {text}").into()),
        }
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

/// Brings the database to the schema of this program.
#[derive(Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    settings: Settings,
}

impl Migrate {
    pub(super) async fn run(self) -> Done {
        let config = self.settings.load(&[])?;
        boot::make_data_dir(&config)?;
        let db = boot::connect(&config).await?;
        boot::bring_up_to_date(&db).await?;
        let at = store::migrate::applied(&db).await.map_err(|e| e.to_string())?;
        db.close().await;
        print(&format!("schema is at {at}\n"))
    }
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
