//! From a root as people write it to a store that is ready: which kind, with which credentials, how patient.

use std::path::Path as FsPath;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use tokio::sync::Semaphore;
use url::Url;

use super::checked::Checked;
use super::error::{BlobError, BlobErrorKind};
use super::key::BlobKey;
use super::local::LocalRoot;
use super::source::Buffers;
use super::spool::blocking;

/// How long a readiness probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a store is opened. The default takes credentials and endpoints from the process's environment.
#[derive(Clone)]
pub struct BlobOptions {
    /// Environment variables of the cloud in question: `AWS_…`, `GOOGLE_…`, `AZURE_…`, as `object_store` knows them.
    pub vars: Vec<(String, String)>,
    /// How long after its start a failed request is still repeated.
    pub retry_for: Duration,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a store may be silent; also how long sending one part may take.
    pub read_timeout: Duration,
    /// Size of a part of a large upload, and the size up to which an object is sent in one request. At least 5 MiB on S3.
    pub part_bytes: usize,
    /// How many parts are in memory at a time, over all uploads of this store.
    pub parts_in_flight: usize,
}

impl Default for BlobOptions {
    fn default() -> Self {
        let vars = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter_map(|(name, value)| match name.as_str() {
                "SERVICE_ACCOUNT" => Some(("GOOGLE_SERVICE_ACCOUNT".to_owned(), value)),
                "IDENTITY_ENDPOINT" => Some(("AZURE_MSI_ENDPOINT".to_owned(), value)),
                _ => ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|p| name.starts_with(p)).then_some((name, value)),
            })
            .collect();
        Self {
            vars,
            retry_for: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            part_bytes: 8 << 20,
            parts_in_flight: 4,
        }
    }
}

impl std::fmt::Debug for BlobOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.vars.iter().map(|(name, _)| name).collect();
        f.debug_struct("BlobOptions").field("vars", &names).field("retry_for", &self.retry_for).finish_non_exhaustive()
    }
}

/// Content-addressed objects under one root. Cheap to clone; clones share connections and the bound on memory.
#[derive(Clone, Debug)]
pub struct BlobStore {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) local: Option<LocalRoot>,
    pub(super) prefix: Path,
    pub(super) parts: Arc<Semaphore>,
    pub(super) part_bytes: usize,
    buffers: Arc<Mutex<Weak<Buffers>>>,
    pub(super) checked: Arc<Checked>,
    /// What signs addresses of the store for clients; S3 only.
    pub(super) signer: Option<Arc<dyn Signer>>,
}

impl BlobStore {
    /// Opens the store at `root`: the path of a local folder or its `file://` URL, or `s3://bucket/prefix`, `gs://…`,
    /// `az://container/prefix` and the other forms that `object_store` knows. A local folder is created (0700) if it does not
    /// exist. Of a remote store nothing is asked yet; see [`Self::probe`].
    ///
    /// # Errors
    /// `invalid_root` if the root, or an option of its store, makes no sense; `io` or `storage_full` if a local folder cannot
    /// be used.
    pub fn open(root: &str, options: &BlobOptions) -> Result<Self, BlobError> {
        match root.contains("://") || root.starts_with("file:") {
            true => Self::open_url(root, options),
            false => Self::open_folder(FsPath::new(root), options),
        }
    }

