//! Profiles: servers and keys that a person uses, in a file that nobody else can read.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failure::{Done, FAILED, Failure};
use super::session::variable;

/// The profile that is used when none is named.
const DEFAULT: &str = "default";

/// A server and a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    pub(super) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
}

/// All profiles.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Profiles {
    /// The one in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<String>,
    pub(super) profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// Reads the file; no file is no profiles. One that others can read is refused, for it holds keys.
    pub(super) fn load() -> Result<Self, Failure> {
        let Some(path) = path() else { return Ok(Self::default()) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(Self::default()),
            Err(e) => return Err(Failure::usage(format!("can't read {}: {e}", path.display()))),
        };
        let mode = std::fs::metadata(&path).map_or(0, |about| about.permissions().mode());
        if mode & 0o077 != 0 {
            let message = format!("{} holds keys and can be read by others", path.display());
            return Err(Failure::usage(message).next(format!("chmod 600 {}", path.display())));
        }
        toml::from_str(&text).map_err(|e| Failure::usage(format!("{}: {}", path.display(), e.message())))
    }

    /// The profile of that name, else of the environment's, else the one in use. Only one that is named must be there.
    pub(super) fn find(mut self, name: Option<&str>) -> Result<Option<Profile>, Failure> {
        let Some(name) = name.map(str::to_owned).or_else(|| variable("SLIPWAY_PROFILE")) else {
            let current = self.current.unwrap_or_else(|| DEFAULT.to_owned());
            return Ok(self.profiles.remove(&current));
        };
        let known = self.profiles.remove(&name);
        known.map(Some).ok_or_else(|| {
            Failure::usage(format!("there is no profile {name:?}")).next("`slipway profiles ls` lists them, `slipway login` makes one")
        })
    }

    /// The name that is meant when `name` or the environment says nothing else.
    pub(super) fn name(&self, name: Option<&str>) -> String {
        name.map(str::to_owned)
            .or_else(|| variable("SLIPWAY_PROFILE"))
            .or_else(|| self.current.clone())
            .unwrap_or_else(|| DEFAULT.to_owned())
    }

    /// Writes the file as a whole: whoever reads it sees the old one or the new one.
    pub(super) fn save(&self) -> Done {
        let path = path().ok_or_else(|| Failure::new(FAILED, "there is no place for profiles: neither XDG_CONFIG_HOME nor HOME is set"))?;
        let text = toml::to_string(self).map_err(|e| e.to_string())?;
        write(&path, &text).map_err(|e| Failure::new(FAILED, format!("can't write {}: {e}", path.display())))
    }
}

/// Where the profiles are.
pub(super) fn path() -> Option<PathBuf> {
    let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = folder.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")));
    folder.map(|folder| folder.join("slipway/profiles.toml"))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = folder.join(format!(".profiles.{}", std::process::id()));
    let _ = std::fs::remove_file(&draft);
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    written
}
