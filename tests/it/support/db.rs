//! A database and a service of its own for each test, on either engine.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use slipway::blob::{BlobOptions, BlobStore};
use slipway::boot::bring_up_to_date;
use slipway::clock::{Clock as _, FixedClock, SeededIds, SystemIds};
use slipway::config::{Config, Sources, load};
use slipway::domain::time::Timestamp;
use slipway::service::{App, Parts};
use slipway::store::{Db, Options};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::OnceCell;

/// Start of the tests' clock: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// Which engine a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// A migrated database that those of the tests are copies of.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// Makes the template unless an earlier run did; its name says which migrations it has. Templates of other migrations go.
async fn template(base: &str) -> String {
    let name = format!("slipway_template_{:016x}", fingerprint());
    let mut admin = PgConnection::connect(base).await.unwrap();
    // one maker at a time, over all test processes; the lock goes with the connection
    sqlx::query("select pg_advisory_lock(7500)").execute(&mut admin).await.unwrap();
    let old: Vec<String> = sqlx::query_scalar("select datname from pg_database where datname like 'slipway\\_template\\_%'")
        .fetch_all(&mut admin)
        .await
        .unwrap();
    if !old.contains(&name) {
        let draft = format!("{name}_draft");
        for old in &old {
            sqlx::query(AssertSqlSafe(format!("drop database if exists {old} with (force)"))).execute(&mut admin).await.unwrap();
        }
        sqlx::query(AssertSqlSafe(format!("create database {draft}"))).execute(&mut admin).await.unwrap();
        let db = Db::connect(&Options { url: beside(base, &draft), max_connections: 2 }).await.unwrap();
        bring_up_to_date(&db).await.unwrap();
        db.close().await;
        sqlx::query(AssertSqlSafe(format!("alter database {draft} rename to {name}"))).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
    name
}

/// Tells one state of the migrations from another; apalis' own follow from the lock file.
fn fingerprint() -> u64 {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(root.join("migrations")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(root.join("Cargo.lock"));
    files.sort();
    let mut hasher = DefaultHasher::new();
    files.iter().for_each(|file| std::fs::read(file).unwrap().hash(&mut hasher));
    hasher.finish()
}

/// Returns the URL of another database on the same server.
fn beside(base: &str, name: &str) -> String {
    let (server, _) = base.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

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
                let template = TEMPLATE.get_or_init(|| template(&base)).await;
                sqlx::query(AssertSqlSafe(format!("create database {name} template {template}"))).execute(&mut admin).await.unwrap();
                (beside(&base, &name), Some((base, name)))
            }
        };
        let db = Db::connect(&Options { url, max_connections: 8 }).await.unwrap();
        if engine == Engine::Sqlite {
            bring_up_to_date(&db).await.unwrap();
        }
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
        self.another_with(self.app.config().clone())
    }

    /// Another process with settings of its own.
    pub fn another_with(&self, config: Config) -> App {
        let blobs = BlobStore::open(&self.folder.join("artifacts").display().to_string(), &BlobOptions::default()).unwrap();
        App::new(Parts::new(config, self.db.clone(), blobs, self.clock.clone(), Arc::new(SystemIds)))
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
