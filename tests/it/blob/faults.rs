//! A network between us and the store that cuts connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use slipway::blob::{BlobOptions, BlobStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{MIB, content};
use crate::support::s3::{Folder, S3Server};

/// Passes connections on to a server, and cuts each after a number of bytes in one direction.
struct Proxy {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(server: &S3Server, up: usize, down: usize) -> Self {
        let target = server.endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(&target).await.unwrap();
                let (client_in, client_out) = client.into_split();
                let (server_in, server_out) = server.into_split();
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass(client_in, server_out, up) => {}
                        () = pass(server_in, client_out, down) => {}
                    }
                });
            }
        });
        Self { address, connections }
    }

    fn store(&self, server: &S3Server) -> BlobStore {
        let mut options = BlobOptions { retry_for: Duration::ZERO, ..server.options() };
        options.vars.push(("AWS_ENDPOINT_URL".to_owned(), format!("http://{}", self.address)));
        BlobStore::open(&server.root_url(""), &options).unwrap()
    }
}

async fn pass(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, limit: usize) {
    let (mut left, mut buffer) = (limit, vec![0; 64 << 10]);
    while left > 0 {
        let len = buffer.len().min(left);
        match from.read(&mut buffer[..len]).await {
            Ok(read) if read > 0 && to.write_all(&buffer[..read]).await.is_ok() => left -= read,
            _ => return,
        }
    }
}

#[tokio::test]
async fn a_download_that_breaks_is_taken_up_where_it_broke() {
    let server = S3Server::start();
    let direct = BlobStore::open(&server.root_url(""), &server.options()).unwrap();
    let bytes = content(20 * MIB, 21);
    let key = direct.put_bytes("default", 0, bytes.clone()).await.unwrap().key;

    let proxy = Proxy::start(&server, usize::MAX, 3 * MIB).await;
    let store = proxy.store(&server);
    assert_eq!(store.get_bytes(&key, u64::MAX).await.unwrap(), bytes);
    assert!(proxy.connections.load(Ordering::Relaxed) >= 7);
    let folder = Folder::new("faults");
    store.fetch_to(&key, &folder.path().join("object")).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("object")).unwrap(), bytes);
}

#[tokio::test]
async fn a_download_without_progress_is_given_up() {
    let server = S3Server::start();
    let direct = BlobStore::open(&server.root_url(""), &server.options()).unwrap();
    let key = direct.put_bytes("default", 0, content(MIB, 22)).await.unwrap().key;

    let store = Proxy::start(&server, usize::MAX, 100).await.store(&server);
    assert_eq!(store.get_bytes(&key, u64::MAX).await.unwrap_err().code(), "unavailable");
}

#[tokio::test]
async fn an_upload_that_breaks_is_an_unavailable_store_and_shows_nothing() {
    let server = S3Server::start();
    let direct = BlobStore::open(&server.root_url(""), &server.options()).unwrap();
    let bytes = content(20 * MIB, 23);

    let store = Proxy::start(&server, MIB, usize::MAX).await.store(&server);
    assert_eq!(store.put_bytes("default", 0, bytes.clone()).await.unwrap_err().code(), "unavailable");
    if server.is_ours() {
        assert_eq!(std::fs::read_dir(server.bucket_folder()).unwrap().count(), 0);
    }
    assert!(direct.put_bytes("default", 0, bytes).await.unwrap().fresh);
}
