//! However large the object, little of it is in memory. Measured in a process of its own, because the high-water mark is that
//! of a whole process and other tests hold whole objects.

use std::path::PathBuf;
use std::process::Command;

use futures::{StreamExt as _, stream};
use slipway::blob::{BlobOptions, BlobStore, Spool};

use super::{MIB, content};
use crate::support::s3::{Folder, S3Server};

const ROOT: &str = "SLIPWAY_TEST_BLOB_ROOT";
const SCRATCH: &str = "SLIPWAY_TEST_SCRATCH";
const ROUNDS: usize = 300;

#[test]
fn large_objects_take_little_memory_on_a_local_folder() {
    let root = Folder::new("memory");
    run_alone(root.path().to_str().unwrap(), Vec::new());
}

#[test]
fn large_objects_take_little_memory_on_s3() {
    let server = S3Server::start();
    run_alone(&server.root_url("memory"), server.vars());
}

/// Starts this test program again to run nothing but [`alone`].
fn run_alone(root: &str, vars: Vec<(String, String)>) {
    let scratch = Folder::new("memory-scratch");
    let name = format!("{}::alone", module_path!().split_once("::").unwrap().1);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .envs(vars)
        .env(ROOT, root)
        .env(SCRATCH, scratch.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    println!("{text}");
}

/// Started by the tests above in a process of its own; among others it takes a small object and leaves memory aside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone() {
    let own = Folder::new("memory-alone");
    let told = std::env::var(ROOT).ok();
    let root = told.clone().unwrap_or_else(|| own.path().join("root").display().to_string());
    let scratch = std::env::var(SCRATCH).map_or_else(|_| own.path().join("scratch"), PathBuf::from);
    let rounds = if told.is_some() { ROUNDS } else { 3 };
    let store = BlobStore::open(&root, &BlobOptions::default()).unwrap();
    let before = peak_mib();

    let chunk = content(MIB, 1);
    let chunks = stream::iter((0..rounds).map(|_| Ok::<_, std::io::Error>(chunk.clone())));
    let spool = Spool::receive(&scratch, chunks, None).await.unwrap();
    let received = peak_mib();
    let stored = store.put_spool("default", 0, &spool).await.unwrap();
    assert_eq!(stored.size, (rounds * MIB) as u64);
    let sent = peak_mib();
    let mut stream = store.get(&stored.key).await.unwrap();
    let mut seen = 0;
    while let Some(bytes) = stream.next().await {
        seen += bytes.unwrap().len();
    }
    assert_eq!(seen, rounds * MIB);
    store.fetch_to(&stored.key, &scratch.join("fetched")).await.unwrap();
    let read = peak_mib();

    println!("MiB at most: {before} before, {received} received, {sent} stored, {read} read");
    assert!(told.is_none() || read - before < 64, "from {before} to {read} MiB");
}

/// Returns the high-water mark of this process's memory.
fn peak_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}
