//! Streams of an object's bytes: where they come from, and the check that a reader never gets a complete wrong file.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt as _, try_unfold};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStore};
use sha2::{Digest as _, Sha256};

use super::error::BlobError;
use super::key::{BlobKey, Digest};
use super::spool::blocking;

/// What is read from a local file, and hashed, in one go.
const CHUNK: usize = 512 << 10;
/// How often in a row a broken download is taken up again without a byte of progress.
const RESUMES: u32 = 3;

/// The bytes of an object, or of a range of one, with their number known in advance. The stream ends after an error.
pub struct BlobStream {
    size: u64,
    inner: BoxStream<'static, Result<Bytes, BlobError>>,
}

impl BlobStream {
    pub(super) fn new(size: u64, inner: BoxStream<'static, Result<Bytes, BlobError>>) -> Self {
        Self { size, inner }
    }

    /// Returns how many bytes there will be.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes, BlobError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobStream").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Starts reading, without any check, the object at `location` or a range of it, and returns its size and the bytes.
pub(super) async fn open(
    store: Arc<dyn ObjectStore>,
    location: Path,
    key: &BlobKey,
    range: Option<Range<u64>>,
) -> Result<BlobStream, BlobError> {
    let options = GetOptions { range: range.map(GetRange::Bounded), ..Default::default() };
    let result = store.get_opts(&location, options).await.map_err(BlobError::store(format!("read {key}")))?;
    let range = result.range.clone();
    let size = range.end - range.start;
    let chunks = match result.payload {
        GetResultPayload::File(file, _) => local_chunks(file, range, key.clone()).boxed(),
        GetResultPayload::Stream(body) => {
            let key = key.clone();
            remote_chunks(Download { store, location, key, body: body.boxed(), range, resumes: RESUMES }).boxed()
        }
    };
    Ok(BlobStream::new(size, chunks))
}

/// A file that is cut while it is read is a damaged object.
fn local_chunks(file: File, range: Range<u64>, key: BlobKey) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + 'static {
    try_unfold((Arc::new((file, key)), range), |(file, mut range)| async move {
        let len = usize::try_from(range.end - range.start).map_or(CHUNK, |left| left.min(CHUNK));
        if len == 0 {
            return Ok(None);
        }
        let (from, start) = (Arc::clone(&file), range.start);
        let bytes = blocking(move || {
            let mut bytes = vec![0; len];
            let (file, key) = &*from;
            match file.read_exact_at(&mut bytes, start) {
                Ok(()) => Ok(Bytes::from(bytes)),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(BlobError::digest(key)),
                Err(error) => Err(BlobError::io(format!("read {key}"))(error)),
            }
        })
        .await?;
        range.start += len as u64;
        Ok(Some((bytes, (file, range))))
    })
}

struct Download {
    store: Arc<dyn ObjectStore>,
    location: Path,
    key: BlobKey,
    body: BoxStream<'static, object_store::Result<Bytes>>,
    /// What is still to come.
    range: Range<u64>,
    resumes: u32,
}

/// Yields a download's bytes and takes a broken one up where it broke: the reader of a large object may be slower than the
/// store's patience.
fn remote_chunks(download: Download) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + 'static {
    try_unfold(download, |mut this| async move {
        loop {
            match this.body.next().await {
                Some(Ok(bytes)) => {
                    this.range.start += bytes.len() as u64;
                    this.resumes = RESUMES;
                    return Ok(Some((bytes, this)));
                }
                None => return Ok(None),
                Some(Err(error)) if this.resumes == 0 || this.range.is_empty() => {
                    return Err(BlobError::store(format!("read {}", this.key))(error));
                }
                Some(Err(error)) => {
                    tracing::info!(key = %this.key, at = this.range.start, %error, "a download broke off and is taken up again");
                    this.resumes -= 1;
                    this.resume().await?;
                }
            }
        }
    })
}

impl Download {
    async fn resume(&mut self) -> Result<(), BlobError> {
        let options = GetOptions { range: Some(GetRange::Bounded(self.range.clone())), ..Default::default() };
        let result = self.store.get_opts(&self.location, options).await;
        self.body = result.map_err(BlobError::store(format!("read {}", self.key)))?.into_stream();
        Ok(())
    }
}

/// Hashes the bytes that pass and holds the last chunk back until the whole has been found right.
pub(super) fn verified(stream: BlobStream, key: BlobKey) -> BlobStream {
    struct Check {
        inner: BlobStream,
        hasher: Sha256,
        seen: u64,
        held: Option<Bytes>,
        key: BlobKey,
    }
    let size = stream.size;
    let check = Check { inner: stream, hasher: Sha256::new(), seen: 0, held: None, key };
    let checked = try_unfold(Some(check), move |check| async move {
        let Some(mut check) = check else { return Ok(None) };
        loop {
            match check.inner.next().await.transpose()? {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => {
                    check.seen += bytes.len() as u64;
                    if check.seen > size {
                        return Err(BlobError::digest(&check.key));
                    }
                    check.hasher.update(&bytes);
                    if let Some(before) = check.held.replace(bytes) {
                        return Ok(Some((before, Some(check))));
                    }
                }
                None => {
                    let Check { hasher, held, key, .. } = check;
                    return match Digest::from_hasher(hasher) == key.digest() {
                        true => Ok(held.map(|last| (last, None))),
                        false => Err(BlobError::digest(&key)),
                    };
                }
            }
        }
    });
    BlobStream::new(size, checked.boxed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt as _;

    fn check(chunks: &[&'static str], size: u64, content: &str) -> BlobStream {
        let chunks: Vec<_> = chunks.iter().map(|c| Ok(Bytes::from_static(c.as_bytes()))).collect();
        let key = BlobKey::new("default", Digest::of(content.as_bytes()), 0).unwrap();
        verified(BlobStream::new(size, futures::stream::iter(chunks).boxed()), key)
    }

    #[tokio::test]
    async fn right_bytes_pass_in_their_chunks() {
        for chunks in [&["abc", "", "def", "g"][..], &["abcdefg"], &["abcdef", "g", ""]] {
            let got: Vec<Bytes> = check(chunks, 7, "abcdefg").try_collect().await.unwrap();
            assert_eq!(got.concat(), b"abcdefg");
        }
        assert_eq!(check(&[], 0, "").try_collect::<Vec<_>>().await.unwrap(), Vec::<Bytes>::new());
    }

    #[tokio::test]
    async fn of_wrong_bytes_the_last_chunk_is_replaced_by_an_error() {
        for chunks in [&["abc", "dxf", "g"][..], &["abc", "def"], &["abc", "def", "gh"], &["abc", "def", "h"]] {
            let got: Vec<_> = check(chunks, 7, "abcdefg").collect().await;
            let (last, before) = got.split_last().unwrap();
            assert_eq!(last.as_ref().unwrap_err().code(), "digest_mismatch");
            assert!(before.iter().map(|b| b.as_ref().unwrap().len()).sum::<usize>() < 7);
        }
        let got: Vec<_> = check(&[], 0, "a").collect().await;
        assert_eq!(got[0].as_ref().unwrap_err().code(), "digest_mismatch");
    }
}
