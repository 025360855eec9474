//! Registered models as MLflow's clients know them: stages, prompts, and where a version comes from.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{ModelVersion, RegisteredModel};

/// The tag that makes a registered model a prompt.
pub const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";
/// The tag of a version that holds the text of a prompt.
pub const PROMPT_TEXT_TAG: &str = "mlflow.prompt.text";
/// What versions of prompts give as their source, which they do not have.
pub const PROMPT_SOURCES: [&str; 2] = ["dummy-source", "prompt-template"];
/// Flavor of the versions of prompts.
pub const PROMPT_FLAVOR: &str = "prompt";

/// Where MLflow's older clients put a version. `Staging` and `Production` are also aliases: each points at the newest version that
/// is in the stage, and moving the alias moves versions between stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ModelStage {
    /// Nowhere in particular.
    None,
    /// About to be used.
    Staging,
    /// Used.
    Production,
    /// Used before.
    Archived,
}

impl ModelStage {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];
    /// Those that have an alias.
    pub const ACTIVE: [Self; 2] = [Self::Staging, Self::Production];

    /// Returns the name as stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// Reads a name in whatever case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(text))
    }

    /// Finds the stage that an alias stands for. Aliases are told apart by case.
    pub fn of_alias(alias: &str) -> Option<Self> {
        Self::ACTIVE.into_iter().find(|stage| stage.as_str() == alias)
    }
}

/// A registered model with the newest version of each stage.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackedModel {
    /// Its id.
    pub id: String,
    /// The model.
    pub model: RegisteredModel,
    /// The newest version of each stage that has one, oldest first.
    pub latest: Vec<ModelVersion>,
}

/// Which version of a model a URI means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By number.
    Number(i64),
    /// The one that an alias points at.
    Alias(String),
    /// The newest of a stage.
    Stage(String),
    /// The newest.
    Latest,
}

/// Where a version comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder of a run: `runs:/<run>/<path>`.
    Run {
        /// The run.
        run_id: String,
        /// The folder.
        path: String,
    },
    /// A folder behind the artifact proxy: `mlflow-artifacts:/<path>`.
    Artifacts,
    /// A logged model: `models:/m-…`.
    LoggedModel(String),
    /// A version of a registered model: `models:/<name>/<version>` and its other spellings.
    Version(String, Which),
    /// A path of the client's machine.
    Local,
    /// Some other host's files, under this scheme.
    Host(String),
    /// An object store that is not this server's.
    Elsewhere,
}

/// Why a source can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSource {
    /// It is not absolute, or climbs.
    Relative,
    /// It names another server, or nothing.
    Authority,
}

/// Schemes by which a server would be made to ask another host.
const HOSTS: [&str; 9] = ["http", "https", "ftp", "sftp", "hdfs", "viewfs", "r2", "b2", "abfss"];
/// How often a source may turn out to be encoded again.
const ROUNDS: usize = 8;

impl Source {
    /// Reads a source.
    ///
    /// # Errors
    /// If it climbs, is relative, or names another registry.
    pub fn parse(text: &str) -> Result<Self, BadSource> {
        let Some((scheme, rest)) = split_scheme(text) else { return Ok(Self::Local) };
        if scheme == "file" {
            return Ok(Self::Local);
        }
        if HOSTS.contains(&scheme.as_str()) {
            return Ok(Self::Host(scheme));
        }
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash)),
            None => ("", rest),
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        check_path(text, path)?;
        match scheme.as_str() {
            "runs" | "models" if !authority.is_empty() => Err(BadSource::Authority),
            "runs" => {
                let (run_id, path) = path.trim_start_matches('/').split_once('/').ok_or(BadSource::Authority)?;
                Ok(Self::Run { run_id: run_id.to_owned(), path: path.trim_matches('/').to_owned() })
            }
            "models" => model_of(path).ok_or(BadSource::Authority),
            "mlflow-artifacts" => Ok(Self::Artifacts),
            _ => Ok(Self::Elsewhere),
        }
    }
}

fn split_scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let plain = scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (plain && scheme.starts_with(|c: char| c.is_ascii_alphabetic())).then(|| (scheme.to_ascii_lowercase(), rest))
}

/// Refuses a path that is not the path it looks like, however often it can be decoded.
fn check_path(text: &str, path: &str) -> Result<(), BadSource> {
    let (mut text, mut path) = (text.to_owned(), path.to_owned());
    for _ in 0..ROUNDS {
        let climbs = text.contains('\0') || text.split('/').any(|part| part == "..");
        if climbs || !path.starts_with('/') || path.split('/').any(|part| part == ".") || path.trim_end_matches('/').is_empty() {
            return Err(BadSource::Relative);
        }
        let decoded = decode(&text);
        if decoded == text {
            return Ok(());
        }
        (text, path) = (decoded, decode(&path));
    }
    Err(BadSource::Relative)
}

fn decode(text: &str) -> String {
    // a lone `%` stays, and so do bytes that are no text
    percent_decode(text.as_bytes()).unwrap_or_else(|| text.to_owned())
}

