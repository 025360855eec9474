//! Names of objects: `<workspace>/blobs/<aa>/<sha256>.<generation>`, where `aa` are the first two digits of the hash.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::error::{BlobError, BlobErrorKind};

/// The SHA-256 of an object's bytes, written `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes the result of a hash that was computed piece by piece.
    pub fn from_hasher(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// Returns the 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 hex digits without the name of the algorithm.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.0.iter().flat_map(|b| [b >> 4, b & 15]).map(|n| char::from(DIGITS[usize::from(n)])).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = BlobError;

    fn from_str(text: &str) -> Result<Self, BlobError> {
        let invalid = || {
            let shown: String = text.chars().take(80).collect();
            BlobError::new(BlobErrorKind::InvalidKey, format!("{shown:?} is not 'sha256:' and 64 lower-case hex digits"))
        };
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64).ok_or_else(invalid)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = nibble(pair[0]).ok_or_else(invalid)? << 4 | nibble(pair[1]).ok_or_else(invalid)?;
        }
        Ok(Self(hash))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Names one object. The generation sets objects of equal content apart, so that a late deletion of a former one cannot hit
/// its successor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey {
    workspace: String,
    digest: Digest,
    generation: u32,
}

impl BlobKey {
    /// Makes a key.
    ///
    /// # Errors
    /// `invalid_key` unless the workspace is 1 to 64 of `a-z`, `0-9`, `_` and `-`: it becomes a folder.
    pub fn new(workspace: &str, digest: Digest, generation: u32) -> Result<Self, BlobError> {
        check_workspace(workspace)?;
        Ok(Self { workspace: workspace.to_owned(), digest, generation })
    }

    /// Returns the workspace.
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// Returns the hash of the content.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the generation.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns the parts of the path below the root of the store.
    pub(crate) fn parts(&self) -> [String; 4] {
        let hex = self.digest.hex();
        [self.workspace.clone(), "blobs".to_owned(), hex[..2].to_owned(), format!("{hex}.{}", self.generation)]
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts().join("/"))
    }
}

pub(super) fn check_workspace(workspace: &str) -> Result<(), BlobError> {
    let fits = (1..=64).contains(&workspace.len()) && workspace.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if fits {
        return Ok(());
    }
    let shown: String = workspace.chars().take(80).collect();
    Err(BlobError::new(BlobErrorKind::InvalidKey, format!("workspace id {shown:?} must be 1 to 64 lower-case letters, digits, '_' or '-'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_reads_what_it_writes() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn anything_else_is_not_a_digest() {
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let long = format!("{EMPTY}0");
        let wide = format!("sha256:{}", "é".repeat(32));
        for text in ["", "sha256:", &EMPTY[7..], &EMPTY[..70], &long, &upper, &wide, &EMPTY.replace("e3", "+3")] {
            assert_eq!(text.parse::<Digest>().unwrap_err().code(), "invalid_key", "{text:?}");
        }
    }

    #[test]
    fn a_key_is_a_path_of_four_parts() {
        let key = BlobKey::new("team-1_a", Digest::of(b""), 3).unwrap();
        assert_eq!(key.to_string(), "team-1_a/blobs/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.3");
    }

    #[test]
    fn a_workspace_cannot_leave_its_folder() {
        for workspace in ["", ".", "..", ".staging", "a/b", "a\\b", "Team", "é", "a b", "a\0", &"a".repeat(65)] {
            assert_eq!(BlobKey::new(workspace, Digest::of(b""), 0).unwrap_err().code(), "invalid_key", "{workspace:?}");
        }
        assert!(BlobKey::new(&"a".repeat(64), Digest::of(b""), 0).is_ok());
    }
}
