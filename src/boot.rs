//! The composition root: settings become pools, clock, object store, service and doors. Starts, drains and stops them.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::migrate::MigrateError;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::blob::{BlobStore, Spool};
use crate::clock::{SystemClock, SystemIds};
use crate::config::Config;
use crate::service::{App, Parts};
use crate::store::{self, Db, Options, migrate};
use crate::{config, http, queue, telemetry, worker};

/// How often the samples of histograms are summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Opens database and object store, brings the schema up to date and installs the first key.
/// Returns the service and, at the very first start, the generated admin key.
pub async fn open(config: Config) -> Result<(App, Option<String>), String> {
    make_data_dir(&config)?;
    sweep(&config);
    let db = connect(&config).await?;
    bring_up_to_date(&db).await?;
    let blobs = BlobStore::open(&config.artifact_root(), &Default::default()).map_err(|e| format!("artifact_root: {}", with_causes(&e)))?;
    let app = App::new(Parts::new(config, db, blobs, Arc::new(SystemClock), Arc::new(SystemIds)));
    let key = app.keys().bootstrap().await.map_err(|e| e.to_string())?;
    Ok((app, key))
}

/// An error and what it came from, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Makes the data folder if it does not exist, for its owner alone: it holds the database.
pub fn make_data_dir(config: &Config) -> Result<(), String> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.map_err(|e| format!("can't make the data folder {}: {e}", config.data_dir.display()))
}

/// Clears away the files that killed processes left on their way in or out; those of living ones stay.
fn sweep(config: &Config) {
    match Spool::sweep(&config.spool_dir()) {
        Ok(0) => {}
        Ok(swept) => tracing::info!(swept, "removed files that a former process left half-way"),
        Err(e) => tracing::warn!(error = %e, "could not clean the spool folder"),
    }
}

/// Makes or updates all tables, apalis' own included.
pub async fn bring_up_to_date(db: &Db) -> Result<(), String> {
    migrate::run(db).await.map_err(|e| match e {
        store::Error::Migration(MigrateError::VersionMissing(there)) => {
            format!("the database is at schema {there}, this program knows {} and older: it needs a newer slipway", migrate::LATEST)
        }
        e => format!("migration failed: {e}"),
    })?;
    queue::migrate(db).await.map_err(|e| format!("migration of the queue failed: {e}"))
}

/// Opens the database alone.
pub async fn connect(config: &Config) -> Result<Db, String> {
    let options = Options { url: config.database_url(), max_connections: config.database_connections };
    Db::connect(&options).await.map_err(|e| {
        let problem = match &e {
            store::Error::Database(sqlx::Error::Database(refused)) => refused.message().to_owned(),
            store::Error::Database(sqlx::Error::PoolTimedOut) => "it took no connection in time".to_owned(),
            other => other.to_string(),
        };
        format!("can't open the database {}: {problem}", config::mask(&options.url))
    })
}

/// Serves until `stop` is true, then lets running requests finish within the grace time.
pub async fn serve(config: Config, stop: watch::Receiver<bool>) -> Result<(), String> {
    serve_and_tell(config, stop, None).await
}

/// Where a server that has just started is reached.
#[derive(Clone, Debug)]
pub struct Started {
    /// Its address.
    pub url: String,
    /// The admin key, if it was made just now.
    pub key: Option<String>,
}

