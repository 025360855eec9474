//! The files of a run or a logged model, copied one by one.

use std::collections::HashMap;

use super::progress::Progress;
use super::source::{Files, Found, media_type};
use super::{Result, Trouble};
use crate::domain::artifact::Artifact;
use crate::domain::identity::Caller;
use crate::domain::moving::{Home, HomeKind, Tally};
use crate::service::{App, Import};

/// How often a file whose bytes broke off is copied again.
const TRIES: u32 = 3;

/// Where files go.
pub(super) struct Here<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) progress: &'a Progress,
    /// Copies what has the same path and size here, too.
    pub(super) check_files: bool,
}

/// What came of the files of one of them.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) read: i64,
    pub(super) there: i64,
    pub(super) new: i64,
    pub(super) troubles: Vec<String>,
}

/// Copies the files that are not here, then looks at what is here.
pub(super) async fn copy(here: &Here<'_>, files: &Files, import: &Import, home: &Home) -> Result<Copied> {
    let found = files.list(home).await?;
    let before = there(here, home).await?;
    let (mut copied, mut tally, mut expected) = (Copied::default(), Tally::default(), Vec::with_capacity(found.len()));
    for file in found {
        copied.read += 1;
        let same = before.get(&file.path).filter(|there| there.size_bytes == file.size);
        let artifact = match same {
            Some(there) if !here.check_files => there.clone(),
            _ => match copy_one(here, files, home, &file).await {
                Ok(artifact) => {
                    copied.new += i64::from(same.is_none_or(|there| there.digest != artifact.digest));
                    artifact
                }
                Err(Trouble::Thing(message)) => {
                    copied.troubles.push(format!("file {} of {}: {message}", file.path, home.id));
                    continue;
                }
                Err(trouble) => return Err(trouble),
            },
        };
        here.progress.note(|done| done.files += 1);
        tally.add("file", &[artifact.path.as_bytes(), artifact.digest.as_bytes(), &artifact.size_bytes.to_le_bytes()]);
        expected.push(artifact);
    }
    let after = if expected.is_empty() { HashMap::new() } else { there(here, home).await? };
    for artifact in expected {
        match after.get(&artifact.path).is_some_and(|there| (&there.digest, there.size_bytes) == (&artifact.digest, artifact.size_bytes)) {
            true => copied.there += 1,
            false => copied.troubles.push(format!("file {} of {} is not here any more", artifact.path, home.id)),
        }
    }
    if copied.troubles.is_empty() {
        here.app.moving().note(import, noted(home.kind), &home.id, &tally).await?;
    }
    Ok(copied)
}

/// Under which kind it is noted that the files are here.
pub(super) fn noted(kind: HomeKind) -> &'static str {
    match kind {
        HomeKind::Run => "files",
        HomeKind::Model => "model files",
    }
}

async fn there(here: &Here<'_>, home: &Home) -> Result<HashMap<String, Artifact>> {
    let files = here.app.moving().files(here.caller, home).await?;
    Ok(files.into_iter().map(|file| (file.path.clone(), file)).collect())
}

async fn copy_one(here: &Here<'_>, files: &Files, home: &Home, file: &Found) -> Result<Artifact> {
    let mut tried = 1;
    loop {
        let (stream, told) = files.open(home, &file.path).await?;
        let told = told.filter(|text| !text.is_empty() && text.len() <= 200);
        let media = told.as_deref().unwrap_or_else(|| media_type(&file.path));
        let tracking = here.app.tracking();
        let uploaded = match home.kind {
            HomeKind::Run => tracking.upload_run_file(here.caller, &home.id, &file.path, media, stream).await,
            HomeKind::Model => tracking.upload_model_file(here.caller, &home.id, &file.path, media, stream).await,
        };
        match uploaded {
            Ok(artifact) if artifact.size_bytes == file.size => {
                here.progress.note(|done| done.bytes += artifact.size_bytes);
                return Ok(artifact);
            }
            Ok(artifact) => {
                return Err(Trouble::Thing(format!("it has {} bytes and should have {}", artifact.size_bytes, file.size)));
            }
            Err(e) if e.code == "upload_interrupted" && tried < TRIES => tried += 1,
            Err(e) => return Err(e.into()),
        }
    }
}
