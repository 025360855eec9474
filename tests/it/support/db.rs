//! A database and a service of its own for each test, on either engine.

use std::sync::Arc;

use slipway::blob::{BlobOptions, BlobStore};
use slipway::boot::bring_up_to_date;
use slipway::clock::{Clock as _, FixedClock, SeededIds, SystemIds};
use slipway::config::{Config, Sources, load};
use slipway::domain::time::Timestamp;
use slipway::service::{App, Parts};
use slipway::store::{Db, Options};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Start of the tests' clock: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// Which engine a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// A service with an empty database, a clock that stands still and ids that count.
pub struct World {
    pub app: App,
    pub db: Db,
    pub clock: Arc<FixedClock>,
    pub folder: std::path::PathBuf,
    drop_database: Option<(String, String)>,
}

impl World {
    pub async fn new(engine: Engine) -> Self {
        slipway::blob::install_tls();
        let name = format!("slipway_test_{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let (url, drop_database) = match engine {
            Engine::Sqlite => (format!("sqlite:{}", folder.join("slipway.db").display()), None),
            Engine::Postgres => {
                let base = std::env::var("SLIPWAY_TEST_POSTGRES_URL").expect("`make test` sets SLIPWAY_TEST_POSTGRES_URL");
                let mut admin = PgConnection::connect(&base).await.unwrap();
                sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
                let (server, _) = base.rsplit_once('/').unwrap();
                (format!("{server}/{name}"), Some((base, name)))
            }
        };
        let db = Db::connect(&Options { url, max_connections: 8 }).await.unwrap();
        bring_up_to_date(&db).await.unwrap();
        let flags = vec![("data_dir", folder.display().to_string())];
        let (config, _): (Config, _) = load(&Sources { flags, ..Sources::default() }).unwrap();
        let blobs = BlobStore::open(&folder.join("artifacts").display().to_string(), &BlobOptions::default()).unwrap();
        let clock = Arc::new(FixedClock::new(START));
        let parts = Parts::new(config, db.clone(), blobs, clock.clone(), Arc::new(SeededIds::default()));
        let app = App::new(parts);
        app.keys().bootstrap().await.unwrap();
        Self { app, db, clock, folder, drop_database }
    }

    /// Another process on the same database, store and clock: it shares nothing else.
    pub fn another(&self) -> App {
        let blobs = BlobStore::open(&self.folder.join("artifacts").display().to_string(), &BlobOptions::default()).unwrap();
        App::new(Parts::new(self.app.config().clone(), self.db.clone(), blobs, self.clock.clone(), Arc::new(SystemIds)))
    }

    /// What the clock says.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Removes what the test made. A failed test leaves it for a look.
    pub async fn end(self) {
        self.db.close().await;
        std::fs::remove_dir_all(&self.folder).unwrap();
        if let Some((base, name)) = self.drop_database {
            let mut admin = PgConnection::connect(&base).await.unwrap();
            sqlx::query(AssertSqlSafe(format!("drop database {name} with (force)"))).execute(&mut admin).await.unwrap();
        }
    }
}
