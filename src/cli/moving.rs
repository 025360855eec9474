//! The commands that carry data in and out. They work on database and artifacts themselves; a server may run meanwhile.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::failure::{Done, Failure};
use super::output::print;
use super::settings::Settings;
use crate::config::{self, Config, Origins};
use crate::domain::identity::Caller;
use crate::moving::copy::{read, write};
use crate::moving::{Options, Progress, import};
use crate::{blob, boot, store};

/// Carries data in.
#[derive(Args)]
pub(super) struct Import {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Mlflow(Mlflow),
    Export(FromExport),
}

impl Import {
    pub(super) async fn run(self) -> Done {
        match self.what {
            What::Mlflow(command) => apart(|| command.run()).await,
            What::Export(command) => apart(|| command.run()).await,
        }
    }
}

/// Runs a command on a thread of its own: it reads and writes files as it goes, where nobody else waits for it.
async fn apart<F: Future<Output = Done>>(command: impl FnOnce() -> F + Send + 'static) -> Done {
    let runtime = tokio::runtime::Handle::current();
    let running = tokio::task::spawn_blocking(move || runtime.block_on(command()));
    running.await.unwrap_or_else(|e| Err(Failure::from(e.to_string())))
}

/// From an MLflow server, or from MLflow's database: may be repeated, and goes on where it was cut off.
#[derive(Args)]
struct Mlflow {
    /// `http://…`, `sqlite:///mlflow.db` or `postgresql://…`. MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and
    /// MLFLOW_TRACKING_PASSWORD, log in to a server.
    from: String,
    /// Where `mlflow-artifacts:` is when the source is a database: a server, a folder or a bucket.
    #[arg(long, value_name = "ROOT")]
    artifacts: Option<String>,
    /// Leaves files where they are.
    #[arg(long)]
    without_files: bool,
    /// Reads files again that have the same path and size here.
    #[arg(long, conflicts_with = "without_files")]
    check_files: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Mlflow {
    async fn run(self) -> Done {
        let config = self.settings.load_with(&[], quietly)?;
        let Self { from, artifacts, without_files, check_files, .. } = self;
        let options = Options { from, artifacts, without_files, check_files };
        let (app, key) = boot::open(config).await?;
        boot::show_once(key.as_deref());
        let report = import(&app, &Caller::local(), &options, &Progress::default()).await;
        app.db().close().await;
        let report = report?;
        print(&report.text())?;
        match report.is_good() {
            true => Ok(()),
            false => Err(Failure::from("the import is not complete; the same command tries again".to_owned())),
        }
    }
}

/// From a folder that `slipway export` wrote, into a database that is still empty.
#[derive(Args)]
struct FromExport {
    /// The folder.
    folder: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

impl FromExport {
    async fn run(self) -> Done {
        let config = self.settings.load_with(&[], quietly)?;
        boot::make_data_dir(&config)?;
        let (db, blobs) = (boot::connect(&config).await?, boot::open_blobs(&config)?);
        let done = read_copy(&db, &blobs, &self.folder).await;
        db.close().await;
        print(&format!("imported {}", done?))
    }
}

async fn read_copy(db: &store::Db, blobs: &blob::BlobStore, folder: &Path) -> Result<String, String> {
    let manifest = read(db, blobs, folder).await.map_err(|e| e.to_string())?;
    boot::bring_up_to_date(db).await?;
    Ok(manifest.text())
}

/// Writes everything into a folder: tables as Parquet, files by their SHA-256, and a manifest.
#[derive(Args)]
pub(super) struct Export {
    /// The folder, which is made.
    folder: PathBuf,
    /// Writes keys too, as hashes of their secrets, so that they go on working in the copy.
    #[arg(long)]
    with_keys: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Export {
    pub(super) async fn run(self) -> Done {
        apart(|| self.export()).await
    }

    async fn export(self) -> Done {
        let config = self.settings.load_with(&[], quietly)?;
        let (db, blobs) = (boot::connect(&config).await?, boot::open_blobs(&config)?);
        let written = write(&db, &blobs, &self.folder, self.with_keys).await.map_err(|e| e.to_string());
        db.close().await;
        let manifest = written?;
        print(&format!("exported {}", manifest.text()))?;
        match manifest.damaged.len() {
            0 => Ok(()),
            count => Err(Failure::from(format!("{count} objects are damaged in the store and are not in the copy"))),
        }
    }
}

/// Between the lines of progress only what goes wrong is worth a line.
fn quietly(config: &mut Config, origins: &Origins) {
    if origins.get("log").is_some_and(|origin| origin == config::DEFAULT) {
        config.log = "warn".to_owned();
    }
}
