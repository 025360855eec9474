//! What a root may be, and what a store says that does not want us.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use slipway::blob::{BlobKey, BlobOptions, BlobStore, Digest};

use crate::support::s3::{Folder, S3Server};

fn no_vars() -> BlobOptions {
    BlobOptions { vars: Vec::new(), ..BlobOptions::default() }
}

#[tokio::test]
async fn a_folder_is_made_private_and_may_be_written_as_path_or_url() {
    let folder = Folder::new("roots");
    let root = folder.path().join("a/b");
    let store = BlobStore::open(root.to_str().unwrap(), &no_vars()).unwrap();
    let key = store.put_bytes("default", 0, Bytes::from_static(b"x")).await.unwrap().key;
    for path in [root.clone(), root.join("default"), root.join("default/blobs/2d")] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{}", path.display());
    }
    assert_eq!(root.join(key.to_string()).metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let same = BlobStore::open(&format!("file://{}", root.display()), &no_vars()).unwrap();
    assert_eq!(same.get_bytes(&key, 10).await.unwrap(), "x");
}

#[test]
fn a_root_that_makes_no_sense_is_refused() {
    let roots = ["", "ftp://host/x", "http://host/x", "memory:///", "s3://", "gs:///x", "file://host/x", "s3://a:b@bucket/x", "s3://b?x=1"];
    for root in roots {
        assert_eq!(BlobStore::open(root, &no_vars()).map(drop).unwrap_err().code(), "invalid_root", "{root:?}");
    }
    let file = Folder::new("roots");
    std::fs::write(file.path().join("file"), "").unwrap();
    let error = BlobStore::open(file.path().join("file").to_str().unwrap(), &no_vars()).map(drop).unwrap_err();
    assert_eq!(error.code(), "io");
}

#[test]
fn the_clouds_open_without_being_asked_anything() {
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let vars = vec![
        set("AWS_ACCESS_KEY_ID", "a"),
        set("AWS_SECRET_ACCESS_KEY", "b"),
        set("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        set("AZURE_STORAGE_ACCOUNT_KEY", "a2V5"),
        set("GOOGLE_SKIP_SIGNATURE", "true"),
    ];
    let options = BlobOptions { vars, ..BlobOptions::default() };
    for root in ["s3://bucket", "s3://bucket/a/b/", "gs://bucket/a", "az://container/a"] {
        BlobStore::open(root, &options).unwrap();
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused_on_every_operation() {
    let server = S3Server::start();
    let good = BlobStore::open(&server.root_url(""), &server.options()).unwrap();
    let key = good.put_bytes("default", 0, Bytes::from_static(b"secret")).await.unwrap().key;

    let mut options = server.options();
    options.vars.push(("AWS_SECRET_ACCESS_KEY".to_owned(), "wrong".to_owned()));
    let bad = BlobStore::open(&server.root_url(""), &options).unwrap();
    let missing = BlobKey::new("default", Digest::of(b"y"), 0).unwrap();
    let errors = [
        bad.probe().await.unwrap_err(),
        bad.put_bytes("default", 0, Bytes::from_static(b"new")).await.unwrap_err(),
        bad.get(&key).await.unwrap_err(),
        bad.head(&missing).await.unwrap_err(),
        bad.exists(&missing).await.unwrap_err(),
        bad.delete(&key).await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_unavailable(), "{error:?}");
        assert_eq!(error.code(), "unavailable");
    }
    assert_eq!(good.get_bytes(&key, 10).await.unwrap(), "secret");
}

#[tokio::test]
async fn a_missing_bucket_is_an_unavailable_store() {
    let server = S3Server::start();
    let store = BlobStore::open("s3://no-such-bucket/x", &server.options()).unwrap();
    assert!(store.probe().await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn a_store_that_is_down_is_given_up_soon() {
    let server = S3Server::start();
    if !server.is_ours() {
        return println!("skipped: a server elsewhere is not ours to stop");
    }
    let options = BlobOptions { retry_for: Duration::from_secs(1), ..server.options() };
    let store = BlobStore::open(&server.root_url(""), &options).unwrap();
    drop(server);
    let start = Instant::now();
    let key = BlobKey::new("default", Digest::of(b"y"), 0).unwrap();
    assert!(store.get(&key).await.unwrap_err().is_unavailable());
    assert!(store.put_bytes("default", 0, Bytes::from_static(b"x")).await.unwrap_err().is_unavailable());
    assert!(store.probe().await.unwrap_err().is_unavailable());
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_folder_that_went_away_fails_the_probe() {
    let folder = Folder::new("roots");
    let store = BlobStore::open(folder.path().join("root").to_str().unwrap(), &no_vars()).unwrap();
    store.probe().await.unwrap();
    std::fs::remove_dir_all(folder.path().join("root")).unwrap();
    assert!(store.probe().await.is_err());
}
