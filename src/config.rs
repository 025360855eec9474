//! Settings: flag over environment over `slipway.toml` over the compiled-in `config.default.toml`, which lists every key with
//! its meaning. The origin of each value is kept, so `slipway config show --origin` can say where it comes from.

mod reference;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

pub use reference::reference;

const DEFAULTS: &str = include_str!("config.default.toml");
/// The origin of a value that nobody set.
pub const DEFAULT: &str = "default";
/// Environment variables of ours that are not settings: where the settings file is, and what clients of a server use.
const NOT_SETTINGS: [&str; 4] = ["SLIPWAY_CONFIG", "SLIPWAY_KEY", "SLIPWAY_PROFILE", "SLIPWAY_URL"];

/// Whether requests need a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Not on loopback.
    Auto,
    /// Always.
    Required,
}

/// Where webhooks may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookTargets {
    /// To public addresses, by https.
    Public,
    /// Anywhere, by http too.
    Any,
}

impl WebhookTargets {
    /// Tells whether they may lead anywhere.
    pub fn is_any(self) -> bool {
        self == Self::Any
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// All settings; see `config.default.toml` for their meaning. Times are milliseconds, sizes bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents each key once")]
pub struct Config {
    pub host: String,
    pub port: u16,
    pub public_url: String,
    pub data_dir: PathBuf,
    pub database_url: String,
    pub database_connections: u32,
    pub artifact_root: String,
    pub auth: Auth,
    pub admin_key: String,
    pub worker_slots: u32,
    pub job_beat_ms: u64,
    pub job_lease_ms: u64,
    pub job_lease_slack_ms: u64,
    pub job_self_fence_ms: u64,
    pub job_reap_ms: u64,
    pub job_backoff_ms: u64,
    pub job_backoff_max_ms: u64,
    pub job_max_lost: u32,
    pub checkpoint_interval_ms: u64,
    pub serving_poll_ms: u64,
    pub serving_keep_warm_ms: u64,
    pub profile_flush_ms: u64,
    pub monitor_scan_ms: u64,
    pub body_limit: usize,
    pub predict_body_limit: usize,
    pub upload_limit: u64,
    pub trace_body_limit: usize,
    pub trace_retention_days: u32,
    pub webhook_targets: WebhookTargets,
    pub secret_key: String,
    pub shutdown_grace_ms: u64,
    pub log: String,
    pub log_format: LogFormat,
}

/// A setting that can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ConfigError(String);

/// Where a value came from, for people.
pub type Origins = BTreeMap<String, String>;

/// What the settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `slipway.toml` and its text, if there is one.
    pub file: Option<(PathBuf, String)>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// Flags that were given: key and text.
    pub flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// Gathers the real sources: `config` is the file named by a flag, which must then exist.
    pub fn gather(config: Option<&Path>, flags: Vec<(&'static str, String)>) -> Result<Self, ConfigError> {
        let named = config.map(Path::to_owned).or_else(|| std::env::var_os("SLIPWAY_CONFIG").map(PathBuf::from));
        let path = named.clone().unwrap_or_else(|| PathBuf::from("slipway.toml"));
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && named.is_none() => None,
            Err(e) => return Err(ConfigError(format!("can't read {}: {e}", path.display()))),
        };
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with("SLIPWAY_") && !name.starts_with("SLIPWAY_TEST_"))
            .filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str()))
            .map(|(name, value)| match value.into_string() {
                Ok(value) => Ok((name, value)),
                Err(_) => Err(ConfigError(format!("the environment variable {name} is not valid UTF-8"))),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { file, env, flags })
    }
}

/// Merges the sources and checks the result.
pub fn load(sources: &Sources) -> Result<(Config, Origins), ConfigError> {
    let (merged, origins) = merge(sources)?;
    let config: Config = Value::Table(merged.clone()).try_into().map_err(|e| blame(&merged, &origins, &e))?;
    config.check()?;
    Ok((config, origins))
}

