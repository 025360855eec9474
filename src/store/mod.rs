//! All SQL of slipway. One text per query serves Postgres and SQLite; `on!` expands it against both drivers, so the compiler
//! checks it twice. Functions take `&mut Tx`, speak domain types and never decide: that is the service's and the domain's part.
//! Migrations are in `migrate`, one file per noun holds the rest.

pub mod alias;
pub mod artifact;
mod connect;
pub mod dataset;
pub mod event;
pub mod idempotency;
pub mod identity;
pub mod job;
pub mod migrate;
pub mod model;
pub mod monitor;
pub mod run;
pub mod serving;
pub mod stage;
pub mod tracking;
pub mod webhook;
pub mod worker;

use sqlx::{Postgres, Sqlite, Transaction};

pub use connect::{Db, Options};

/// A transaction on either engine. Dropping it rolls back.
#[derive(Debug)]
pub enum Tx {
    /// Read committed.
    Postgres(Transaction<'static, Postgres>),
    /// Serializable: there is one writer.
    Sqlite(Transaction<'static, Sqlite>),
}

/// Runs an expression against the connection of a [`Tx`], whichever engine it is on.
macro_rules! on {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::store::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
            $crate::store::Tx::Sqlite(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use on;

impl Tx {
    /// Commits. An error may also mean that the answer was lost: callers that retry must be idempotent.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// A failed statement, or a row that can't become a domain type.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine, the network or the pool.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date, or is newer than this program.
    #[error("{0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A stored value that this program does not understand.
    #[error("{table}.{column} of {row}: {problem}")]
    Decode {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        row: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A URL or folder that can't be used.
    #[error("{0}")]
    Config(String),
}

/// The result of a store function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Tells whether the database was out of reach or overloaded, as opposed to a statement it refused.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Database(
                sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed,
            ) => true,
            // 57P0x: the server is shutting down or starting; 53xxx: out of connections or memory; 40P01 and 40001: lost to another
            // transaction; 55P03 and 57014: waited too long; 5 and 261: SQLite is busy
            Self::Database(sqlx::Error::Database(e)) => e.code().is_some_and(|c| {
                c.starts_with("57P") || c.starts_with("53") || ["40P01", "40001", "55P03", "57014", "5", "261"].contains(&&*c)
            }),
            _ => false,
        }
    }

    /// Tells whether a unique index refused a row.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(e)) if e.is_unique_violation())
    }

    pub(crate) fn decode(table: &'static str, column: &'static str, row: &str, problem: impl ToString) -> Self {
        Self::Decode { table, column, row: row.to_owned(), problem: problem.to_string() }
    }
}

/// Lets go of a statement's result, whose type differs between the engines.
pub(crate) fn done<T>(_: T) {}

/// Reads a JSON column.
pub(crate) fn json<T: serde::de::DeserializeOwned>(table: &'static str, column: &'static str, row: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::decode(table, column, row, e))
}

/// Writes a JSON column. Domain types serialise into strings and finite numbers, which can't fail.
#[expect(clippy::expect_used, reason = "see above")]
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("domain types serialise")
}
