//! A copy of everything as files: one Parquet file a table, every stored object under its hash, and a manifest that says what
//! there is. `write` makes one, `read` makes a database of one, `pages` is Parquet.
//!
//! ```text
//! manifest.json                     written last: without it a copy is not complete
//! tables/runs.parquet               …
//! objects/e3/e3b0c442…              bytes by their SHA-256
//! ```

mod pages;
mod read;
mod write;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use read::read;
pub use write::write;

use super::{Result, Trouble};
use crate::blob::Digest;
use crate::domain::table::Column;

const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// Largest manifest that is read.
const MAX_MANIFEST: u64 = 64 << 20;
/// The table of keys, which a copy holds only when it is asked for.
const KEYS: &str = "api_keys";

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// How it is laid out.
    pub format: u32,
    /// The version that wrote it.
    pub slipway: String,
    /// The newest migration of the database it was made of.
    pub schema: i64,
    /// Its tables, each after those that it refers to.
    pub tables: Vec<TableFile>,
    /// Objects in it.
    pub objects: i64,
    /// Bytes of all objects.
    pub object_bytes: i64,
    /// Objects that were damaged in the store and are therefore not in it.
    pub damaged: Vec<String>,
}

/// A table of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// How many rows it has.
    pub rows: i64,
    /// Digest of the rows whatever their order: the same for the same rows of either database.
    pub content: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl Manifest {
    /// Writes it for people.
    pub fn text(&self) -> String {
        let rows: i64 = self.tables.iter().map(|table| table.rows).sum();
        let mut text = format!(
            "{} tables with {rows} rows, {} objects with {} bytes, schema {}\n",
            self.tables.len(),
            self.objects,
            self.object_bytes,
            self.schema
        );
        self.damaged.iter().for_each(|digest| text.push_str(&format!("  ! {digest} is damaged in the store\n")));
        text
    }
}

fn table_path(folder: &Path, table: &str) -> PathBuf {
    folder.join("tables").join(format!("{table}.parquet"))
}

fn object_path(folder: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    folder.join("objects").join(&hex[..2]).join(hex)
}

fn io(doing: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Trouble {
    move |e| Trouble::Everything(format!("can't {doing}: {e}"))
}

/// Hashes a file piece by piece.
fn sha256_of(path: &Path) -> Result<String> {
    let doing = || format!("read {}", path.display());
    let mut file = std::fs::File::open(path).map_err(io(doing()))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer).map_err(io(doing()))? {
            0 => return Ok(Digest::from_hasher(hasher).hex()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
