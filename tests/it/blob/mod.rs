//! Every operation on bytes, on a local folder and on an S3 server, through one suite.

mod damage;
mod faults;
mod memory;
mod objects;
mod roots;
mod spools;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use slipway::blob::{BlobKey, BlobOptions, BlobStore};

use crate::support::s3::{Folder, S3Server};

const MIB: usize = 1 << 20;

/// A store under test, with the folder in which its objects lie as files.
struct Fixture {
    store: BlobStore,
    objects: PathBuf,
    /// Where nothing but objects and the store's own books may remain.
    everything: PathBuf,
    scratch: Folder,
    server: Option<S3Server>,
    _root: Option<Folder>,
}

impl Fixture {
    fn local() -> Self {
        let root = Folder::new("local");
        let store = BlobStore::open(root.path().to_str().unwrap(), &BlobOptions::default()).unwrap();
        let (objects, everything) = (root.path().to_owned(), root.path().to_owned());
        Self { store, objects, everything, scratch: Folder::new("scratch"), server: None, _root: Some(root) }
    }

    fn s3() -> Self {
        let server = S3Server::start();
        let store = BlobStore::open(&server.root_url("some/prefix"), &server.options()).unwrap();
        let objects = server.bucket_folder().join("some/prefix");
        let everything = server.folder().to_owned();
        Self { store, objects, everything, scratch: Folder::new("scratch"), server: Some(server), _root: None }
    }

    fn is_s3(&self) -> bool {
        self.server.is_some()
    }

    /// Tells whether the objects are files that a test can look at.
    fn has_files(&self) -> bool {
        self.server.as_ref().is_none_or(S3Server::is_ours)
    }

    /// Returns the file behind an object.
    fn backing(&self, key: &BlobKey) -> PathBuf {
        self.objects.join(key.to_string())
    }

    /// Writes a file to put.
    fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.scratch.path().join("file");
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Returns the names of all files that are neither objects nor the server's notes about finished objects.
    fn unfinished(&self) -> Vec<String> {
        let mut found = Vec::new();
        files(&self.everything, &mut found);
        let names = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        names.filter(|name| name.ends_with(".tmp") || name.contains("part") || name.contains("upload")).collect()
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// Returns `len` bytes that do not repeat within a chunk and depend on `seed`.
fn content(len: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&(state >> 16).to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

/// Runs one scenario on both kinds of store, each as a test of its own.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod local {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::blob::Fixture::local()).await;
            })+
        }
        mod s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::blob::Fixture::s3()).await;
            })+
        }
    };
}
use on_both_stores;
