//! What commands read: documents in files, and values in flags.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::failure::{Done, Failure};

/// The most that a document may hold. What is larger is data, and has commands of its own.
const LARGEST: u64 = 16 << 20;

/// Reads a JSON or TOML document; `-` is JSON on standard input.
pub(super) fn document(file: &Path) -> Result<Value, Failure> {
    let text = text(file)?;
    let unfit = |e: String| Failure::usage(format!("{}: {e}", file.display()));
    if file.extension().is_some_and(|extension| extension == "toml") {
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| unfit(e.to_string()))?;
        return serde_json::to_value(table).map_err(|e| unfit(e.to_string()));
    }
    serde_json::from_str(&text).map_err(|e| unfit(e.to_string()))
}

/// Reads a text; `-` is standard input.
pub(super) fn text(file: &Path) -> Result<String, Failure> {
    let unreadable = |e: std::io::Error| Failure::usage(format!("can't read {}: {e}", file.display()));
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().take(LARGEST + 1).read_to_string(&mut text),
        false => std::fs::File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text)),
    };
    match read.map_err(unreadable)? as u64 > LARGEST {
        true => Err(Failure::usage(format!("{} holds more than 16 MiB", file.display()))),
        false => Ok(text),
    }
}

/// Reads `path=value`; what is no JSON is text.
pub(super) fn pair(text: &str) -> Result<(&str, Value), Failure> {
    let (path, value) = text.split_once('=').ok_or_else(|| Failure::usage(format!("{text:?} is not of the form PATH=VALUE")))?;
    Ok((path, serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

/// Sets a field by its path, making the objects on the way.
pub(super) fn set(document: &mut Value, path: &str, value: Value) -> Done {
    let mut place = document;
    for name in path.split('.') {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(fields) = place else { return Err(Failure::usage(format!("{path}: what stands before {name:?} is no object"))) };
        place = fields.entry(name).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_makes_what_is_missing_and_leaves_what_is_there() {
        let mut document = json!({ "network": { "epochs": 3 } });
        for text in ["network.early_stopping.patience=3", "preprocessing.impute=median", "network.epochs=5"] {
            let (path, value) = pair(text).unwrap();
            set(&mut document, path, value).unwrap();
        }
        let expected = json!({ "network": { "epochs": 5, "early_stopping": { "patience": 3 } }, "preprocessing": { "impute": "median" } });
        assert_eq!(document, expected);
        assert!(set(&mut document, "network.epochs.x", json!(1)).is_err());
        assert!(pair("no value").is_err());
    }
}
