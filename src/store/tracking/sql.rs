//! Statements that are put together at run time. Text comes from this program alone; every value of a client is bound.

use crate::store::Tx;

/// Which engine a statement is for, where the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    pub(super) fn of(tx: &Tx) -> Self {
        match tx {
            Tx::Postgres(_) => Self::Postgres,
            Tx::Sqlite(_) => Self::Sqlite,
        }
    }

    /// Orders text by its bytes, as SQLite does anyway.
    pub(super) fn bytewise(self, column: &str) -> String {
        match self {
            Self::Postgres => format!("{column} collate \"C\""),
            Self::Sqlite => column.to_owned(),
        }
    }
}

/// A value to be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arg {
    Text(String),
    Number(i64),
}

/// A statement under construction.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) dialect: Dialect,
    pub(super) text: String,
    pub(super) args: Vec<Arg>,
}

impl Sql {
    pub(super) fn new(dialect: Dialect, text: &str) -> Self {
        Self { dialect, text: text.to_owned(), args: Vec::new() }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Binds a text and puts its placeholder here.
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.args.push(Arg::Text(value.to_owned()));
        self.placeholder()
    }

    /// Binds a number and puts its placeholder here.
    pub(super) fn number(&mut self, value: i64) -> &mut Self {
        self.args.push(Arg::Number(value));
        self.placeholder()
    }

    /// Binds a text, or nothing.
    pub(super) fn maybe_text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.push("null"),
        }
    }

    /// Binds a number, or nothing.
    pub(super) fn maybe_number(&mut self, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.number(value),
            None => self.push("null"),
        }
    }

    /// Binds a text and returns its placeholder, which may stand in several places.
    pub(super) fn bound(&mut self, value: &str) -> String {
        self.args.push(Arg::Text(value.to_owned()));
        let sign = if self.dialect == Dialect::Postgres { '$' } else { '?' };
        format!("{sign}{}", self.args.len())
    }

    /// SQLite takes `$1` for a name and looks it up among all before it, which is quadratic in a statement of thousands;
    /// `?1` is a number.
    fn placeholder(&mut self) -> &mut Self {
        self.text.push(match self.dialect {
            Dialect::Postgres => '$',
            Dialect::Sqlite => '?',
        });
        self.text.push_str(&self.args.len().to_string());
        self
    }

    /// Opens a test for a row of a subquery, `closed` by its counterpart. SQLite may turn an `exists` into a join that it starts
    /// from the wrong end; a scalar subquery stays a probe.
    pub(super) fn exists(&mut self, subquery: &str) -> &mut Self {
        self.push(match self.dialect {
            Dialect::Postgres => "exists (",
            Dialect::Sqlite => "(",
        })
        .push(subquery)
    }

    pub(super) fn closed(&mut self) -> &mut Self {
        self.push(match self.dialect {
            Dialect::Postgres => ")",
            Dialect::Sqlite => ") is not null",
        })
    }

    /// Puts `($1, $2, …)` here.
    pub(super) fn texts<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.push("(");
        for (i, value) in values.into_iter().enumerate() {
            self.push(if i == 0 { "" } else { ", " }).text(value);
        }
        self.push(")")
    }

    /// Puts `($1, $2, …)` here.
    pub(super) fn numbers(&mut self, values: impl IntoIterator<Item = i64>) -> &mut Self {
        self.push("(");
        for (i, value) in values.into_iter().enumerate() {
            self.push(if i == 0 { "" } else { ", " }).number(value);
        }
        self.push(")")
    }
}

/// Runs a [`Sql`] and returns all rows of the type that is expected.
macro_rules! fetch {
    ($tx:expr, $sql:expr) => {{
        let sql = $sql;
        $crate::store::on!($tx, conn => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.text));
            for arg in sql.args {
                query = match arg {
                    $crate::store::tracking::sql::Arg::Text(text) => query.bind(text),
                    $crate::store::tracking::sql::Arg::Number(number) => query.bind(number),
                };
            }
            query.fetch_all(conn).await?
        })
    }};
}
pub(super) use fetch;

/// Runs a [`Sql`] and returns how many rows it changed.
macro_rules! execute {
    ($tx:expr, $sql:expr) => {{
        let sql = $sql;
        $crate::store::on!($tx, conn => {
            let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.text));
            for arg in sql.args {
                query = match arg {
                    $crate::store::tracking::sql::Arg::Text(text) => query.bind(text),
                    $crate::store::tracking::sql::Arg::Number(number) => query.bind(number),
                };
            }
            query.execute(conn).await?.rows_affected()
        })
    }};
}
pub(super) use execute;

/// The rank of a metric's latest value, exactly as the index `metric_keys_by_value` has it: see `domain::search::rank`.
pub(super) fn rank(table: &str) -> String {
    rank_of_bits(&format!("{table}.latest_bits"))
}

/// The rank of a double whose bits are in a column.
pub(super) fn rank_of_bits(column: &str) -> String {
    format!("(case when {column} >= 0 then {column} else -1 - {column} + (-9223372036854775807 - 1) end)")
}
