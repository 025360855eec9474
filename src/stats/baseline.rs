//! The frozen reference of a model's columns, arranged for counting values against it.

use std::collections::HashMap;
use std::fmt;

use super::novel::stable_hash;
use super::profile::{ColumnKind, ColumnProfile};
use super::tables::{BinTable, CellTable};

/// What is wrong with a reference profile, a batch or the bytes of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowError {
    /// A reference profile contradicts itself: the column and the reason.
    Reference {
        /// Name of the column.
        column: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// There is no column of this index.
    NoColumn(usize),
    /// The column at this index does not hold values of the kind that was observed.
    WrongKind(usize),
    /// The two windows, or the window and the baseline, count against different references.
    OtherBaseline,
    /// The bytes are not a window: the reason.
    Bytes(&'static str),
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference { column, reason } => write!(f, "reference profile of column {column:?}: {reason}"),
            Self::NoColumn(index) => write!(f, "the baseline has no column {index}"),
            Self::WrongKind(index) => write!(f, "column {index} does not hold values of this kind"),
            Self::OtherBaseline => write!(f, "the window counts against another baseline"),
            Self::Bytes(reason) => write!(f, "bytes of a window profile: {reason}"),
        }
    }
}

impl std::error::Error for WindowError {}

/// The reference profiles of a model's columns with the tables to count against them. Made once per model version and shared by
/// its windows.
#[derive(Debug)]
pub struct Baseline {
    profiles: Vec<ColumnProfile>,
    pub(crate) tables: Vec<Table>,
    index: HashMap<String, usize>,
    fingerprint: u64,
}

/// How the values of one column are counted.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) bins: Option<BinTable>,
    pub(crate) cells: Option<CellTable>,
}

impl Baseline {
    /// Freezes reference profiles. Column names must be unique.
    pub fn new(profiles: Vec<ColumnProfile>) -> Result<Self, WindowError> {
        let mut tables = Vec::with_capacity(profiles.len());
        let mut index = HashMap::with_capacity(profiles.len());
        for (at, profile) in profiles.iter().enumerate() {
            let refuse = |reason| WindowError::Reference { column: profile.name.clone(), reason };
            tables.push(Table::new(profile).map_err(refuse)?);
            if index.insert(profile.name.clone(), at).is_some() {
                return Err(refuse("another column has this name"));
            }
        }
        let fingerprint = fingerprint(&profiles, &tables);
        Ok(Self { profiles, tables, index, fingerprint })
    }

    /// The reference profiles, in the order of the columns.
    pub fn profiles(&self) -> &[ColumnProfile] {
        &self.profiles
    }

    /// Finds the index of a column by its name.
    pub fn find_column(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// A number that two baselines share when windows counted against them may be merged. It covers names, kinds, edges, scales
    /// and categories; it guards against mistakes, not against an adversary.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl Table {
    fn new(profile: &ColumnProfile) -> Result<Self, &'static str> {
        match profile.kind {
            ColumnKind::Numeric => {
                let numeric = profile.numeric.as_ref().ok_or("a numeric column needs a numeric profile")?;
                let cells = match &profile.categories {
                    Some(categories) if categories.other == 0 => Some(CellTable::of_values(&categories.top)?),
                    _ => None,
                };
                Ok(Self { bins: Some(BinTable::new(numeric)?), cells })
            }
            ColumnKind::Boolean | ColumnKind::Categorical => {
                let categories = profile.categories.as_ref().ok_or("the column needs a category profile")?;
                let cells = if profile.kind == ColumnKind::Boolean {
                    CellTable::of_booleans(&categories.top)?
                } else {
                    CellTable::of_texts(&categories.top, categories.other)?
                };
                Ok(Self { bins: None, cells: Some(cells) })
            }
        }
    }
}

impl Table {
    /// The cells of a boolean column.
    pub(crate) fn booleans(&self) -> Option<&CellTable> {
        // Of the columns without bins only these have cells with a number each.
        self.cells.as_ref().filter(|cells| self.bins.is_none() && !cells.values.is_empty())
    }
}

fn fingerprint(profiles: &[ColumnProfile], tables: &[Table]) -> u64 {
    let mut bytes = Vec::new();
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    };
    for (profile, table) in profiles.iter().zip(tables) {
        text(&mut bytes, &profile.name);
        bytes.push(match profile.kind {
            ColumnKind::Numeric => 0,
            ColumnKind::Boolean => 1,
            ColumnKind::Categorical => 2,
        });
        if let Some(bins) = &table.bins {
            bytes.extend((bins.len as u64).to_le_bytes());
            for number in bins.edges().iter().chain([&bins.unit, &bins.mean, &bins.spread]) {
                bytes.extend(number.to_bits().to_le_bytes());
            }
        }
        if let Some(cells) = &table.cells {
            bytes.extend((cells.names.len() as u64).to_le_bytes());
            cells.names.iter().for_each(|name| text(&mut bytes, name));
        }
    }
    stable_hash(&bytes)
}
