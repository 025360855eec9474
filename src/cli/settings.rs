//! Flags that are settings, for the commands that work on database and artifacts themselves.

use std::path::PathBuf;

use clap::Args;

use super::failure::{Failure, USAGE};
use crate::config::{self, Config, Origins, Sources};
use crate::telemetry;

/// Flags that are settings.
#[derive(Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct Settings {
    /// Settings file instead of ./slipway.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the embedded database, local artifacts and spool files.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// `sqlite:PATH` or `postgres://…`.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Folder or `s3://bucket/prefix`.
    #[arg(long, value_name = "ROOT")]
    artifact_root: Option<String>,
    /// What is logged to standard error, for instance `warn` or `info,slipway=debug`.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

impl Settings {
    /// Reads all sources; `more` are the settings among the command's own flags.
    pub(super) fn gather(&self, more: &[(&'static str, &Option<String>)]) -> Result<Sources, Failure> {
        let own = [
            ("data_dir", &self.data_dir),
            ("database_url", &self.database_url),
            ("artifact_root", &self.artifact_root),
            ("log", &self.log),
        ];
        let flags = own.iter().chain(more).filter_map(|(key, value)| Some((*key, (*value).clone()?))).collect();
        Sources::gather(self.config.as_deref(), flags).map_err(|e| Failure::new(USAGE, e.to_string()))
    }

    /// Reads all sources, and starts the log that they ask for.
    pub(super) fn load(&self, more: &[(&'static str, &Option<String>)]) -> Result<Config, Failure> {
        self.load_with(more, |_, _| {})
    }

    /// The same, with a last word on the settings before the log starts.
    pub(super) fn load_with(
        &self,
        more: &[(&'static str, &Option<String>)],
        adjust: impl FnOnce(&mut Config, &Origins),
    ) -> Result<Config, Failure> {
        let usage = |e: String| Failure::new(USAGE, e);
        let (mut config, origins) = config::load(&self.gather(more)?).map_err(|e| usage(e.to_string()))?;
        adjust(&mut config, &origins);
        telemetry::init_logs(&config.log, config.log_format).map_err(usage)?;
        Ok(config)
    }
}
