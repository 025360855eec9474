//! MLflow's own database, read and never written: the tables that its versions 2 and 3 share, with what came later where it is
//! there. The files are named after their nouns.

pub mod experiment;
pub mod logged_model;
pub mod registry;
pub mod run;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::{Db, Error, Result, Tx, on};

/// Which of the tables and columns that not all versions have are there.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Experiments belong to workspaces.
    pub workspaces: bool,
    /// Runs have inputs.
    pub inputs: bool,
    /// There are logged models.
    pub logged_models: bool,
    /// Registered models have aliases.
    pub aliases: bool,
}

/// Opens an MLflow database for reading: `sqlite:///file.db` or `postgresql://…`, as MLflow's `--backend-store-uri` takes them. A
/// driver in the scheme, as in `postgresql+psycopg2://`, is passed over.
pub async fn open(url: &str) -> Result<(Db, Schema)> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    let db = match scheme.split('+').next() {
        Some("sqlite") => {
            // three slashes are SQLAlchemy's for a relative path, four for an absolute one
            let file = rest.strip_prefix("///").unwrap_or(rest);
            let connect = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(Duration::from_secs(10));
            let pool = SqlitePoolOptions::new().max_connections(4).connect_with(connect).await?;
            Db::Sqlite { writer: pool.clone(), reader: pool }
        }
        Some("postgresql" | "postgres") => {
            let connect = PgConnectOptions::from_str(&format!("postgres:{rest}"))?.application_name("slipway import");
            Db::Postgres(PgPoolOptions::new().max_connections(4).connect_with(connect).await?)
        }
        _ => return Err(Error::Config("an MLflow database has a URL that starts with sqlite: or postgresql:".to_owned())),
    };
    let mut tx = db.read().await?;
    if !has_column(&mut tx, "alembic_version", "version_num").await? || !has_column(&mut tx, "runs", "run_uuid").await? {
        return Err(Error::Config("this is not a database of MLflow: it lacks its tables".to_owned()));
    }
    let schema = Schema {
        workspaces: has_column(&mut tx, "experiments", "workspace").await?,
        inputs: has_column(&mut tx, "inputs", "input_uuid").await?,
        logged_models: has_column(&mut tx, "logged_models", "model_id").await? && has_column(&mut tx, "inputs", "step").await?,
        aliases: has_column(&mut tx, "registered_model_aliases", "alias").await?,
    };
    drop(tx);
    Ok((db, schema))
}

async fn has_column(tx: &mut Tx, table: &str, column: &str) -> Result<bool> {
    let found: i64 = match tx {
        Tx::Postgres(_) => {
            let text = "select count(*) from information_schema.columns
                        where table_schema = any (current_schemas(false)) and table_name = $1 and column_name = $2";
            on!(tx, conn => sqlx::query_scalar(text).bind(table).bind(column).fetch_one(conn).await?)
        }
        Tx::Sqlite(_) => {
            on!(tx, conn => sqlx::query_scalar("select count(*) from pragma_table_info($1) where name = $2")
                .bind(table).bind(column).fetch_one(conn).await?)
        }
    };
    Ok(found > 0)
}

impl Schema {
    /// The condition that keeps to MLflow's default workspace, where there are several.
    fn here(self, table: &str) -> String {
        if self.workspaces { format!(" and {table}.workspace = 'default'") } else { String::new() }
    }
}