    fn open_url(root: &str, options: &BlobOptions) -> Result<Self, BlobError> {
        let url = Url::parse(root).map_err(|e| invalid("the artifact root is not a URL").caused_by(e))?;
        if url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("an artifact root has no password, query or fragment; credentials belong into the environment"));
        }
        let (scheme, prefix) = ObjectStoreScheme::parse(&url)
            .map_err(|e| invalid(format!("the artifact root {root:?} names no store that slipway knows")).caused_by(e))?;
        let cannot = |e: object_store::Error| invalid(format!("the artifact root {root:?} cannot be used")).caused_by(e);
        let store = match scheme {
            ObjectStoreScheme::Local => {
                let folder = url.to_file_path().map_err(|()| invalid(format!("{root:?} is not the URL of a local folder")))?;
                return Self::open_folder(&folder, options);
            }
            ObjectStoreScheme::AmazonS3 => {
                let s3 = s3(&url, options).map_err(cannot)?;
                let signer: Arc<dyn Signer> = Arc::clone(&s3) as _;
                return Ok(Self { signer: Some(signer), ..Self::new(s3, None, prefix, options) });
            }
            ObjectStoreScheme::GoogleCloudStorage => google(&url, options),
            ObjectStoreScheme::MicrosoftAzure => azure(&url, options),
            _ => return Err(invalid(format!("the artifact root {root:?} is of a kind that cannot keep artifacts"))),
        };
        Ok(Self::new(store.map_err(cannot)?, None, prefix, options))
    }

    fn open_folder(folder: &FsPath, options: &BlobOptions) -> Result<Self, BlobError> {
        if folder.as_os_str().is_empty() {
            return Err(invalid("the artifact root is empty"));
        }
        let shown = folder.display();
        let local = LocalRoot::open(folder).map_err(BlobError::io(format!("use the folder {shown}")))?;
        let store = LocalFileSystem::new_with_prefix(local.path())
            .map_err(|e| invalid(format!("the folder {shown} cannot be used")).caused_by(e))?
            .with_fsync(true);
        Ok(Self::new(Arc::new(store), Some(local), Path::default(), options))
    }

    fn new(store: Arc<dyn ObjectStore>, local: Option<LocalRoot>, prefix: Path, options: &BlobOptions) -> Self {
        let parts = Arc::new(Semaphore::new(options.parts_in_flight.max(1)));
        Self {
            store,
            local,
            prefix,
            parts,
            part_bytes: options.part_bytes.max(1),
            buffers: Arc::default(),
            checked: Arc::default(),
            signer: None,
        }
    }

    /// Returns the buffers that puts share. They are freed when the last put has ended.
    pub(super) fn buffers(&self) -> Arc<Buffers> {
        let mut shared = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let new = Arc::default();
            *shared = Arc::downgrade(&new);
            new
        })
    }

    /// Returns where an object lies in the store.
    pub(super) fn location(&self, key: &BlobKey) -> Path {
        key.parts().into_iter().fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// Asks the store for a sign of life: a local folder must take a file, a remote store must list (nothing, cheaply).
    ///
    /// # Errors
    /// `unavailable` if it does not answer within five seconds, refuses the credentials or lacks the bucket; `storage_full` or
    /// `io` for a local folder.
    pub async fn probe(&self) -> Result<(), BlobError> {
        let answer = async {
            if let Some(local) = self.local.clone() {
                return blocking(move || local.probe().map_err(BlobError::io("write into the artifact folder"))).await;
            }
            let nothing = self.prefix.clone().join(".probe");
            match self.store.list(Some(&nothing)).next().await {
                None | Some(Ok(_)) => Ok(()),
                Some(Err(error)) => Err(BlobError::new(BlobErrorKind::Unavailable, "the store refused").caused_by(error)),
            }
        };
        tokio::time::timeout(PROBE_TIMEOUT, answer)
            .await
            .unwrap_or_else(|_| Err(BlobError::new(BlobErrorKind::Unavailable, "the store did not answer in time")))
    }
}

fn invalid(message: impl Into<String>) -> BlobError {
    BlobError::new(BlobErrorKind::InvalidRoot, message)
}

/// Gives a builder the variables that it knows; their names do not meet those of another cloud.
macro_rules! configure {
    ($builder:expr, $options:expr) => {
        $options.vars.iter().fold($builder, |builder, (name, value)| match name.to_ascii_lowercase().parse() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        })
    };
}

type Opened = object_store::Result<Arc<dyn ObjectStore>>;

/// Every part carries a SHA-256 that the store checks. Objects are deleted one by one, because not every store knows how to
/// delete many.
fn s3(url: &Url, options: &BlobOptions) -> object_store::Result<Arc<AmazonS3>> {
    let builder = AmazonS3Builder::new()
        .with_client_options(client(options))
        .with_retry(retry(options))
        .with_checksum_algorithm(Checksum::SHA256)
        .with_disable_bulk_delete(true)
        .with_url(url.as_str());
    Ok(Arc::new(configure!(builder, options).build()?))
}

fn google(url: &Url, options: &BlobOptions) -> Opened {
    let builder = GoogleCloudStorageBuilder::new().with_client_options(client(options)).with_retry(retry(options)).with_url(url.as_str());
    Ok(Arc::new(configure!(builder, options).build()?))
}

fn azure(url: &Url, options: &BlobOptions) -> Opened {
    let builder = MicrosoftAzureBuilder::new().with_client_options(client(options)).with_retry(retry(options)).with_url(url.as_str());
    Ok(Arc::new(configure!(builder, options).build()?))
}

/// Bounds silence instead of the whole request: a download may take as long as its reader does.
fn client(options: &BlobOptions) -> ClientOptions {
    super::install_tls();
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(options.connect_timeout)
        .with_read_timeout(options.read_timeout)
        .with_pool_idle_timeout(Duration::from_secs(60))
}

fn retry(options: &BlobOptions) -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(3), ..Default::default() };
    RetryConfig { backoff, max_retries: 8, retry_timeout: options.retry_for }
}
