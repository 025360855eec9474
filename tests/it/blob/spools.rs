//! Streams become files that vanish with their owner.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use slipway::blob::{Digest, Spool, SpoolWriter};

use super::{MIB, content};
use crate::support::s3::Folder;

fn entries(folder: &Folder) -> usize {
    std::fs::read_dir(folder.path()).unwrap().count()
}

fn chunks(bytes: &Bytes, len: usize) -> Vec<Result<Bytes, std::io::Error>> {
    bytes.chunks(len).map(|chunk| Ok(bytes.slice_ref(chunk))).collect()
}

#[tokio::test]
async fn chunks_of_any_size_give_the_same_file() {
    let folder = Folder::new("spool");
    let bytes = content(3 * MIB + 17, 1);
    for len in [13, 4096, MIB - 1, MIB, MIB + 1, 3 * MIB + 17] {
        let spool = Spool::receive(folder.path(), stream::iter(chunks(&bytes, len)), None).await.unwrap();
        assert_eq!((spool.digest(), spool.size()), (Digest::of(&bytes), bytes.len() as u64), "chunks of {len}");
        assert_eq!(std::fs::read(spool.path()).unwrap(), bytes, "chunks of {len}");
    }
    let empty = Spool::receive(folder.path(), stream::iter(chunks(&Bytes::new(), 1)), None).await.unwrap();
    assert_eq!((empty.digest(), empty.size()), (Digest::of(b""), 0));
    drop(empty);
    assert_eq!(entries(&folder), 0);
}

#[tokio::test]
async fn a_spool_is_private() {
    let folder = Folder::new("spool");
    let inner = folder.path().join("spool");
    let spool = Spool::receive(&inner, stream::iter(chunks(&content(9, 1), 9)), None).await.unwrap();
    assert_eq!(inner.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(spool.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn too_much_is_refused_as_soon_as_it_is_too_much() {
    let folder = Folder::new("spool");
    let bytes = content(100, 2);
    let exact = Spool::receive(folder.path(), stream::iter(chunks(&bytes, 30)), Some(100)).await.unwrap();
    assert_eq!(exact.size(), 100);
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(content(60_000, 3)));
    let error = Spool::receive(folder.path(), endless, Some(5 * MIB as u64)).await.unwrap_err();
    assert_eq!(error.code(), "too_large");
    drop(exact);
    assert_eq!(entries(&folder), 0);
}

#[tokio::test]
async fn a_writer_that_failed_stays_failed() {
    let folder = Folder::new("spool");
    let mut writer = SpoolWriter::create(folder.path(), Some(10)).await.unwrap();
    writer.write(content(10, 1)).await.unwrap();
    assert_eq!(writer.size(), 10);
    assert_eq!(writer.write(content(1, 1)).await.unwrap_err().code(), "too_large");
    assert!(writer.finish().await.is_err());
    assert_eq!(entries(&folder), 0);
}

#[tokio::test]
async fn a_stream_that_breaks_leaves_nothing() {
    let folder = Folder::new("spool");
    let mut parts = chunks(&content(5 * MIB, 4), MIB);
    parts.push(Err(std::io::Error::other("the client went away")));
    let error = Spool::receive(folder.path(), stream::iter(parts), None).await.unwrap_err();
    assert_eq!(error.code(), "interrupted");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the client went away");
    assert_eq!(entries(&folder), 0);
}

#[tokio::test]
async fn a_dropped_writer_leaves_nothing() {
    let folder = Folder::new("spool");
    let mut writer = SpoolWriter::create(folder.path(), None).await.unwrap();
    writer.write(content(5 * MIB, 5)).await.unwrap();
    assert_eq!(entries(&folder), 1);
    drop(writer);
    // The batch in flight is written out first.
    for _ in 0..500 {
        if entries(&folder) == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the file is still there");
}

#[tokio::test]
async fn a_sweep_takes_the_files_of_the_dead_only() {
    let folder = Folder::new("spool");
    assert_eq!(Spool::sweep(&folder.path().join("none")).unwrap(), 0);
    let living = Spool::receive(folder.path(), stream::iter(chunks(&content(9, 1), 9)), None).await.unwrap();
    let writing = SpoolWriter::create(folder.path(), None).await.unwrap();
    std::fs::write(folder.path().join("slipway-1-0123abcd-7.tmp"), "left").unwrap();
    std::fs::write(folder.path().join("readme"), "not ours").unwrap();
    assert_eq!(Spool::sweep(folder.path()).unwrap(), 1);
    assert_eq!(Spool::sweep(folder.path()).unwrap(), 0);
    assert_eq!(entries(&folder), 3);
    drop((living, writing));
    assert_eq!(entries(&folder), 1);
}

const FOLDER: &str = "SLIPWAY_TEST_SPOOL_FOLDER";

#[test]
fn what_a_killed_process_leaves_is_swept() {
    let folder = Folder::new("spool");
    let name = format!("{}::hold", module_path!().split_once("::").unwrap().1);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")));
    assert_eq!((Spool::sweep(folder.path()).unwrap(), entries(&folder)), (0, 2), "the owner lives");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((Spool::sweep(folder.path()).unwrap(), entries(&folder)), (2, 0));
}

/// Started, and killed, by the test above; by itself it looks at its own files.
#[tokio::test]
async fn hold() {
    let own = Folder::new("spool");
    let told = std::env::var(FOLDER).ok();
    let folder = told.as_ref().map_or_else(|| own.path().to_owned(), std::path::PathBuf::from);
    let mut writer = SpoolWriter::create(&folder, None).await.unwrap();
    writer.write(content(3 * MIB, 1)).await.unwrap();
    let _spool = Spool::receive(&folder, stream::iter(chunks(&content(9, 1), 9)), None).await.unwrap();
    if told.is_some() {
        println!("\nholding");
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!((Spool::sweep(&folder).unwrap(), entries(&own)), (0, 2));
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = Folder::new("spool");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = SpoolWriter::create(&file.join("inside"), None).await.map(drop).unwrap_err();
    assert_eq!(error.code(), "io");
}
