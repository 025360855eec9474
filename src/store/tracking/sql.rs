//! Statements that are put together at run time. Text comes from this program alone; every value of a client is bound.

use crate::store::Tx;

/// Which engine a statement is for, where the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    pub(in crate::store) fn of(tx: &Tx) -> Self {
        match tx {
            Tx::Postgres(_) => Self::Postgres,
            Tx::Sqlite(_) => Self::Sqlite,
        }
    }

    /// Orders text by its bytes, as SQLite does anyway.
    pub(in crate::store) fn bytewise(self, column: &str) -> String {
        match self {
            Self::Postgres => format!("{column} collate \"C\""),
            Self::Sqlite => column.to_owned(),
        }
    }
}

/// A value to be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Arg {
    Text(String),
    Number(i64),
}

/// A statement under construction.
#[derive(Debug)]
pub(in crate::store) struct Sql {
    pub(in crate::store) dialect: Dialect,
    pub(in crate::store) text: String,
    pub(in crate::store) args: Vec<Arg>,
}

impl Sql {
    pub(in crate::store) fn new(dialect: Dialect, text: &str) -> Self {
        Self { dialect, text: text.to_owned(), args: Vec::new() }
    }

    pub(in crate::store) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Binds a text and puts its placeholder here.
    pub(in crate::store) fn text(&mut self, value: &str) -> &mut Self {
        self.args.push(Arg::Text(value.to_owned()));
        self.placeholder()
    }

    /// Binds a number and puts its placeholder here.
    pub(in crate::store) fn number(&mut self, value: i64) -> &mut Self {
        self.args.push(Arg::Number(value));
        self.placeholder()
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
    pub(in crate::store) fn exists(&mut self, subquery: &str) -> &mut Self {
        self.push(match self.dialect {
            Dialect::Postgres => "exists (",
            Dialect::Sqlite => "(",
        })
        .push(subquery)
    }

    pub(in crate::store) fn closed(&mut self) -> &mut Self {
        self.push(match self.dialect {
            Dialect::Postgres => ")",
            Dialect::Sqlite => ") is not null",
        })
    }

    /// Puts `($1, $2, …)` here.
    pub(in crate::store) fn texts<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.push("(");
        for (i, value) in values.into_iter().enumerate() {
            self.push(if i == 0 { "" } else { ", " }).text(value);
        }
        self.push(")")
    }

    /// Puts `($1, $2, …)` here.
    pub(in crate::store) fn numbers(&mut self, values: impl IntoIterator<Item = i64>) -> &mut Self {
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
pub(in crate::store) use fetch;

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
pub(in crate::store) use execute;

/// The rank of a metric's latest value, exactly as the index `metric_keys_by_value` has it: see `domain::search::rank`.
pub(in crate::store) fn rank(table: &str) -> String {
    rank_of_bits(&format!("{table}.latest_bits"))
}

/// The rank of a double whose bits are in a column.
pub(in crate::store) fn rank_of_bits(column: &str) -> String {
    format!("(case when {column} >= 0 then {column} else -1 - {column} + (-9223372036854775807 - 1) end)")
}
