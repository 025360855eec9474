//! A real S3 server inside the test process: the protocol over HTTP, signatures checked, objects as plain files in a folder of
//! its own that tests may damage.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use slipway::blob::BlobOptions;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running server with one bucket. It runs on a thread and runtime of its own and stops when dropped.
pub(crate) struct S3Server {
    /// `http://127.0.0.1:<port>`.
    pub(crate) endpoint: String,
    /// The bucket that exists.
    pub(crate) bucket: String,
    /// What a client signs with.
    pub(crate) access_key: String,
    /// What a client signs with.
    pub(crate) secret_key: String,
    /// In front of every prefix, ending in a slash if not empty.
    base: String,
    root: Folder,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl S3Server {
    /// Starts a server on a free port of 127.0.0.1; it answers when this returns. With `SLIPWAY_TEST_S3_ENDPOINT` it is the server
    /// there instead (see `scripts/ceph.sh`): the bucket is `SLIPWAY_TEST_S3_BUCKET`, the keys are `AWS_…`. Its objects are no files
    /// that a test could damage.
    pub(crate) fn start() -> Self {
        if let Ok(endpoint) = std::env::var("SLIPWAY_TEST_S3_ENDPOINT") {
            return Self::elsewhere(endpoint);
        }
        let (bucket, access_key, secret_key) = ("artifacts".to_owned(), "test-key".to_owned(), "test-secret".to_owned());
        let root = Folder::new("s3");
        std::fs::create_dir(root.path().join(&bucket)).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(access_key.clone(), secret_key.clone()));
        let service = service.build();

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(listener, service, stopped));
        });
        Self { endpoint, bucket, access_key, secret_key, base: String::new(), root, stop: Some(stop), thread: Some(thread) }
    }

    fn elsewhere(endpoint: String) -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        let bucket = var("SLIPWAY_TEST_S3_BUCKET");
        let (access_key, secret_key) = (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY"));
        let root = Folder::new("s3");
        let base = format!("{}/", uuid::Uuid::new_v4().simple());
        Self { endpoint, bucket, access_key, secret_key, base, root, stop: None, thread: None }
    }

    /// Returns the variables that a client needs.
    pub(crate) fn vars(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", &self.access_key),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_key),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Returns options with which a store on this server opens.
    pub(crate) fn options(&self) -> BlobOptions {
        BlobOptions { vars: self.vars(), retry_for: Duration::from_secs(3), ..BlobOptions::default() }
    }

    /// Returns the root of a store: `s3://<bucket>/<prefix>`.
    pub(crate) fn root_url(&self, prefix: &str) -> String {
        format!("s3://{}/{}{prefix}", self.bucket, self.base)
    }

    /// Tells whether the server runs in this process: it can be stopped, and its objects are files.
    pub(crate) fn is_ours(&self) -> bool {
        self.thread.is_some()
    }

    /// Returns the folder that holds the objects of the bucket as files.
    pub(crate) fn bucket_folder(&self) -> PathBuf {
        self.root.path().join(&self.bucket)
    }

    /// Returns the folder with the bucket and, beside it, what the server knows about uploads under way.
    pub(crate) fn folder(&self) -> &Path {
        self.root.path()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, service: S3Service, mut stopped: oneshot::Receiver<()>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let (http, graceful) = (Builder::new(TokioExecutor::new()), GracefulShutdown::new());
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            _ = &mut stopped => break,
        };
        let connection = http.serve_connection(TokioIo::new(socket), service.clone());
        tokio::spawn(graceful.watch(connection.into_owned()));
    }
    let _ = tokio::time::timeout(Duration::from_secs(2), graceful.shutdown()).await;
}

/// A folder of its own for one test, removed on drop.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder with `name` in its name.
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("slipway-test-{name}-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
