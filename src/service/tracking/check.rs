//! The limits of what may be logged, which are MLflow's.

mod logged;

use std::collections::BTreeSet;

use crate::domain::run::MetricPoint;
use crate::domain::tracking::{DatasetInput, Pair};
use crate::error::{Error, Result};

pub(super) use logged::{logged_model, model_ids, model_params, model_point, model_tags};

/// Points of one batch.
const MAX_METRICS: usize = 1000;
/// Params, and tags, of one batch.
const MAX_PAIRS: usize = 100;
/// All of these together.
const MAX_ENTITIES: usize = 1000;
const MAX_KEY: usize = 250;
const MAX_PARAM: usize = 6000;
pub(super) const MAX_TAG: usize = 8000;
const MAX_EXPERIMENT_TAG: usize = 20_000;
const MAX_EXPERIMENT_NAME: usize = 500;

fn invalid(message: impl Into<String>) -> Error {
    Error::invalid("invalid_parameter_value", message)
}

fn too_long(what: &str, limit: usize) -> Error {
    invalid(format!("'{what}' exceeds the maximum length of {limit} characters"))
}

/// Checks the name of a metric, param or tag; `path` says where it stands in the request, `label` what it is called when it is
/// too long.
pub(in crate::service) fn key(name: &str, path: &str, label: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '-' | ' ' | ':');
    if !name.chars().all(plain) {
        return Err(invalid(format!(
            "Invalid value {} for parameter '{path}' supplied: Names may only contain alphanumerics, underscores (_), dashes (-), \
             periods (.), spaces ( ), colon(:) and slashes (/).",
            serde_json::Value::from(name)
        )));
    }
    resolves_to_itself(name, path)?;
    if name.chars().count() > MAX_KEY {
        return Err(too_long(label, MAX_KEY));
    }
    Ok(())
}

/// Refuses a name that would be another name if it were taken for a path.
pub(in crate::service) fn resolves_to_itself(name: &str, path: &str) -> Result<()> {
    let resolved = resolve(name);
    if resolved != name || resolved == "." || resolved.starts_with("..") || resolved.starts_with('/') {
        return Err(invalid(format!(
            "Invalid value {} for parameter '{path}' supplied: Names may be treated as files in certain cases, and must not resolve \
             to other names when treated as such. This name would resolve to '{resolved}'",
            serde_json::Value::from(name)
        )));
    }
    Ok(())
}

/// Resolves a path as POSIX does, without looking at files.
fn resolve(name: &str) -> String {
    if name.is_empty() {
        return ".".to_owned();
    }
    let root = if name.starts_with("//") && !name.starts_with("///") {
        "//"
    } else if name.starts_with('/') {
        "/"
    } else {
        ""
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if !root.is_empty() => {}
            other => parts.push(other),
        }
    }
    let path = format!("{root}{}", parts.join("/"));
    if path.is_empty() { ".".to_owned() } else { path }
}

/// Refuses what a database can't store.
fn storable(value: &str, path: &str) -> Result<()> {
    if value.contains('\0') {
        return Err(invalid(format!("Invalid value for parameter '{path}' supplied: it contains a NUL character")));
    }
    Ok(())
}

/// Cuts a value to a number of characters, as MLflow does.
fn cut(value: &str, limit: usize) -> String {
    match value.char_indices().nth(limit) {
        Some((end, _)) => value[..end].to_owned(),
        None => value.to_owned(),
    }
}

/// Checks a param and cuts its value to its longest length.
pub(super) fn param(pair: &Pair, path: &str) -> Result<Pair> {
    let dot = if path.is_empty() { "" } else { "." };
    key(&pair.key, &format!("{path}{dot}key"), "Param key")?;
    storable(&pair.value, &format!("{path}{dot}value"))?;
    Ok(Pair { key: pair.key.clone(), value: cut(&pair.value, MAX_PARAM) })
}

/// Checks a tag of a run and cuts its value to its longest length.
pub(super) fn tag(pair: &Pair, path: &str) -> Result<Pair> {
    let path = if path.is_empty() { "key".to_owned() } else { format!("{path}.key") };
    key(&pair.key, &path, &path)?;
    storable(&pair.value, &path.replace("key", "value"))?;
    Ok(Pair { key: pair.key.clone(), value: cut(&pair.value, MAX_TAG) })
}

/// Checks a point.
pub(super) fn point(point: &MetricPoint, path: &str) -> Result<()> {
    let dot = if path.is_empty() { "" } else { "." };
    key(&point.key, &format!("{path}{dot}name"), "Metric name")?;
    if point.timestamp < 0 {
        return Err(invalid(format!(
            "Invalid value {} for parameter '{path}{dot}timestamp' supplied: metric '{}' (value={:?}). Timestamp must be a nonnegative \
             long (64-bit integer) ",
            point.timestamp, point.key, point.value.0
        )));
    }
    Ok(())
}

