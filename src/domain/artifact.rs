//! Files that belong to something: a run, a model version, a data set version.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// A stored file under the path that its owner gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    /// Relative, with `/` between its parts.
    pub path: String,
    /// `sha256:` of the bytes.
    pub digest: String,
    /// Size in bytes.
    pub size_bytes: i64,
    /// What the bytes are.
    pub media_type: String,
}

/// Names a set of files by what is in it: `sha256:` over a line `path<TAB>digest<TAB>size` for each, by path.
pub fn manifest_digest(artifacts: &[Artifact]) -> String {
    let mut lines: Vec<String> = artifacts.iter().map(|a| format!("{}\t{}\t{}\n", a.path, a.digest, a.size_bytes)).collect();
    lines.sort_unstable();
    let mut hasher = Sha256::new();
    lines.iter().for_each(|line| hasher.update(line));
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_files_does_not_matter_and_their_content_does() {
        let file = |path: &str, digest: &str| Artifact {
            path: path.to_owned(),
            digest: digest.to_owned(),
            size_bytes: 1,
            media_type: String::new(),
        };
        let (a, b) = (file("a", "sha256:1"), file("b", "sha256:2"));
        let digest = manifest_digest(&[a.clone(), b.clone()]);
        assert_eq!(digest, manifest_digest(&[b.clone(), a.clone()]));
        assert_ne!(digest, manifest_digest(&[a, file("b", "sha256:3")]));
    }
}
