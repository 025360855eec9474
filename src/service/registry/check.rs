//! The limits of what may be registered, which are MLflow's.

use std::collections::BTreeMap;

use super::invalid;
use crate::domain::registry::PROMPT_TEXT_TAG;
use crate::domain::tracking::Pair;
use crate::error::Result;
use crate::service::tracking::check;

const MAX_NAME: usize = 256;
const MAX_KEY: usize = 250;
const MAX_VALUE: usize = 100_000;
const MAX_ALIAS: usize = 255;
/// Tags of one request.
const MAX_TAGS: usize = 1000;
const MAX_TEXT: usize = 65_535;
const MAX_SOURCE: usize = 2048;

fn too_long(what: &str, limit: usize) -> crate::error::Error {
    invalid(format!("'{what}' exceeds the maximum length of {limit} characters"))
}

/// Checks the name of a model that is asked for.
pub(super) fn name(name: &str) -> Result<()> {
    named(name, "name")
}

/// Checks the name of a model; `path` says where it stands in the request.
pub(super) fn named(name: &str, path: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(invalid(format!("Missing value for required parameter '{path}'.")));
    }
    if name.contains(['/', ':']) {
        return Err(invalid(format!("Invalid model name '{name}'. Names cannot contain '/' or ':'.")));
    }
    check::resolves_to_itself(name, "name")?;
    if name.chars().any(char::is_control) {
        return Err(invalid(format!("Invalid model name {name:?}. Names cannot contain control characters.")));
    }
    if name.chars().count() > MAX_NAME {
        return Err(too_long("name", MAX_NAME));
    }
    Ok(())
}

/// Reads a number of a version.
pub(super) fn number(text: &str) -> Result<i64> {
    text.trim().parse().map_err(|_| invalid(format!("Parameter 'version' must be an integer, got '{text}'.")))
}

/// Checks the name of an alias that is asked for.
pub(super) fn alias(alias: &str) -> Result<()> {
    if alias.is_empty() {
        return Err(invalid("Registered model alias name cannot be empty."));
    }
    if !alias.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
        let shown = alias.replace('\0', "\\0");
        return Err(invalid(format!(
            "Invalid alias name: '{shown}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    if alias.chars().count() > MAX_ALIAS {
        return Err(too_long("Registered model alias name", MAX_ALIAS));
    }
    Ok(())
}

/// Checks the name of an alias that is to be set.
pub(super) fn new_alias(name: &str) -> Result<()> {
    alias(name)?;
    if name.eq_ignore_ascii_case("latest") {
        return Err(invalid("'latest' alias name (case insensitive) is reserved."));
    }
    if name.strip_prefix(['v', 'V']).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())) {
        return Err(invalid(format!("Version alias name '{name}' is reserved.")));
    }
    Ok(())
}

/// Checks a tag.
pub(super) fn tag(pair: &Pair) -> Result<()> {
    tag_key(&pair.key)?;
    if pair.key.chars().count() > MAX_KEY {
        return Err(too_long("key", MAX_KEY));
    }
    text("value", &pair.value, usize::MAX)?;
    if pair.value.chars().count() > MAX_VALUE {
        return Err(match pair.key.as_str() {
            PROMPT_TEXT_TAG => invalid(format!("Prompt text exceeds max length of {MAX_VALUE} characters.")),
            _ => too_long("value", MAX_VALUE),
        });
    }
    Ok(())
}

/// Checks the key of a tag.
pub(super) fn tag_key(key: &str) -> Result<()> {
    check::key(key, "key", "key")
}

/// Checks tags; the last value of a key stays.
pub(super) fn tags(pairs: &[Pair]) -> Result<BTreeMap<String, String>> {
    if pairs.len() > MAX_TAGS {
        return Err(invalid(format!("at most {MAX_TAGS} tags can be given at once")));
    }
    pairs.iter().try_for_each(tag)?;
    Ok(pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect())
}

/// Checks a description.
pub(super) fn description(description: &str) -> Result<()> {
    text("description", description, MAX_TEXT)
}

/// Checks a source, and a link to a run.
pub(super) fn source(what: &str, source: &str) -> Result<()> {
    text(what, source, MAX_SOURCE)
}

fn text(what: &str, text: &str, limit: usize) -> Result<()> {
    if text.contains('\0') {
        return Err(invalid(format!("Invalid value for parameter '{what}' supplied: it contains a NUL character")));
    }
    if text.chars().count() > limit {
        return Err(too_long(what, limit));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_as_mlflow_refuses_them() {
        for good in ["a", "my model (1)", "größe", "a.b", "a@b%20c"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for (bad, message) in [
            ("", "Missing value for required parameter 'name'."),
            (" ", "Missing value for required parameter 'name'."),
            ("a/b", "Invalid model name 'a/b'. Names cannot contain '/' or ':'."),
            ("a:b", "Invalid model name 'a:b'. Names cannot contain '/' or ':'."),
            ("a\0", "Invalid model name \"a\\0\". Names cannot contain control characters."),
        ] {
            assert_eq!(name(bad).unwrap_err().message, message, "{bad:?}");
        }
        assert!(name("..").unwrap_err().message.ends_with("This name would resolve to '..'"));
        assert_eq!(named("", "new_name").unwrap_err().message, "Missing value for required parameter 'new_name'.");
        assert_eq!(name(&"a".repeat(257)).unwrap_err().message, "'name' exceeds the maximum length of 256 characters");
        assert_eq!(new_alias("LATEST").unwrap_err().message, "'latest' alias name (case insensitive) is reserved.");
        assert_eq!(new_alias("v1").unwrap_err().message, "Version alias name 'v1' is reserved.");
        assert_eq!(number("x").unwrap_err().message, "Parameter 'version' must be an integer, got 'x'.");
    }
}
