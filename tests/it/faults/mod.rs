//! What happens when processes die, databases go away and people change their minds, shown on the real binary.

mod end;
mod ingest;
mod kill;

use std::path::PathBuf;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::db::Engine;
use crate::support::process::Setup;
use crate::support::s3::Folder;

/// 569 rows, 30 features, a target of two classes.
pub(crate) const CSV: &str = include_str!("../../../demo/breast_cancer.csv");

/// A database and a folder for processes, both removed at the end.
pub(crate) struct Place {
    pub(crate) folder: Folder,
    pub(crate) database: String,
    drop_database: Option<(String, String)>,
}

impl Place {
    pub(crate) async fn new(engine: Engine, name: &str) -> Self {
        let folder = Folder::new(name);
        if engine == Engine::Sqlite {
            let database = format!("sqlite:{}", folder.path().join("slipway.db").display());
            return Self { folder, database, drop_database: None };
        }
        let base = std::env::var("SLIPWAY_TEST_POSTGRES_URL").expect("`make test` sets SLIPWAY_TEST_POSTGRES_URL");
        let name = format!("slipway_test_{}", uuid::Uuid::new_v4().simple());
        let mut admin = PgConnection::connect(&base).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
        let (server, _) = base.rsplit_once('/').unwrap();
        Self { folder, database: format!("{server}/{name}"), drop_database: Some((base, name)) }
    }

    /// Settings of a process that is called `name` here.
    pub(crate) fn setup(&self, name: &str) -> Setup {
        Setup::new(self.log(name))
            .with("data_dir", self.folder.path().join(name).display())
            .with("database_url", &self.database)
            .with("artifact_root", self.artifacts().display())
            .with("log", "info")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    pub(crate) fn artifacts(&self) -> PathBuf {
        self.folder.path().join("artifacts")
    }

    /// Takes the database away from everybody who uses it; they may come back.
    pub(crate) async fn cut_connections(&self) {
        let Some((base, name)) = &self.drop_database else { return };
        let mut admin = PgConnection::connect(base).await.unwrap();
        sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
            .bind(name)
            .execute(&mut admin)
            .await
            .unwrap();
    }

    pub(crate) async fn end(self) {
        if let Some((base, name)) = self.drop_database {
            let mut admin = PgConnection::connect(&base).await.unwrap();
            sqlx::query(AssertSqlSafe(format!("drop database {name} with (force)"))).execute(&mut admin).await.unwrap();
        }
    }
}

/// Epochs of a fit that lasts long enough to be stopped in its middle: a binary that is named is an optimised one.
pub(crate) fn lasting(epochs: u64) -> u64 {
    if std::env::var_os("SLIPWAY_TEST_BINARY").is_some() { epochs * 40 } else { epochs }
}

/// A job on the data set `cells` that takes some seconds in a debug build and logs often.
pub(crate) fn job(register_as: &str, seed: u64, epochs: u64) -> Value {
    json!({
        "dataset": "cells", "target": "diagnosis", "register_as": register_as, "log_every_n_steps": 3,
        "network": { "seed": seed, "epochs": epochs, "batch_size": 16, "layers": [{ "units": 32, "activation": "relu" }, { "units": 16, "activation": "relu" }, { "units": 1, "activation": "sigmoid" }] },
    })
}
