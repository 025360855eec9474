//! The files that the demo's `curl` lines send: large bodies are not readable on a command line.

use std::path::{Path, PathBuf};

use super::traffic;

/// Paths of the files, in the data folder.
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("demo") }
    }

    /// The data set.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("breast_cancer.csv")
    }

    /// A `:predict` request of two rows.
    pub(super) fn request(&self) -> PathBuf {
        self.folder.join("request.json")
    }

    /// A `:predict` request of all rows, as the scanner measures them whose scale is off.
    pub(super) fn drifted(&self) -> PathBuf {
        self.folder.join("drifted.json")
    }

    /// Writes all of them.
    pub(super) fn write(&self) -> Result<(), String> {
        let put = |path: PathBuf, text: &str| std::fs::write(&path, text).map_err(|e| format!("can't write {}: {e}", path.display()));
        std::fs::create_dir_all(&self.folder).map_err(|e| format!("can't make {}: {e}", self.folder.display()))?;
        put(self.data(), traffic::CSV)?;
        put(self.request(), &traffic::request(&traffic::two_rows()).to_string())?;
        put(self.drifted(), &traffic::request(&traffic::rows(true)).to_string())
    }
}
