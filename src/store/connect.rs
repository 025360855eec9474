//! Opening a database: pools, the settings that make an acknowledged commit durable, and transactions.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

use super::{Error, Result, Tx, done};

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:PATH`, `sqlite::memory:` or `postgres://…`.
    pub url: String,
    /// Most connections of this process on Postgres, and readers on SQLite.
    pub max_connections: u32,
}

/// The pools of one database. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Db {
    /// One pool for everything.
    Postgres(PgPool),
    /// One connection that writes and a few that read: SQLite has one writer at a time, so waiting in our pool is fairer and
    /// cheaper than waiting for its lock.
    Sqlite {
        /// The single writing connection.
        writer: SqlitePool,
        /// Readers see the last commit.
        reader: SqlitePool,
    },
}

impl Db {
    /// Opens the database; creates the file of a SQLite database that does not exist yet.
    pub async fn connect(options: &Options) -> Result<Self> {
        if options.url.starts_with("sqlite:") {
            return Self::connect_sqlite(options).await;
        }
        if options.url.starts_with("postgres:") || options.url.starts_with("postgresql:") {
            let mut connect = PgConnectOptions::from_str(&options.url)?.application_name("slipway").options([
                ("statement_timeout", "60s"),
                ("idle_in_transaction_session_timeout", "60s"),
                ("lock_timeout", "30s"),
            ]);
            // The driver leaves Nagle's algorithm on: a message of several TLS records waits 40 ms for an acknowledgement in its
            // middle. Between two processes of one machine there is nothing to encrypt.
            if is_loopback(connect.get_host()) && !options.url.contains("sslmode") && std::env::var_os("PGSSLMODE").is_none() {
                connect = connect.ssl_mode(PgSslMode::Disable);
            }
            let pool = PgPoolOptions::new()
                .max_connections(options.max_connections)
                .acquire_timeout(Duration::from_secs(10))
                .connect_with(connect)
                .await?;
            return Ok(Self::Postgres(pool));
        }
        let scheme = options.url.split(':').next().unwrap_or_default();
        Err(Error::Config(format!("database url must start with sqlite: or postgres:, not {scheme:?}")))
    }

    async fn connect_sqlite(options: &Options) -> Result<Self> {
        let connect = SqliteConnectOptions::from_str(&options.url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .pragma("journal_size_limit", "67108864")
            .optimize_on_close(true, None);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(connect.clone())
            .await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(options.max_connections.max(1))
            .min_connections(1)
            .connect_with(connect.pragma("query_only", "on"))
            .await?;
        Ok(Self::Sqlite { writer, reader })
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("begin immediate").await?),
        })
    }

    /// Begins a transaction that only reads.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Postgres(pool) => Tx::Postgres(pool.begin_with("begin isolation level repeatable read, read only").await?),
            Self::Sqlite { reader, .. } => Tx::Sqlite(reader.begin().await?),
        })
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        match self {
            Self::Postgres(pool) => done(sqlx::query("select 1").execute(pool).await?),
            Self::Sqlite { reader, .. } => done(sqlx::query("select 1").execute(reader).await?),
        }
        Ok(())
    }

    /// Returns the engine's name.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Sqlite { .. } => "sqlite",
        }
    }

    /// Closes all connections after their current statement.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
        }
    }
}
