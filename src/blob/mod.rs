//! Bytes at rest: content-addressed objects in a local folder or in a cloud's object store, and the files that hold bytes
//! on their way there.
//!
//! An object is written once under the hash of its content ([`BlobKey`]), is never changed, and is hashed again on every full
//! read: a reader gets the right bytes or an error, never a complete wrong file. What an object *means* and whether it still
//! lives is written in database rows, elsewhere; here a put that returns is durable, so that the row may follow.
//!
//! [`Spool`] takes a stream in, [`BlobStore`] keeps it. `put` and `local` write, `read` and `stream` read, `root` finds out
//! which store a root names, and `temp` makes the files that vanish with their owner.

mod checked;
mod direct;
mod error;
mod key;
mod local;
mod put;
mod read;
mod root;
mod source;
mod spool;
mod stream;
mod temp;

pub use direct::Parts;
pub use error::{BlobError, BlobErrorKind};
pub use key::{BlobKey, Digest};
pub use put::Stored;
pub use root::{BlobOptions, BlobStore};
pub use spool::{Spool, SpoolWriter};
pub use stream::BlobStream;

/// Chooses ring for all TLS of this process, unless something was chosen already. A client without a choice panics.
pub fn install_tls() {
    let _chosen_already = rustls::crypto::ring::default_provider().install_default();
}
