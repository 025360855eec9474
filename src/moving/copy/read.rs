//! From a copy to a database and its store.

use std::io::Read as _;
use std::path::Path;

use futures::StreamExt as _;

use super::pages::PageReader;
use super::{FORMAT, MANIFEST, MAX_MANIFEST, Manifest, TableFile, io, object_path, sha256_of, table_path};
use crate::blob::{BlobStore, Digest};
use crate::domain::moving::Tally;
use crate::domain::table::{Cell, Table};
use crate::moving::{Result, Trouble};
use crate::store::{self, Db, Tx, migrate};

/// Objects that are stored at once.
const AT_ONCE: usize = 4;

/// Makes a database that is still empty what the copy in `folder` says: objects first, then all tables in one transaction, each of
/// which is read back and compared. What fails leaves the database empty.
///
/// # Errors
/// If the copy is not complete or damaged, the database is not empty, or something can't be read or written.
pub async fn read(db: &Db, blobs: &BlobStore, folder: &Path) -> Result<Manifest> {
    let manifest = read_manifest(folder)?;
    for table in &manifest.tables {
        let path = table_path(folder, &table.name);
        if sha256_of(&path)? != table.sha256 {
            return Err(Trouble::Everything(format!("{} is damaged: its SHA-256 is not that of the manifest", path.display())));
        }
    }
    // the tables of that time; what came later is done to them afterwards
    migrate::run_to(db, manifest.schema).await?;
    let mut tx = db.begin().await?;
    store::table::take_time(&mut tx).await?;
    let catalog = store::table::catalog(&mut tx).await?;
    for table in &catalog {
        if store::table::has_rows(&mut tx, table).await? {
            return Err(Trouble::Everything(format!("the database is not empty: {} has rows; a copy goes into a new one", table.name)));
        }
    }
    read_objects(blobs, folder, &manifest).await?;
    for file in &manifest.tables {
        let missing = || Trouble::Everything(format!("the database has no table {}", file.name));
        let table = catalog.iter().find(|table| table.name == file.name).ok_or_else(missing)?;
        read_table(&mut tx, folder, table, file).await?;
    }
    tx.commit().await?;
    Ok(manifest)
}

fn read_manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join(MANIFEST);
    let file = match std::fs::File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Trouble::Everything(format!("{} holds no complete copy: there is no {MANIFEST}", folder.display())));
        }
        file => file.map_err(io(format!("read {}", path.display())))?,
    };
    let mut text = Vec::new();
    file.take(MAX_MANIFEST).read_to_end(&mut text).map_err(io(format!("read {}", path.display())))?;
    let odd = |e: &dyn std::fmt::Display| Trouble::Everything(format!("{}: {e}", path.display()));
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| odd(&e))?;
    if manifest.format != FORMAT || !(1..=migrate::LATEST).contains(&manifest.schema) {
        return Err(odd(&format!(
            "it has format {} and schema {}, this program knows {FORMAT} and up to {}: it needs a newer slipway",
            manifest.format,
            manifest.schema,
            migrate::LATEST
        )));
    }
    let plain = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    match manifest.tables.iter().find(|table| !plain(&table.name)) {
        Some(table) => Err(odd(&format!("{:?} is no name of a table", table.name))),
        None => Ok(manifest),
    }
}

/// Stores the objects that the copy's own table of objects names.
async fn read_objects(blobs: &BlobStore, folder: &Path, manifest: &Manifest) -> Result<()> {
    let Some(file) = manifest.tables.iter().find(|table| table.name == "blobs") else { return Ok(()) };
    let path = table_path(folder, &file.name);
    let at = |name: &str| file.columns.iter().position(|column| column.name == name);
    let columns = [at("workspace"), at("digest"), at("generation"), at("state")];
    let mut pages = PageReader::open(&path, &file.columns)?;
    while let Some(rows) = pages.next(&path)? {
        let wanted = rows.iter().filter_map(|row| {
            let cell = |i: usize| columns.get(i).copied().flatten().and_then(|at| row.get(at));
            match (cell(0)?, cell(1)?, cell(2)?, cell(3)?) {
                (Cell::Text(workspace), Cell::Text(digest), Cell::Whole(generation), Cell::Text(state))
                    if store::artifact::is_kept(state) =>
                {
                    Some((workspace.clone(), digest.clone(), u32::try_from(*generation).ok()?))
                }
                _ => None,
            }
        });
        let wanted = wanted.filter(|(_, digest, _)| !manifest.damaged.contains(digest)).collect::<Vec<_>>();
        let mut storing = futures::stream::iter(wanted)
            .map(|(workspace, digest, generation)| async move {
                let digest: Digest = digest.parse()?;
                let path = object_path(folder, &digest);
                let stored = blobs.put_file(&workspace, generation, &path).await?;
                match stored.digest == digest {
                    true => Ok(()),
                    false => Err(Trouble::Everything(format!("{} is damaged: its SHA-256 is not its name", path.display()))),
                }
            })
            .buffer_unordered(AT_ONCE);
        while let Some(stored) = storing.next().await {
            stored?;
        }
    }
    Ok(())
}

async fn read_table(tx: &mut Tx, folder: &Path, table: &Table, file: &TableFile) -> Result<()> {
    if table.columns != file.columns {
        return Err(Trouble::Everything(format!("the table {} has other columns than that of the copy", table.name)));
    }
    let path = table_path(folder, &file.name);
    let mut pages = PageReader::open(&path, &file.columns)?;
    while let Some(rows) = pages.next(&path)? {
        store::table::insert(tx, table, &rows).await?;
    }
    store::table::renumber(tx, table).await?;
    let mut tally = Tally::default();
    let counted = store::table::each(tx, table, |row| {
        Cell::tally(&row, &mut tally);
        Ok(())
    });
    counted.await?;
    if (tally.items, tally.digest()) != (file.rows, file.content.clone()) {
        return Err(Trouble::Everything(format!(
            "the table {} came out with {} rows where the copy has {}, or with others",
            table.name, tally.items, file.rows
        )));
    }
    Ok(())
}
