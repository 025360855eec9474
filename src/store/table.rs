//! Tables as the catalog of the database describes them: read and written whole, for copies of everything. Migrations need no word
//! here about what they make.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Error, Result, Tx, done, on};
use crate::domain::table::{Cell, Column, Kind, Table, sorted};

/// Values that one statement binds at most, and rows that it inserts at most.
const MAX_VALUES: usize = 16_000;
const MAX_ROWS: usize = 500;

/// Tables that say what processes do just now, which no other place wants to know.
const PASSING: [&str; 4] = ["worker_processes", "replicas", "replica_routes", "idempotency_keys"];

/// Lists the tables that outlive a process, each after those that it refers to.
pub async fn catalog(tx: &mut Tx) -> Result<Vec<Table>> {
    type Described = (String, String, String, bool, bool, bool);
    // table, column, type, nullable, part of the key, numbered by the database
    let columns: Vec<Described> = match tx {
        Tx::Postgres(_) => on!(tx, conn => sqlx::query_as(
            "select c.table_name::text, c.column_name::text, c.data_type::text, c.is_nullable = 'YES', k.attname is not null,
                c.is_identity = 'YES'
             from information_schema.columns c
             left join (select i.indrelid, a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
                where i.indisprimary) k on k.indrelid = format('public.%I', c.table_name)::regclass and k.attname = c.column_name
             where c.table_schema = 'public' order by c.table_name, c.ordinal_position").fetch_all(conn).await?),
        Tx::Sqlite(_) => on!(tx, conn => sqlx::query_as(
            "select m.name, c.name, c.type, c.\"notnull\" = 0 and c.pk = 0, c.pk > 0, c.pk > 0 and c.type = 'INTEGER'
             from sqlite_master m join pragma_table_info(m.name) c
             where m.type = 'table' and m.name not in ('Jobs', 'Workers') order by m.name, c.cid").fetch_all(conn).await?),
    };
    let references: Vec<(String, String)> = match tx {
        Tx::Postgres(_) => on!(tx, conn => sqlx::query_as(
            "select conrelid::regclass::text, confrelid::regclass::text from pg_constraint where contype = 'f'").fetch_all(conn).await?),
        Tx::Sqlite(_) => on!(tx, conn => sqlx::query_as(
            "select m.name, f.\"table\" from sqlite_master m join pragma_foreign_key_list(m.name) f where m.type = 'table'")
            .fetch_all(conn).await?),
    };
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for (table, name, kind, nullable, in_key, serial) in columns {
        if table.starts_with('_') || table.starts_with("sqlite_") || PASSING.contains(&table.as_str()) {
            continue;
        }
        let kind = kind_of(&kind).ok_or_else(|| Error::decode("the catalog", "type", &format!("{table}.{name}"), &kind))?;
        let entry = tables.entry(table.clone()).or_insert_with(|| Table {
            name: table,
            columns: Vec::new(),
            key: Vec::new(),
            serial: None,
            refers_to: Vec::new(),
        });
        if in_key {
            entry.key.push(name.clone());
        }
        if serial {
            entry.serial = Some(name.clone());
        }
        entry.columns.push(Column { name, kind, nullable });
    }
    for (from, to) in references {
        if let Some(table) = tables.get_mut(&from) {
            table.refers_to.push(to);
        }
    }
    sorted(tables.into_values().collect()).ok_or_else(|| Error::Config("tables refer to each other in a circle".to_owned()))
}

fn kind_of(declared: &str) -> Option<Kind> {
    Some(match declared.to_ascii_lowercase().as_str() {
        "text" => Kind::Text,
        "bigint" | "integer" => Kind::Whole,
        "double precision" => Kind::Double,
        "boolean" => Kind::Truth,
        "bytea" | "blob" => Kind::Bytes,
        _ => return None,
    })
}

/// Takes the time limits off a transaction that reads or writes a lot.
pub async fn take_time(tx: &mut Tx) -> Result<()> {
    if let Tx::Postgres(_) = tx {
        on!(tx, conn => done(sqlx::raw_sql("set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0")
            .execute(conn).await?));
    }
    Ok(())
}

/// Hands out all rows of a table by its key, one by one.
pub async fn each(tx: &mut Tx, table: &Table, mut take: impl FnMut(Vec<Cell>) -> Result<()>) -> Result<()> {
    let text = format!("select {} from {} order by {}", names(table), quoted(&table.name), list(&table.key));
    on!(tx, conn => {
        let mut rows = sqlx::query(AssertSqlSafe(text)).fetch(conn);
        while let Some(row) = rows.try_next().await? {
            let mut cells = Vec::with_capacity(table.columns.len());
            for (i, column) in table.columns.iter().enumerate() {
                cells.push(match column.kind {
                    Kind::Text => row.try_get::<Option<String>, _>(i)?.map_or(Cell::Nothing, Cell::Text),
                    Kind::Whole => row.try_get::<Option<i64>, _>(i)?.map_or(Cell::Nothing, Cell::Whole),
                    Kind::Double => row.try_get::<Option<f64>, _>(i)?.map_or(Cell::Nothing, Cell::Double),
                    Kind::Truth => row.try_get::<Option<bool>, _>(i)?.map_or(Cell::Nothing, Cell::Truth),
                    Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(i)?.map_or(Cell::Nothing, Cell::Bytes),
                });
            }
            take(cells)?;
        }
    });
    Ok(())
}

/// Tells whether a table has a row.
pub async fn has_rows(tx: &mut Tx, table: &Table) -> Result<bool> {
    let text = format!("select 1 from {} limit 1", quoted(&table.name));
    Ok(on!(tx, conn => sqlx::query(AssertSqlSafe(text)).fetch_optional(conn).await?.is_some()))
}

/// Inserts rows.
pub async fn insert(tx: &mut Tx, table: &Table, rows: &[Vec<Cell>]) -> Result<()> {
    let width = table.columns.len().max(1);
    let sign = if matches!(tx, Tx::Postgres(_)) { '$' } else { '?' };
    for chunk in rows.chunks((MAX_VALUES / width).clamp(1, MAX_ROWS)) {
        let mut text = format!("insert into {} ({}) values ", quoted(&table.name), names(table));
        for (i, row) in chunk.iter().enumerate() {
            text.push_str(if i == 0 { "(" } else { ", (" });
            for column in 0..row.len() {
                let comma = if column == 0 { "" } else { ", " };
                text.push_str(&format!("{comma}{sign}{}", i * width + column + 1));
            }
            text.push(')');
        }
        on!(tx, conn => {
            let mut query = sqlx::query(AssertSqlSafe(text));
            for (cell, column) in chunk.iter().flat_map(|row| row.iter().zip(&table.columns)) {
                query = match (cell, column.kind) {
                    (Cell::Text(text), _) => query.bind(text),
                    (Cell::Whole(number), _) => query.bind(number),
                    (Cell::Double(number), _) => query.bind(number),
                    (Cell::Truth(truth), _) => query.bind(truth),
                    (Cell::Bytes(bytes), _) => query.bind(bytes),
                    (Cell::Nothing, Kind::Text) => query.bind(None::<String>),
                    (Cell::Nothing, Kind::Whole) => query.bind(None::<i64>),
                    (Cell::Nothing, Kind::Double) => query.bind(None::<f64>),
                    (Cell::Nothing, Kind::Truth) => query.bind(None::<bool>),
                    (Cell::Nothing, Kind::Bytes) => query.bind(None::<Vec<u8>>),
                };
            }
            done(query.execute(conn).await?);
        });
    }
    Ok(())
}

/// Lets the database go on numbering after the rows that were inserted with their numbers. SQLite does so by itself.
pub async fn renumber(tx: &mut Tx, table: &Table) -> Result<()> {
    let (Tx::Postgres(_), Some(serial)) = (&tx, &table.serial) else { return Ok(()) };
    let (name, column) = (quoted(&table.name), quoted(serial));
    let text = format!(
        "select setval(pg_get_serial_sequence('{}', '{serial}'), coalesce(max({column}), 1), max({column}) is not null) from {name}",
        table.name
    );
    on!(tx, conn => done(sqlx::query(AssertSqlSafe(text)).execute(conn).await?));
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

fn names(table: &Table) -> String {
    table.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}
