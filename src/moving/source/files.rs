//! Files of runs and logged models at their source.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

use super::rest::Rest;
use crate::blob::{BlobOptions, Outside};
use crate::domain::moving::Home;
use crate::moving::{Result, Trouble};

/// Files that one run may have.
const MAX_FILES: usize = 1_000_000;

/// A file at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its path in the run or model.
    pub(crate) path: String,
    /// Its size in bytes.
    pub(crate) size: i64,
}

/// Bytes on their way, and what the source says they are.
pub(crate) type Content = (BoxStream<'static, Result<Bytes, Box<dyn std::error::Error + Send + Sync>>>, Option<String>);

/// Where files are.
pub(crate) enum Files {
    /// Behind a server that hands them out.
    Server(Rest),
    /// Where their URIs say.
    Uris {
        /// Where `mlflow-artifacts:` is, if anywhere: a server, or a root.
        server: Option<Box<Files>>,
        root: Option<String>,
        /// Roots that were opened, by scheme and host.
        opened: Mutex<HashMap<String, Outside>>,
    },
}

impl Files {
    pub(super) fn of_server(rest: Rest) -> Self {
        Self::Server(rest)
    }

    pub(super) fn of_uris(server: Option<Self>, root: Option<&str>) -> Self {
        Self::Uris { server: server.map(Box::new), root: root.map(str::to_owned), opened: Mutex::default() }
    }

    /// Lists the files of a run or a logged model by path.
    pub(crate) async fn list(&self, home: &Home) -> Result<Vec<Found>> {
        match self {
            Self::Server(rest) => walk(rest, home).await,
            Self::Uris { server: Some(server), .. } if is_proxied(&home.uri) => Box::pin(server.list(home)).await,
            Self::Uris { .. } => {
                let found = self.outside(&home.uri)?.list().await?;
                Ok(found.into_iter().map(|(path, size)| Found { path, size: i64::try_from(size).unwrap_or(i64::MAX) }).collect())
            }
        }
    }

    /// Opens a file of a run or a logged model.
    pub(crate) async fn open(&self, home: &Home, path: &str) -> Result<Content> {
        match self {
            Self::Server(rest) => {
                let answer = rest.file(home, path).await?;
                let media_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
                Ok((answer.bytes_stream().map_err(Into::into).boxed(), media_type))
            }
            Self::Uris { server: Some(server), .. } if is_proxied(&home.uri) => Box::pin(server.open(home, path)).await,
            Self::Uris { .. } => {
                let stream = self.outside(&home.uri)?.read(path).await?;
                Ok((stream.map_err(Into::into).boxed(), None))
            }
        }
    }

    fn outside(&self, uri: &str) -> Result<Outside> {
        let Self::Uris { root, opened, .. } = self else {
            return Err(Trouble::Everything("a server's files have no place of their own".to_owned()));
        };
        if is_proxied(uri) {
            let message = "files are kept behind a server (mlflow-artifacts:): name it, or the folder or bucket where it keeps them, with --artifacts";
            let root = root.as_deref().ok_or_else(|| Trouble::Everything(message.to_owned()))?;
            let path = uri.trim_start_matches("mlflow-artifacts:");
            let path = path.strip_prefix("//").map_or(path, |rest| rest.split_once('/').map_or("", |(_, path)| path));
            return Ok(self.opened(opened, root)?.below(path));
        }
        let Some((scheme, rest)) = uri.split_once("://").filter(|(scheme, _)| *scheme != "file") else {
            return Ok(Outside::open(uri, &BlobOptions::default())?);
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(self.opened(opened, &format!("{scheme}://{host}"))?.below(path))
    }

    /// Opens a root once, so that its connections are used again.
    fn opened(&self, opened: &Mutex<HashMap<String, Outside>>, root: &str) -> Result<Outside> {
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outside) = opened.get(root) {
            return Ok(outside.clone());
        }
        let outside = Outside::open(root, &BlobOptions::default())?;
        opened.insert(root.to_owned(), outside.clone());
        Ok(outside)
    }
}

fn is_proxied(uri: &str) -> bool {
    uri.starts_with("mlflow-artifacts:")
}

/// Lists all files, folder by folder.
async fn walk(rest: &Rest, home: &Home) -> Result<Vec<Found>> {
    let (mut found, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        let mut token = String::new();
        loop {
            let listing = rest.files(home, &folder, &token).await?;
            for file in listing.files {
                match file.is_dir {
                    true => folders.push(file.path),
                    false => found.push(Found { path: file.path, size: file.file_size.0 }),
                }
            }
            if found.len() > MAX_FILES || folders.len() > MAX_FILES {
                return Err(Trouble::Thing(format!("{} has more than {MAX_FILES} files", home.id)));
            }
            if listing.next_page_token.is_empty() {
                break;
            }
            token = listing.next_page_token;
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Guesses what a file is by its name, as clients do when they upload it.
pub(crate) fn media_type(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "json" => "application/json",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "txt" | "log" | "md" | "yaml" | "yml" => "text/plain",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        _ if name == "mlmodel" => "text/plain",
        _ => "application/octet-stream",
    }
}