fn percent_decode(text: &[u8]) -> Option<String> {
    let digit = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

fn model_of(path: &str) -> Option<Source> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        [only] if only.trim().is_empty() => None,
        [only] => match only.rsplit_once('@') {
            Some((name, alias)) if !name.is_empty() && !alias.trim().is_empty() => {
                Some(Source::Version(name.to_owned(), Which::Alias(alias.to_owned())))
            }
            Some(_) => None,
            None => Some(Source::LoggedModel((*only).to_owned())),
        },
        [name, which] if !name.trim().is_empty() && !which.trim().is_empty() => {
            let which = match which.parse() {
                Ok(number) if which.bytes().all(|b| b.is_ascii_digit()) => Which::Number(number),
                _ if which.eq_ignore_ascii_case("latest") => Which::Latest,
                _ => Which::Stage((*which).to_owned()),
            };
            Some(Source::Version((*name).to_owned(), which))
        }
        _ => None,
    }
}

/// Tells whether a URI lies within another, and returns what follows: the folder and the file in it, decoded.
pub fn path_within(uri: &str, root: &str) -> Option<String> {
    let (parts, root_parts) = (uri_parts(uri)?, uri_parts(root)?);
    let inside = parts.0 == root_parts.0 && parts.1 == root_parts.1 && !root_parts.2.is_empty() && parts.2.starts_with(&root_parts.2);
    inside.then(|| parts.2[root_parts.2.len()..].join("/"))
}

fn uri_parts(uri: &str) -> Option<(String, String, Vec<String>)> {
    let (scheme, rest) = split_scheme(uri)?;
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash)),
        None => ("", rest),
    };
    let part = |part: &str| {
        let mut text = part.to_owned();
        for _ in 0..ROUNDS {
            text = decode(&text);
        }
        text
    };
    Some((scheme, authority.to_ascii_lowercase(), path.split('/').filter(|p| !p.is_empty()).map(part).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let run = Source::Run { run_id: "r".to_owned(), path: "a/b".to_owned() };
        let version = |name: &str, which| Source::Version(name.to_owned(), which);
        for (text, source) in [
            ("runs:/r/a/b", run),
            ("mlflow-artifacts:/0/r/artifacts/model", Source::Artifacts),
            ("mlflow-artifacts://host:1/0/r/artifacts/model", Source::Artifacts),
            ("models:/m-1", Source::LoggedModel("m-1".to_owned())),
            ("models:/a/12", version("a", Which::Number(12))),
            ("models:/a@best", version("a", Which::Alias("best".to_owned()))),
            ("models:/a/Latest", version("a", Which::Latest)),
            ("models:/a/production", version("a", Which::Stage("production".to_owned()))),
            ("dummy-source", Source::Local),
            ("/tmp/x", Source::Local),
            ("file:///x", Source::Local),
            ("HTTPS://h/x", Source::Host("https".to_owned())),
            ("s3://bucket/key", Source::Elsewhere),
        ] {
            assert_eq!(Source::parse(text), Ok(source), "{text}");
        }
    }

    #[test]
    fn no_source_climbs_or_names_another_server() {
        for text in [
            "mlflow-artifacts:/0/../x",
            "mlflow-artifacts:/0/%2e%2e/x",
            "mlflow-artifacts:/0/%252e%252e/x",
            "mlflow-artifacts://h:1/..%2f..%2f",
            "s3:/b/./x",
            "s3:b/x",
            "s3://b",
            "mlflow-artifacts:/a%00",
            "runs:/r/../q/model",
        ] {
            assert_eq!(Source::parse(text), Err(BadSource::Relative), "{text}");
        }
        for text in ["runs://h/r/model", "models://h/a/1", "models:/a/1/2", "models:/a@", "runs:/r"] {
            assert_eq!(Source::parse(text), Err(BadSource::Authority), "{text}");
        }
    }

    #[test]
    fn a_path_lies_within_a_root_of_the_same_server() {
        let root = "mlflow-artifacts:/0/r/artifacts";
        assert_eq!(path_within("mlflow-artifacts:/0/r/artifacts/model", root).as_deref(), Some("model"));
        assert_eq!(path_within("mlflow-artifacts:/0//r/artifacts/a%20b/c", root).as_deref(), Some("a b/c"));
        assert_eq!(path_within(root, root).as_deref(), Some(""));
        for other in ["mlflow-artifacts:/0/r2/artifacts/m", "mlflow-artifacts://h/0/r/artifacts/m", "s3:/0/r/artifacts/m", "x"] {
            assert_eq!(path_within(other, root), None, "{other}");
        }
    }

    #[test]
    fn stages_are_read_in_any_case_and_their_aliases_in_one() {
        for stage in ModelStage::ALL {
            assert_eq!(ModelStage::parse(&stage.as_str().to_uppercase()), Some(stage));
        }
        assert_eq!(ModelStage::parse("unknown"), None);
        assert_eq!(ModelStage::of_alias("Production"), Some(ModelStage::Production));
        assert_eq!(ModelStage::of_alias("production"), None);
        assert_eq!(ModelStage::of_alias("None"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,60}", soup in "(runs|models|s3|:|/|@|%2e|\\.\\.|a|1){0,12}") {
            for text in [text, soup] {
                let _ = Source::parse(&text);
                let _ = path_within(&text, &text);
            }
        }
    }
}
