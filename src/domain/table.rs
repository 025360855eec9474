//! Tables as they are, for copies of a whole database: columns of five kinds, which both engines share.

use serde::{Deserialize, Serialize};

use super::moving::Tally;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Text.
    Text,
    /// Whole numbers of 64 bits.
    Whole,
    /// Doubles.
    Double,
    /// True or false.
    Truth,
    /// Bytes.
    Bytes,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether a row may have nothing there.
    pub nullable: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns in their sequence.
    pub columns: Vec<Column>,
    /// The columns of its primary key.
    pub key: Vec<String>,
    /// The column that the database numbers by itself, if there is one.
    pub serial: Option<String>,
    /// Tables that its rows refer to.
    pub refers_to: Vec<String>,
}

/// What a row has in a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A double.
    Double(f64),
    /// True or false.
    Truth(bool),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Cell {
    /// Returns how much memory it takes, about.
    pub fn weight(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 8,
            Self::Bytes(bytes) => bytes.len() + 8,
            _ => 8,
        }
    }

    /// Counts a row.
    pub fn tally(row: &[Self], tally: &mut Tally) {
        let mut fields: Vec<Vec<u8>> = Vec::with_capacity(row.len());
        for cell in row {
            let (kind, bytes): (u8, &[u8]) = match cell {
                Self::Nothing => (0, &[]),
                Self::Text(text) => (1, text.as_bytes()),
                Self::Whole(number) => (2, &number.to_le_bytes()),
                Self::Double(number) => (3, &number.to_bits().to_le_bytes()),
                Self::Truth(truth) => (4, &[u8::from(*truth)]),
                Self::Bytes(bytes) => (5, bytes),
            };
            fields.push([&[kind], bytes].concat());
        }
        let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        tally.add("row", &fields);
    }
}

/// Orders tables so that each comes after those that it refers to; none if they go in a circle.
pub fn sorted(mut tables: Vec<Table>) -> Option<Vec<Table>> {
    let mut done: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let is_free =
            |table: &Table| table.refers_to.iter().all(|name| *name == table.name || done.iter().any(|before| before.name == *name));
        let (free, rest): (Vec<Table>, Vec<Table>) = tables.into_iter().partition(is_free);
        if free.is_empty() {
            return None;
        }
        done.extend(free);
        tables = rest;
    }
    Some(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, refers_to: &[&str]) -> Table {
        let refers_to = refers_to.iter().map(|name| (*name).to_owned()).collect();
        Table { name: name.to_owned(), columns: Vec::new(), key: Vec::new(), serial: None, refers_to }
    }

    #[test]
    fn tables_come_after_those_that_they_refer_to() {
        let names = |tables: Vec<Table>| tables.into_iter().map(|table| table.name).collect::<Vec<_>>();
        let found = sorted(vec![table("c", &["b", "a", "c"]), table("b", &["a"]), table("a", &[])]).unwrap();
        assert_eq!(names(found), ["a", "b", "c"]);
        assert!(sorted(vec![table("a", &["b"]), table("b", &["a"])]).is_none());
    }

    #[test]
    fn cells_of_different_kinds_are_different() {
        let tally = |cell: Cell| {
            let mut tally = Tally::default();
            Cell::tally(&[cell], &mut tally);
            tally
        };
        assert_ne!(tally(Cell::Nothing), tally(Cell::Text(String::new())));
        assert_ne!(tally(Cell::Double(0.0)), tally(Cell::Double(-0.0)));
        assert_ne!(tally(Cell::Text("a".to_owned())), tally(Cell::Bytes(b"a".to_vec())));
    }
}
