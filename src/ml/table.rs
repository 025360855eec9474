//! The table that the trainer reads: named columns of equal length, numbers or categories.
//!
//! Readers of CSV or Parquet files live elsewhere; whoever calls the trainer fills this.

use super::error::FitError;

/// The code of a missing category.
pub const MISSING: u32 = u32::MAX;

/// One column's values.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers; NaN means missing.
    Numeric(Vec<f32>),
    /// Text with few distinct values: indices into `levels`.
    Category {
        /// One index per row, [`MISSING`] where the value is missing.
        codes: Vec<u32>,
        /// The distinct texts, in any order. The empty text counts as missing.
        levels: Vec<String>,
    },
}

impl Column {
    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numeric(values) => values.len(),
            Self::Category { codes, .. } => codes.len(),
        }
    }

    /// Says whether the column has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names the kind of column for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Numeric(_) => "numeric",
            Self::Category { .. } => "text",
        }
    }

    /// Collects texts into a category column, levels in order of first appearance, `None` as missing.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut levels: Vec<String> = Vec::new();
        let mut index = std::collections::HashMap::new();
        let codes = texts
            .into_iter()
            .map(|text| match text {
                None | Some("") => MISSING,
                Some(text) => *index.entry(text).or_insert_with(|| {
                    levels.push(text.to_owned());
                    (levels.len() - 1) as u32
                }),
            })
            .collect();
        Self::Category { codes, levels }
    }
}

/// A column and its name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedColumn {
    /// The name, unique in its table.
    pub name: String,
    /// The values.
    pub column: Column,
}

/// A table: `rows` values in each column.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<NamedColumn>,
    /// The number of rows.
    pub rows: usize,
}

impl Table {
    /// Builds a table of checked columns.
    ///
    /// # Errors
    /// [`FitError::ColumnLength`], [`FitError::DuplicateColumn`] or [`FitError::BadCode`].
    pub fn new(columns: Vec<NamedColumn>) -> Result<Self, FitError> {
        let rows = columns.first().map_or(0, |named| named.column.len());
        let table = Self { columns, rows };
        table.check()?;
        Ok(table)
    }

    /// Checks that columns have `rows` values, distinct names, and codes that name a level.
    pub(crate) fn check(&self) -> Result<(), FitError> {
        let mut names = std::collections::HashSet::new();
        for NamedColumn { name, column } in &self.columns {
            if !names.insert(name.as_str()) {
                return Err(FitError::DuplicateColumn { column: name.clone() });
            }
            if column.len() != self.rows {
                return Err(FitError::ColumnLength { column: name.clone(), rows: column.len(), expected: self.rows });
            }
            if let Column::Category { codes, levels } = column
                && let Some(row) = codes.iter().position(|&code| code != MISSING && code as usize >= levels.len())
            {
                return Err(FitError::BadCode { column: name.clone(), row });
            }
        }
        Ok(())
    }

    /// Copies the given rows, in the given order. They must exist.
    #[must_use]
    pub fn select(&self, rows: &[u32]) -> Self {
        let pick = |column: &Column| match column {
            Column::Numeric(values) => Column::Numeric(rows.iter().map(|&row| values[row as usize]).collect()),
            Column::Category { codes, levels } => {
                Column::Category { codes: rows.iter().map(|&row| codes[row as usize]).collect(), levels: levels.clone() }
            }
        };
        let columns = self.columns.iter().map(|named| NamedColumn { name: named.name.clone(), column: pick(&named.column) });
        Self { columns: columns.collect(), rows: rows.len() }
    }

    /// Finds a column by name.
    ///
    /// # Errors
    /// [`FitError::UnknownColumn`].
    pub fn get(&self, name: &str) -> Result<&Column, FitError> {
        self.columns
            .iter()
            .find(|named| named.name == name)
            .map(|named| &named.column)
            .ok_or_else(|| FitError::UnknownColumn { column: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(name: &str, values: &[f32]) -> NamedColumn {
        NamedColumn { name: name.to_owned(), column: Column::Numeric(values.to_vec()) }
    }

    #[test]
    fn a_ragged_table_is_refused_by_column() {
        let error = Table::new(vec![numeric("a", &[1.0, 2.0]), numeric("b", &[1.0])]).unwrap_err();
        assert_eq!(error.code(), "column_length");
        assert_eq!(error.to_string(), "column \"b\" has 1 rows where the table has 2");
    }

    #[test]
    fn names_are_unique_and_codes_name_levels() {
        let error = Table::new(vec![numeric("a", &[1.0]), numeric("a", &[1.0])]).unwrap_err();
        assert_eq!(error.code(), "duplicate_column");
        let column = Column::Category { codes: vec![0, MISSING, 2], levels: vec!["x".into(), "y".into()] };
        let named = NamedColumn { name: "c".into(), column };
        assert_eq!(Table::new(vec![named]).unwrap_err(), FitError::BadCode { column: "c".into(), row: 2 });
    }

    #[test]
    fn texts_become_codes_in_order_of_appearance() {
        let column = Column::from_texts([Some("b"), None, Some("a"), Some("b"), Some("")]);
        assert_eq!(column, Column::Category { codes: vec![0, MISSING, 1, 0, MISSING], levels: vec!["b".into(), "a".into()] });
    }
}
