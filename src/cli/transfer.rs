//! Files to and from a server, of any size: streamed, and a download verified before it has its name.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::{Body, Method, Url};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::io::ReaderStream;

use super::failure::{Done, FAILED, Failure, UNAVAILABLE};
use super::output::print_bytes;
use super::progress;
use super::session::Session;

const BUFFER: usize = 1 << 16;

/// Where a download goes.
#[derive(clap::Args)]
pub(super) struct Target {
    /// File to write; `-` is standard output.
    #[arg(short = 'O', long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Replaces a file that is there.
    #[arg(long)]
    force: bool,
}

impl Session {
    /// Posts a file as the body of a request; `-` is standard input.
    pub(super) async fn upload(&self, url: Url, file: &Path, media_type: &str) -> Result<Value, Failure> {
        let unreadable = |e: std::io::Error| Failure::usage(format!("can't read {}: {e}", file.display()));
        let (opened, name, total) = if file == Path::new("-") {
            let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?;
            (std::fs::File::from(stdin), "standard input".into(), None)
        } else {
            let opened = std::fs::File::open(file).map_err(unreadable)?;
            let about = opened.metadata().map_err(unreadable)?;
            if about.is_dir() {
                return Err(Failure::usage(format!("{} is a folder", file.display())));
            }
            (opened, file.file_name().unwrap_or_default().to_string_lossy(), about.is_file().then_some(about.len()))
        };
        let body = self.watched(ReaderStream::with_capacity(tokio::fs::File::from_std(opened), BUFFER), &name, total);
        let request = self.client.request(Method::POST, url).header("content-type", media_type).body(body);
        let answer = request.send().await.map_err(|e| self.client.unreachable(&e))?;
        self.read(self.client.good(answer).await?).await
    }

    async fn read(&self, answer: reqwest::Response) -> Result<Value, Failure> {
        answer.json().await.map_err(|e| self.client.unreachable(&e))
    }

    fn watched<R: tokio::io::AsyncRead + Send + 'static>(&self, stream: ReaderStream<R>, name: &str, total: Option<u64>) -> Body {
        let bar = progress::bytes(&self.out, name, total);
        let stream = stream.inspect(move |chunk| match chunk {
            Ok(bytes) => {
                bar.inc(bytes.len() as u64);
                // the last byte is not the last moment: the server reads the whole file before it answers
                if total.is_some_and(|total| bar.position() >= total) {
                    bar.finish_and_clear();
                }
            }
            Err(_) => bar.abandon(),
        });
        Body::wrap_stream(stream)
    }

    /// Downloads a file; `digest` is what its bytes must hash to, `name` what it is called when the target does not say.
    pub(super) async fn download(&self, url: Url, target: &Target, name: &str, digest: Option<&str>) -> Done {
        let answer = self.client.send(|| self.client.request(Method::GET, url.clone())).await?;
        let bar = progress::bytes(&self.out, name, answer.content_length());
        let mut sink = Sink::open(target, name)?;
        let mut hasher = Sha256::new();
        let mut chunks = answer.bytes_stream();
        loop {
            let chunk = tokio::time::timeout(self.client.timeout().max(Duration::from_secs(60)), chunks.next()).await;
            let Some(chunk) = chunk.map_err(|_| Failure::new(UNAVAILABLE, format!("{} stopped sending {name}", self.client.base())))?
            else {
                break;
            };
            let chunk = chunk.map_err(|_| Failure::new(UNAVAILABLE, format!("the transfer of {name} broke off; nothing was kept")))?;
            hasher.update(&chunk);
            sink.write(&chunk)?;
            bar.inc(chunk.len() as u64);
        }
        bar.finish_and_clear();
        let found = hasher.finalize().iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        if let Some(digest) = digest.filter(|digest| *digest != found) {
            return Err(Failure::new(FAILED, format!("{name} arrived damaged: {found} instead of {digest}; nothing was kept")));
        }
        match sink.finish()? {
            Some(path) => self.out.note(&format!("{} ({found})", path.display())),
            None => self.out.note(&found),
        }
        Ok(())
    }
}

/// Standard output, or a file that gets its name when it is whole.
enum Sink {
    Stdout,
    File { file: std::fs::File, draft: PathBuf, path: PathBuf },
}

impl Sink {
    fn open(target: &Target, name: &str) -> Result<Self, Failure> {
        let path = target.to.clone().unwrap_or_else(|| PathBuf::from(Path::new(name).file_name().unwrap_or_default()));
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        if !target.force && path.exists() {
            return Err(
                Failure::usage(format!("{} is there already", path.display())).next("--force replaces it, -O FILE writes elsewhere")
            );
        }
        let file_name = path.file_name().ok_or_else(|| Failure::usage(format!("{} is no file", path.display())))?;
        let draft = path.with_file_name(format!(".{}.{}.part", file_name.to_string_lossy(), std::process::id()));
        let file = std::fs::File::create(&draft).map_err(|e| Failure::new(FAILED, format!("can't write {}: {e}", draft.display())))?;
        Ok(Self::File { file, draft, path })
    }

    fn write(&mut self, bytes: &[u8]) -> Done {
        match self {
            Self::Stdout => print_bytes(bytes),
            Self::File { file, draft, .. } => {
                file.write_all(bytes).map_err(|e| Failure::new(FAILED, format!("can't write {}: {e}", draft.display())))
            }
        }
    }

    fn finish(&mut self) -> Result<Option<PathBuf>, Failure> {
        let Self::File { file, draft, path } = self else { return Ok(None) };
        let done = file.sync_all().and_then(|()| std::fs::rename(draft, &path));
        done.map_err(|e| Failure::new(FAILED, format!("can't write {}: {e}", path.display())))?;
        Ok(Some(path.clone()))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Self::File { draft, .. } = self {
            // gone already when the file has its name
            let _ = std::fs::remove_file(draft);
        }
    }
}