/// Lays the sources over the defaults; every value has the type of its default.
fn merge(sources: &Sources) -> Result<(Table, Origins), ConfigError> {
    let defaults = defaults()?;
    let mut merged = defaults.clone();
    let mut origins: Origins = defaults.keys().map(|key| (key.clone(), DEFAULT.to_owned())).collect();
    let mut set = |key: &str, value: Value, origin: String| -> Result<(), ConfigError> {
        let Some(default) = defaults.get(key) else {
            return Err(ConfigError(format!("unknown setting {key:?} ({origin}); `slipway config show` lists all")));
        };
        if !value.same_type(default) {
            return Err(ConfigError(format!("{key} ({origin}) must be of type {}, not {}", default.type_str(), value.type_str())));
        }
        merged.insert(key.to_owned(), value);
        origins.insert(key.to_owned(), origin);
        Ok(())
    };
    if let Some((path, text)) = &sources.file {
        let table: Table = text.parse().map_err(|e| ConfigError(format!("{}: {e}", path.display())))?;
        for (key, value) in table {
            set(&key, value, format!("file {}", path.display()))?;
        }
    }
    for (name, text) in &sources.env {
        let key = name.strip_prefix("SLIPWAY_").unwrap_or(name).to_lowercase();
        set(&key, parse_text(defaults.get(&key), text), format!("environment {name}"))?;
    }
    for (key, text) in &sources.flags {
        set(key, parse_text(defaults.get(*key), text), format!("flag --{}", key.replace('_', "-")))?;
    }
    Ok((merged, origins))
}

fn defaults() -> Result<Table, ConfigError> {
    DEFAULTS.parse().map_err(|e| ConfigError(format!("config.default.toml: {e}")))
}

/// Names the setting that is to blame: the one that does not fit even alone, among nothing but defaults.
fn blame(merged: &Table, origins: &Origins, error: &toml::de::Error) -> ConfigError {
    for (key, origin) in origins.iter().filter(|(_, origin)| *origin != DEFAULT) {
        let Ok(mut alone) = defaults() else { break };
        alone.extend(merged.get(key).map(|value| (key.clone(), value.clone())));
        if let Err(e) = Value::Table(alone).try_into::<Config>() {
            return ConfigError(format!("{key} ({origin}): {}", e.message()));
        }
    }
    ConfigError(error.message().to_owned())
}

