//! JSON as YAML. Strings are written as JSON writes them, which YAML reads the same, unless they are plain words.

use serde_json::Value;

/// Writes a value at an indentation; the first line is not indented.
pub(super) fn write(value: &Value, indent: usize) -> String {
    let space = " ".repeat(indent);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let field = |(name, value): (&String, &Value)| {
                let gap = if is_nested(value) { format!("\n{space}  ") } else { " ".to_owned() };
                format!("{}:{gap}{}", word(name), write(value, indent + 2))
            };
            fields.iter().map(field).collect::<Vec<_>>().join(&format!("\n{space}"))
        }
        Value::Array(items) if !items.is_empty() => {
            let item = |value: &Value| format!("- {}", write(value, indent + 2));
            items.iter().map(item).collect::<Vec<_>>().join(&format!("\n{space}"))
        }
        Value::String(text) => word(text),
        Value::Number(number) => float(&number.to_string()),
        other => other.to_string(),
    }
}

/// YAML 1.1 takes a number with an exponent for a float only when it has a point and a sign.
fn float(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else { return text.to_owned() };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{digits}{point}e{sign}{exponent}")
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// Leaves the quotes out where nothing but a string could be meant.
fn word(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_values_are_indented_and_doubtful_words_quoted() {
        let value =
            json!({ "a": [], "b": [{ "x": 1, "y": "no" }, [2.5, "a b"]], "c": {}, "d": { "e": null, "2": 1e300 }, "f": "it's: #1" });
        let expected =
            "a: []\nb:\n  - x: 1\n    \"y\": \"no\"\n  - - 2.5\n    - \"a b\"\nc: {}\nd:\n  \"2\": 1.0e+300\n  e: null\nf: \"it's: #1\"";
        assert_eq!(write(&value, 0), expected);
    }
}
