//! From a database and its store to a copy.

use std::io::Write as _;
use std::path::Path;

use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::pages::PageWriter;
use super::{FORMAT, KEYS, MANIFEST, Manifest, TableFile, io, object_path, sha256_of, table_path};
use crate::blob::{BlobKey, BlobStore, Digest};
use crate::domain::moving::Tally;
use crate::domain::table::{Cell, Table};
use crate::moving::{Result, Trouble};
use crate::store::{self, Db, Tx};

/// Writes a copy of everything into `folder`: all tables as they are at one moment, then the objects that they name. Objects that
/// are there already, from a copy that was cut off, are not read again.
///
/// # Errors
/// If the folder holds a complete copy already, or something can't be read or written.
pub async fn write(db: &Db, blobs: &BlobStore, folder: &Path, with_keys: bool) -> Result<Manifest> {
    if folder.join(MANIFEST).exists() {
        return Err(Trouble::Everything(format!("{} holds a copy already", folder.display())));
    }
    for part in [folder.to_owned(), folder.join("tables"), folder.join("objects")] {
        private_folder(&part)?;
    }
    let schema = store::migrate::applied(db).await?;
    let mut tx = db.read().await?;
    store::table::take_time(&mut tx).await?;
    let mut manifest = Manifest {
        format: FORMAT,
        slipway: env!("CARGO_PKG_VERSION").to_owned(),
        schema,
        tables: Vec::new(),
        objects: 0,
        object_bytes: 0,
        damaged: Vec::new(),
    };
    for table in store::table::catalog(&mut tx).await? {
        if with_keys || table.name != KEYS {
            manifest.tables.push(write_table(&mut tx, folder, &table).await?);
        }
    }
    write_objects(&mut tx, blobs, folder, &mut manifest).await?;
    drop(tx);
    write_manifest(folder, &manifest)?;
    Ok(manifest)
}

/// Makes a folder for its owner alone: a copy holds what the database holds.
fn private_folder(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(io(format!("make the folder {}", path.display())))
}

async fn write_table(tx: &mut Tx, folder: &Path, table: &Table) -> Result<TableFile> {
    let path = table_path(folder, &table.name);
    let mut writer = PageWriter::create(&path, &table.name, &table.columns)?;
    let mut tally = Tally::default();
    let written = store::table::each(tx, table, |row| {
        Cell::tally(&row, &mut tally);
        writer.push(row).map_err(|e| store::Error::Config(format!("{}: {e}", path.display())))
    });
    written.await?;
    writer.finish(&path)?;
    let sha256 = sha256_of(&path)?;
    Ok(TableFile { name: table.name.clone(), columns: table.columns.clone(), rows: tally.items, content: tally.digest(), sha256 })
}

async fn write_objects(tx: &mut Tx, blobs: &BlobStore, folder: &Path, manifest: &mut Manifest) -> Result<()> {
    let mut after = (String::new(), String::new());
    loop {
        let page = store::artifact::list_blobs(tx, (&after.0, &after.1), 500).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = (last.workspace.clone(), last.digest.clone());
        for blob in page {
            let digest: Digest = blob.digest.parse()?;
            let path = object_path(folder, &digest);
            let size = u64::try_from(blob.size_bytes).unwrap_or(0);
            let there = std::fs::metadata(&path).is_ok_and(|about| about.len() == size);
            if !there {
                let key = BlobKey::new(&blob.workspace, digest, blob.generation)?;
                match write_object(blobs, &key, &path).await {
                    Ok(()) => {}
                    Err(Trouble::Thing(message)) => {
                        tracing::warn!(digest = %blob.digest, %message, "an object can't be copied");
                        manifest.damaged.push(blob.digest);
                        continue;
                    }
                    Err(trouble) => return Err(trouble),
                }
            }
            manifest.objects += 1;
            manifest.object_bytes += blob.size_bytes;
        }
    }
}

/// Copies an object under another name first, so that what has its name is whole.
async fn write_object(blobs: &BlobStore, key: &BlobKey, path: &Path) -> Result<()> {
    let doing = || format!("write {}", path.display());
    if let Some(parent) = path.parent() {
        private_folder(parent)?;
    }
    let draft = path.with_extension("part");
    let mut stream = blobs.get(key).await?;
    let mut file = tokio::fs::File::create(&draft).await.map_err(io(doing()))?;
    while let Some(bytes) = stream.next().await {
        file.write_all(&bytes?).await.map_err(io(doing()))?;
    }
    file.sync_all().await.map_err(io(doing()))?;
    tokio::fs::rename(&draft, path).await.map_err(io(doing()))
}

fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<()> {
    let path = folder.join(MANIFEST);
    let draft = folder.join("manifest.part");
    let doing = || format!("write {}", path.display());
    let text = serde_json::to_vec_pretty(manifest).map_err(|e| Trouble::Everything(e.to_string()))?;
    let mut file = std::fs::File::create(&draft).map_err(io(doing()))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(io(doing()))?;
    std::fs::rename(&draft, &path).map_err(io(doing()))
}