/// Reads a text as the type of the default; text that does not fit stays text and is refused by the type check.
fn parse_text(default: Option<&Value>, text: &str) -> Value {
    let parsed = match default {
        Some(Value::Integer(_)) => text.parse().ok().map(Value::Integer),
        Some(Value::Boolean(_)) => text.parse().ok().map(Value::Boolean),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

impl Config {
    /// Returns the URL of the database, with the default filled in.
    pub fn database_url(&self) -> String {
        if self.database_url.is_empty() {
            return format!("sqlite:{}", self.data_dir.join("slipway.db").display());
        }
        self.database_url.clone()
    }

    /// Returns the artifact root, with the default filled in.
    pub fn artifact_root(&self) -> String {
        if self.artifact_root.is_empty() {
            return self.data_dir.join("artifacts").display().to_string();
        }
        self.artifact_root.clone()
    }

    /// Returns the URL at which clients reach this server, as far as the settings know it.
    pub fn url(&self) -> String {
        if !self.public_url.is_empty() {
            return self.public_url.trim_end_matches('/').to_owned();
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("http://{host}:{}", self.port)
    }

    /// Returns the folder of files that are on their way in or out.
    pub fn spool_dir(&self) -> PathBuf {
        self.data_dir.join("spool")
    }

    /// Tells whether `host` is a loopback address or name.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let fail = |text: &str| Err(ConfigError(text.to_owned()));
        if !self.is_loopback() && self.auth != Auth::Required {
            return fail("host is not a loopback address: set auth = \"required\", so that nobody is let in without a key");
        }
        if !self.admin_key.is_empty() && crate::domain::key::parse(&self.admin_key).is_none() {
            return fail("admin_key is not a slipway key (slw_…); `slipway config new-key` makes one");
        }
        if self.job_beat_ms == 0 || self.job_self_fence_ms <= self.job_beat_ms || self.job_lease_ms <= self.job_self_fence_ms {
            return fail("job_beat_ms < job_self_fence_ms < job_lease_ms must hold: a worker stops before its job is given away");
        }
        if self.serving_poll_ms == 0 || self.profile_flush_ms == 0 || self.monitor_scan_ms == 0 || self.job_reap_ms == 0 {
            return fail("intervals must be at least 1 ms");
        }
        Ok(())
    }

    /// Lists all settings as `key = value`, secrets masked.
    pub fn show(sources: &Sources, with_origin: bool) -> Result<String, ConfigError> {
        load(sources)?;
        let (merged, origins) = merge(sources)?;
        let mut out = String::new();
        for (key, value) in merged {
            let shown = match value {
                Value::String(text) if (key == "admin_key" || key == "secret_key") && !text.is_empty() => Value::from("***"),
                Value::String(text) => Value::from(mask(&text)),
                other => other,
            };
            out.push_str(&format!("{key} = {shown}"));
            if with_origin {
                out.push_str(&format!("  # {}", origins.get(&key).map_or(DEFAULT, String::as_str)));
            }
            out.push('\n');
        }
        Ok(out)
    }
}

/// Hides what is secret in a URL: its password, and parameters that are called like one. Other text stays as it is.
pub fn mask(text: &str) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    // what can't be read as a URL can't be told apart from its secrets
    let Ok(mut url) = url::Url::parse(text) else { return "***".to_owned() };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    let is_secret = |name: &str| ["password", "secret", "token", "key", "sig"].iter().any(|word| name.to_lowercase().contains(word));
    if url.query_pairs().any(|(name, _)| is_secret(&name)) {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let shown = pairs.iter().map(|(name, value)| (name.as_str(), if is_secret(name) { "***" } else { value.as_str() }));
        url.query_pairs_mut().clear().extend_pairs(shown);
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(file: &str, env: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Sources {
        Sources {
            file: (!file.is_empty()).then(|| (PathBuf::from("slipway.toml"), file.to_owned())),
            env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            flags: flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
        let (config, origins) = load(&sources(
            "port = 1\nhost = \"::1\"\nlog = \"warn\"",
            &[("SLIPWAY_PORT", "2"), ("SLIPWAY_HOST", "localhost")],
            &[("port", "3")],
        ))
        .unwrap();
        assert_eq!((config.port, config.host.as_str(), config.log.as_str()), (3, "localhost", "warn"));
        assert_eq!(origins["port"], "flag --port");
        assert_eq!(origins["host"], "environment SLIPWAY_HOST");
        assert_eq!(origins["log"], "file slipway.toml");
        assert_eq!(origins["auth"], "default");
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_errors_that_name_their_origin() {
        let message = |s| load(&s).unwrap_err().to_string();
        assert!(message(sources("prot = 1", &[], &[])).contains("unknown setting \"prot\" (file slipway.toml)"));
        assert!(message(sources("", &[("SLIPWAY_PROT", "1")], &[])).contains("environment SLIPWAY_PROT"));
        assert_eq!(
            message(sources("", &[("SLIPWAY_PORT", "many")], &[])),
            "port (environment SLIPWAY_PORT) must be of type integer, not string"
        );
        assert_eq!(
            message(sources("auth = \"none\"", &[], &[])),
            "auth (file slipway.toml): unknown variant `none`, expected `auto` or `required`"
        );
        assert_eq!(
            message(sources("worker_slots = 2", &[], &[("port", "70000")])),
            "port (flag --port): invalid value: integer `70000`, expected u16"
        );
    }

    #[test]
    fn a_public_address_is_refused_without_authentication() {
        let open = sources("host = \"0.0.0.0\"", &[], &[]);
        assert!(load(&open).unwrap_err().to_string().contains("auth = \"required\""));
        assert!(load(&sources("host = \"0.0.0.0\"\nauth = \"required\"", &[], &[])).is_ok());
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let shown = |file: &str| Config::show(&sources(file, &[], &[]), true).unwrap();
        let line = "database_url = \"postgres://me:***@db/slipway\"  # file slipway.toml";
        assert!(shown("database_url = \"postgres://me:hunter2@db/slipway\"").contains(line));
        let line = "database_url = \"postgres://db/slipway?user=me&password=***\"  # file slipway.toml";
        assert!(shown("database_url = \"postgres://db/slipway?user=me&password=hunter2\"").contains(line));
        assert!(shown("artifact_root = \"s3://me:hunter2@bucket/a\"").contains("artifact_root = \"s3://me:***@bucket/a\""));
        assert!(shown("artifact_root = \"s3://:hunter2@:x:/\"").contains("artifact_root = \"***\""));
        let key = crate::domain::key::make(&[7; crate::domain::key::ENTROPY]);
        assert!(shown(&format!("admin_key = \"{key}\"")).contains("admin_key = \"***\"  # file slipway.toml"));
        assert!(shown("").contains("admin_key = \"\"  # default"));
    }
}
