//! Files that are not ours: a folder, or a prefix in a cloud's object store, that is listed and read and never written.

use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio_util::io::ReaderStream;
use url::Url;

use super::error::{BlobError, BlobErrorKind};
use super::root::{BlobOptions, remote};
use super::spool::blocking;

/// Bytes on their way.
pub type Bytestream = BoxStream<'static, Result<Bytes, BlobError>>;

/// A place outside.
#[derive(Clone, Debug)]
pub struct Outside {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(PathBuf),
    Cloud(Arc<dyn ObjectStore>, Path),
}

impl Outside {
    /// Names the place at `root`: the path of a local folder or its `file:` URL, or `s3://bucket/prefix` and the other forms that
    /// the artifact root takes. Nothing is asked yet.
    ///
    /// # Errors
    /// `invalid_root` if the root makes no sense.
    pub fn open(root: &str, options: &BlobOptions) -> Result<Self, BlobError> {
        let folder = |path: &str| Ok(Self { place: Place::Folder(PathBuf::from(path)) });
        if !root.contains("://") && !root.starts_with("file:") {
            return folder(root);
        }
        let url =
            Url::parse(root).map_err(|e| BlobError::new(BlobErrorKind::InvalidRoot, format!("{root:?} is not a URL")).caused_by(e))?;
        if url.scheme() == "file" {
            let message = || BlobError::new(BlobErrorKind::InvalidRoot, format!("{root:?} is not the URL of a local folder"));
            return Ok(Self { place: Place::Folder(url.to_file_path().map_err(|()| message())?) });
        }
        let (store, prefix) = remote(root, &url, options)?;
        Ok(Self { place: Place::Cloud(store, prefix) })
    }

    /// Names a place below this one.
    pub fn below(&self, path: &str) -> Self {
        let place = match &self.place {
            Place::Folder(folder) => {
                Place::Folder(path.split('/').filter(|part| !part.is_empty()).fold(folder.clone(), |at, part| at.join(part)))
            }
            Place::Cloud(store, prefix) => {
                let parts = path.split('/').filter(|part| !part.is_empty());
                Place::Cloud(Arc::clone(store), parts.fold(prefix.clone(), |at, part| at.join(part)))
            }
        };
        Self { place }
    }

    /// Lists all files with their sizes by path; a place that does not exist has none. Links to folders are passed over.
    ///
    /// # Errors
    /// `io` or `unavailable`.
    pub async fn list(&self) -> Result<Vec<(String, u64)>, BlobError> {
        let mut found = match &self.place {
            Place::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || walk(&folder)).await?
            }
            Place::Cloud(store, prefix) => {
                let depth = prefix.parts().count();
                let named = store.list(Some(prefix)).map_ok(|object| {
                    let path = object.location.parts().skip(depth).map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
                    (path, object.size)
                });
                named.try_collect().await.map_err(BlobError::store(format!("list {prefix}")))?
            }
        };
        found.sort();
        Ok(found)
    }

    /// Opens a file by its path below this place.
    ///
    /// # Errors
    /// `not_found`, `io` or `unavailable`.
    pub async fn read(&self, path: &str) -> Result<Bytestream, BlobError> {
        match &self.below(path).place {
            Place::Folder(file) => {
                let shown = file.display().to_string();
                let opened = tokio::fs::File::open(file).await.map_err(BlobError::io(format!("read {shown}")))?;
                let stream = ReaderStream::with_capacity(opened, 1 << 18);
                Ok(stream.map_err(move |e| BlobError::io(format!("read {shown}"))(e)).boxed())
            }
            Place::Cloud(store, location) => {
                let shown = location.to_string();
                let got = store.get(location).await.map_err(BlobError::store(format!("read {shown}")))?;
                Ok(got.into_stream().map_err(move |e| BlobError::store(format!("read {shown}"))(e)).boxed())
            }
        }
    }
}

fn walk(root: &FsPath) -> Result<Vec<(String, u64)>, BlobError> {
    let failed = |at: &FsPath| BlobError::io(format!("list {}", at.display()));
    let (mut found, mut folders) = (Vec::new(), vec![(root.to_owned(), String::new())]);
    while let Some((folder, prefix)) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && prefix.is_empty() => return Ok(found),
            entries => entries.map_err(failed(&folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(failed(&folder))?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| BlobError::new(BlobErrorKind::Io, format!("a name in {} is not valid UTF-8", folder.display())))?;
            let (path, at) = (format!("{prefix}{name}"), entry.path());
            if entry.file_type().map_err(failed(&at))?.is_dir() {
                folders.push((at, format!("{path}/")));
                continue;
            }
            let about = std::fs::metadata(&at).map_err(failed(&at))?;
            if about.is_file() {
                found.push((path, about.len()));
            }
        }
    }
    Ok(found)
}
