//! Tables: a heading, two spaces between columns, numbers at the right.

use serde_json::Value;

use super::style::Style;
use super::text::{self, pad, width};
use crate::domain::time::Timestamp;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    /// A metric's value, with four digits.
    Metric,
    Size,
    Time,
    /// A word for a state.
    State,
    /// Names between commas.
    List,
    /// Names and values; on lines of their own where a single thing is shown.
    Map,
    /// The same with metrics.
    Metrics,
    /// The beginning of a digest or of a long text.
    Short,
}

/// A column: its title, a JSON pointer to its value, and what it holds.
#[derive(Clone, Debug)]
pub(super) struct Column {
    title: std::borrow::Cow<'static, str>,
    pointer: std::borrow::Cow<'static, str>,
    kind: Kind,
}

impl Column {
    pub(super) const fn new(title: &'static str, pointer: &'static str, kind: Kind) -> Self {
        Self { title: std::borrow::Cow::Borrowed(title), pointer: std::borrow::Cow::Borrowed(pointer), kind }
    }

    /// A column for a key that is known only now, under `field`.
    pub(super) fn of_key(field: &str, key: &str, kind: Kind) -> Self {
        Self::named(key, format!("/{field}/{}", key.replace('~', "~0").replace('/', "~1")), kind)
    }

    /// A column that is known only now.
    pub(super) fn named(title: &str, pointer: String, kind: Kind) -> Self {
        Self { title: text::plain(title).into(), pointer: pointer.into(), kind }
    }

    fn is_right(&self) -> bool {
        matches!(self.kind, Kind::Number | Kind::Metric | Kind::Size)
    }
}

/// The longest text of a column in a table; a single thing is shown as a whole.
const LONGEST: usize = 60;

/// Writes tables.
pub(super) struct Table {
    style: Style,
    now: Option<Timestamp>,
    widths: Vec<usize>,
}

impl Table {
    pub(super) fn new(style: Style, now: Option<Timestamp>) -> Self {
        Self { style, now, widths: Vec::new() }
    }

    /// Writes rows, the first time under a heading. Widths only grow from page to page.
    pub(super) fn rows(&mut self, items: &[Value], columns: &[Column]) -> String {
        let cells: Vec<Vec<String>> =
            items.iter().map(|item| columns.iter().map(|column| shorten(self.cell(item, column))).collect()).collect();
        let is_first = self.widths.is_empty();
        if is_first {
            self.widths = columns.iter().map(|column| width(&column.title)).collect();
        }
        for row in &cells {
            for (known, cell) in self.widths.iter_mut().zip(row) {
                *known = (*known).max(width(cell));
            }
        }
        let mut out = String::new();
        if is_first {
            let titles = columns.iter().zip(&self.widths).map(|(column, width)| pad(&column.title, *width, column.is_right()));
            out.push_str(&self.style.heading(titles.collect::<Vec<_>>().join("  ").trim_end()));
            out.push('\n');
        }
        for row in &cells {
            let mut line = String::new();
            for ((cell, column), width) in row.iter().zip(columns).zip(&self.widths) {
                let padded = pad(cell, *width, column.is_right());
                line.push_str(&if column.kind == Kind::State { self.style.state(&padded) } else { padded });
                line.push_str("  ");
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// Writes one thing, a field a line.
    pub(super) fn describe<'a>(&self, item: &Value, columns: impl Iterator<Item = &'a Column>) -> String {
        let columns: Vec<&Column> = columns.collect();
        let widest = columns.iter().map(|column| width(&column.title)).max().unwrap_or(0);
        let mut out = String::new();
        for column in columns {
            let value = item.pointer(&column.pointer).unwrap_or(&Value::Null);
            let label = pad(&column.title, widest, false);
            let entries = value.as_object().filter(|_| matches!(column.kind, Kind::Map | Kind::Metrics));
            let shown = self.cell(item, column);
            let shown = if column.kind == Kind::State { self.style.state(&shown) } else { shown };
            out.push_str(format!("{}  {}", self.style.heading(&label), if entries.is_some() { "" } else { &shown }).trim_end());
            out.push('\n');
            let names = entries.map(|entries| entries.keys().map(|name| width(name)).max().unwrap_or(0));
            for (name, value) in entries.into_iter().flatten() {
                let value = if column.kind == Kind::Metrics { text::metric(value) } else { text::scalar(value) };
                out.push_str(format!("  {}  {value}", pad(&text::plain(name), names.unwrap_or(0), false)).trim_end());
                out.push('\n');
            }
        }
        out
    }

    /// Writes a time: how long ago on a terminal, RFC 3339 elsewhere.
    pub(super) fn time(&self, value: &Value) -> String {
        match (value.as_str().and_then(Timestamp::parse), self.now) {
            (Some(time), Some(now)) => text::relative(time, now),
            _ => text::scalar(value),
        }
    }

    fn cell(&self, item: &Value, column: &Column) -> String {
        let value = item.pointer(&column.pointer).unwrap_or(&Value::Null);
        match column.kind {
            Kind::Metric => text::metric(value),
            Kind::Size => value.as_u64().map_or_else(String::new, text::size),
            Kind::Time => self.time(value),
            Kind::Short => text::scalar(value).trim_start_matches("sha256:").chars().take(12).collect(),
            Kind::List => value.as_array().into_iter().flatten().map(text::scalar).collect::<Vec<_>>().join(", "),
            Kind::Map | Kind::Metrics => {
                let entries = value.as_object().into_iter().flatten();
                entries.map(|(name, value)| format!("{}={}", text::plain(name), text::scalar(value))).collect::<Vec<_>>().join(", ")
            }
            Kind::Text | Kind::Number | Kind::State => text::scalar(value),
        }
    }
}

fn shorten(text: String) -> String {
    if width(&text) <= LONGEST {
        return text;
    }
    console::truncate_str(&text, LONGEST, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::new("NAME", "/name", Kind::Text), Column::new("ROWS", "/rows", Kind::Number), Column::new("STATE", "/state", Kind::State)];

    #[test]
    fn numbers_stand_at_the_right_and_later_pages_keep_their_columns() {
        let mut table = Table::new(Style::new(false), None);
        let first = table.rows(&[json!({ "name": "tides", "rows": 569, "state": "READY" }), json!({ "name": "x", "rows": 3 })], &COLUMNS);
        assert_eq!(first, "NAME   ROWS  STATE\ntides   569  READY\nx         3\n");
        assert_eq!(table.rows(&[json!({ "name": "y", "rows": 1, "state": "FAILED" })], &COLUMNS), "y         1  FAILED\n");
    }

    #[test]
    fn one_thing_is_shown_a_field_a_line_with_its_maps_below() {
        let columns = [Column::new("name", "/name", Kind::Text), Column::new("metrics", "/m", Kind::Metrics)];
        let shown =
            Table::new(Style::new(false), None).describe(&json!({ "name": "a", "m": { "loss": 0.123456, "epoch": 2 } }), columns.iter());
        assert_eq!(shown, "name     a\nmetrics\n  epoch  2\n  loss   0.1235\n");
    }

    #[test]
    fn long_texts_are_cut_in_tables_alone() {
        let long = json!({ "name": "x".repeat(100) });
        let columns = [Column::new("NAME", "/name", Kind::Text)];
        let mut table = Table::new(Style::new(false), None);
        assert_eq!(table.rows(std::slice::from_ref(&long), &columns).lines().nth(1).map(width), Some(60));
        assert!(table.describe(&long, columns.iter()).contains(&"x".repeat(100)));
    }
}