/// Serves as [`serve`] does; tells where, once it listens.
pub async fn serve_and_tell(config: Config, mut stop: watch::Receiver<bool>, tell: Option<oneshot::Sender<Started>>) -> Result<(), String> {
    let address = format!("{}:{}", if config.host.contains(':') { format!("[{}]", config.host) } else { config.host.clone() }, config.port);
    let grace = Duration::from_millis(config.shutdown_grace_ms);
    let metrics = telemetry::init_metrics();
    // the port comes first: a start that fails on it must not have made the key that is shown once
    let listener = TcpListener::bind(&address).await.map_err(|e| format!("can't listen on {address}: {e}"))?;
    let local = listener.local_addr().map_err(|e| e.to_string())?;
    let (app, key) = open(config).await?;
    show_once(key.as_deref());
    let doors = http::build(&app, metrics.clone())?;
    println!("slipway listens on http://{local}");
    if let Some(tell) = tell {
        let _ = tell.send(Started { url: format!("http://{local}"), key });
    }
    tracing::info!(address = %local, engine = app.db().engine(), "slipway is ready");
    let mut background = Background::start(&app, app.config().worker_slots as usize, &stop);
    // the recorder ends after the doors: requests that are let finish are counted too
    let (drained, recording) = watch::channel(false);
    background.serve(&app, &stop, recording);
    background.count(metrics, &stop);
    let mut draining = stop.clone();
    let closing = app.clone();
    let server =
        axum::serve(listener, doors.router.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(async move {
            drop(stop.wait_for(|stopping| *stopping).await);
            closing.events().close();
        });
    tokio::select! {
        result = async { server.await } => result.map_err(|e| e.to_string())?,
        () = async {
            let _ = draining.wait_for(|stopping| *stopping).await;
            tokio::time::sleep(grace).await;
        } => tracing::warn!("requests were still running at the end of the grace time"),
    }
    drained.send_replace(true);
    background.end(grace).await;
    app.db().close().await;
    Ok(())
}

/// Whichever process starts first on a new database makes the key, and is the only one that ever knows it.
fn show_once(key: Option<&str>) {
    if let Some(key) = key {
        println!("admin key, shown this once: {key}");
    }
}

/// Runs jobs until `stop` is true, without serving anything.
pub async fn work(config: Config, stop: watch::Receiver<bool>) -> Result<(), String> {
    let grace = Duration::from_millis(config.shutdown_grace_ms);
    let (app, key) = open(config).await?;
    show_once(key.as_deref());
    let slots = app.config().worker_slots.max(1) as usize;
    let background = Background::start(&app, slots, &stop);
    let mut stopping = stop.clone();
    let _ = stopping.wait_for(|stopping| *stopping).await;
    background.end(grace).await;
    app.db().close().await;
    Ok(())
}

/// What runs beside the doors.
struct Background(JoinSet<()>);

impl Background {
    fn start(app: &App, slots: usize, stop: &watch::Receiver<bool>) -> Self {
        let mut tasks = JoinSet::new();
        if slots > 0 {
            tasks.spawn(worker::run(app.clone(), slots, stop.clone()));
        }
        tasks.spawn(worker::keep_house(app.clone(), stop.clone()));
        tasks.spawn(worker::deliver(app.clone(), stop.clone()));
        Self(tasks)
    }

    /// Keeps what is served equal to what the aliases say, and watches the traffic.
    fn serve(&mut self, app: &App, stop: &watch::Receiver<bool>, drained: watch::Receiver<bool>) {
        let (serving, stopped) = (app.clone(), stop.clone());
        self.0.spawn(async move { serving.serving().run(stopped).await });
        let recording = app.clone();
        self.0.spawn(async move { recording.monitoring().record(drained).await });
        let (scanning, stopped) = (app.clone(), stop.clone());
        self.0.spawn(async move { scanning.monitoring().run(stopped).await });
    }

    /// Sums up the samples of histograms now and then, whether or not somebody asks for them.
    fn count(&mut self, metrics: Option<PrometheusHandle>, stop: &watch::Receiver<bool>) {
        let (Some(metrics), mut stop) = (metrics, stop.clone()) else { return };
        self.0.spawn(async move {
            while tokio::time::timeout(UPKEEP, stop.wait_for(|stopping| *stopping)).await.is_err() {
                metrics.run_upkeep();
            }
        });
    }

    /// Waits for everything to end, which a stop makes it do.
    async fn end(mut self, grace: Duration) {
        let all = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("background work was still running at the end of the grace time");
        }
    }
}