/// Checks how much a batch holds, and that it gives no param twice.
pub(super) fn sizes(metrics: &[MetricPoint], params: &[Pair], tags: &[Pair]) -> Result<()> {
    let total = metrics.len() + params.len() + tags.len();
    let limits = [
        ("metrics", MAX_METRICS, metrics.len()),
        ("params", MAX_PAIRS, params.len()),
        ("tags", MAX_PAIRS, tags.len()),
        ("metrics, params, and tags", MAX_ENTITIES, total),
    ];
    for (what, limit, count) in limits {
        if count > limit {
            return Err(invalid(format!(
                "A batch logging request can contain at most {limit} {what}. Got {count} {what}. Please split up {what} across multiple \
                 requests and try again."
            )));
        }
    }
    let mut seen = BTreeSet::new();
    let twice: Vec<&str> = params.iter().map(|pair| pair.key.as_str()).filter(|key| !seen.insert(*key)).collect();
    if twice.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = twice.iter().map(|key| format!("'{key}'")).collect();
    Err(invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param value per param key.",
        shown.join(", ")
    )))
}

/// Checks the name of an experiment.
pub(super) fn experiment_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains('\0') {
        return Err(invalid(format!("Invalid experiment name: '{}'", name.replace('\0', "\\0"))));
    }
    if name.chars().count() > MAX_EXPERIMENT_NAME {
        return Err(too_long("name", MAX_EXPERIMENT_NAME));
    }
    Ok(())
}

/// Checks a tag of an experiment.
pub(super) fn experiment_tag(pair: &Pair) -> Result<()> {
    key(&pair.key, "key", "key")?;
    storable(&pair.value, "value")?;
    if pair.value.chars().count() > MAX_EXPERIMENT_TAG {
        return Err(too_long("value", MAX_EXPERIMENT_TAG));
    }
    Ok(())
}

/// Checks where an experiment wants its files.
pub(super) fn location(text: &str) -> Result<()> {
    if text.starts_with("runs:") {
        return Err(invalid(format!("Artifact location cannot be a runs:/ URI. Given: '{text}'")));
    }
    if text.contains(['#', '?', '\0']) || text.contains(|c: char| c.is_control()) {
        return Err(invalid("'artifact_location' URL can't include fragments or params."));
    }
    if text.chars().count() > 2048 {
        return Err(invalid("Invalid artifact path length. The length of the artifact path cannot be greater than 2048 characters."));
    }
    Ok(())
}

/// Checks a data set that a run names.
pub(super) fn input(input: &DatasetInput) -> Result<()> {
    let d = &input.dataset;
    for (name, value, limit) in [("name", &d.name, 500), ("digest", &d.digest, 36), ("source", &d.source, 65_535)] {
        if value.chars().count() > limit {
            return Err(too_long(name, limit));
        }
        storable(value, name)?;
    }
    for (name, value, limit) in [("schema", &d.schema, 1_048_575), ("profile", &d.profile, 16_777_215)] {
        let value = value.as_deref().unwrap_or("");
        if value.chars().count() > limit {
            return Err(too_long(name, limit));
        }
        storable(value, name)?;
    }
    storable(&d.source_type, "source_type")?;
    for tag in &input.tags {
        for (name, value, limit) in [("key", &tag.key, 255), ("value", &tag.value, 500)] {
            if value.chars().count() > limit {
                return Err(too_long(name, limit));
            }
            storable(value, name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_be_other_files_are_refused() {
        for good in ["loss", "val/loss", "a.b-c d:e", "größe", "a..b"] {
            assert!(key(good, "name", "Metric name").is_ok(), "{good}");
        }
        for (bad, resolved) in [("../a", "../a"), ("a//b", "a/b"), ("/a", "/a"), ("a/../b", "b"), (".", "."), ("", "."), ("a/", "a")] {
            let error = key(bad, "name", "Metric name").unwrap_err();
            assert!(error.message.ends_with(&format!("This name would resolve to '{resolved}'")), "{bad}: {}", error.message);
        }
        assert!(key("a?", "key", "Param key").unwrap_err().message.contains("Names may only contain alphanumerics"));
        assert_eq!(
            key(&"a".repeat(251), "k", "Param key").unwrap_err().message,
            "'Param key' exceeds the maximum length of 250 characters"
        );
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let pair = Pair { key: "k".to_owned(), value: "ü".repeat(6001) };
        assert_eq!(param(&pair, "").unwrap().value.chars().count(), 6000);
        let nul = Pair { key: "k".to_owned(), value: "a\0".to_owned() };
        assert_eq!(tag(&nul, "tags[0]").unwrap_err().code, "invalid_parameter_value");
    }
}
