//! `slipway openapi`: the document of the API, as it is or as a page to read.

use clap::Args;
use serde_json::Value;

use super::failure::Done;
use super::output::print;
use super::text::markdown;
use crate::http;

/// The head of the page.
const HEAD: &str = "# API reference

<!-- made by `slipway openapi --markdown`; do not edit -->

What every route has in common (names, errors, pages, idempotency, roles) is in [api-design.md](api-design.md). The same document is
served as `/openapi.json`, and as a page at `/docs`.
";

/// Prints the OpenAPI document.
#[derive(Args)]
pub(super) struct Command {
    /// Prints a page to read instead, in Markdown.
    #[arg(long)]
    markdown: bool,
}

impl Command {
    pub(super) fn run(self) -> Done {
        let document = http::openapi()?;
        if self.markdown {
            return print(&page(&serde_json::to_value(document).map_err(|e| e.to_string())?));
        }
        let text = document.to_pretty_json().map_err(|e| e.to_string())?;
        print(&format!("{text}\n"))
    }
}

fn page(document: &Value) -> String {
    let mut tags: Vec<(String, String)> = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let tag = operation["tags"][0].as_str().unwrap_or("others");
            let text = route(path, method, operation);
            match tags.iter_mut().find(|(known, _)| known == tag) {
                Some((_, routes)) => routes.push_str(&text),
                None => tags.push((tag.to_owned(), text)),
            }
        }
    }
    let mut page = HEAD.to_owned();
    for (tag, routes) in &tags {
        let mut letters = tag.chars();
        let title: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        page.push_str(&format!("\n## {title}\n{routes}"));
    }
    page.push_str("\n## Types\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        if !name.starts_with("Page_") {
            page.push_str(&described(name, schema));
        }
    }
    page
}

fn route(path: &str, method: &str, operation: &Value) -> String {
    let mut text = format!("\n### `{} {path}`\n\n{}\n", method.to_uppercase(), words(&operation["summary"]));
    if let Some(more) = operation["description"].as_str() {
        text.push_str(&format!("\n{more}\n"));
    }
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let body = operation["requestBody"]["content"].as_object().into_iter().flatten();
    let answers = operation["responses"].as_object().into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    let mut rows = String::new();
    for parameter in parameters.iter().filter(|parameter| parameter["name"] != "Idempotency-Key") {
        let must = if parameter["required"] == true { "" } else { ", optional" };
        rows.push_str(&format!(
            "| `{}` | {}{must} | {} | {} |\n",
            words(&parameter["name"]),
            words(&parameter["in"]),
            kind(&parameter["schema"]),
            cell(&parameter["description"])
        ));
    }
    for (media_type, content) in body {
        let meaning = cell(&operation["requestBody"]["description"]);
        rows.push_str(&format!("| body | `{media_type}` | {} | {meaning} |\n", shape(media_type, content)));
    }
    for (status, answer) in answers {
        let content = answer["content"].as_object().into_iter().flatten().next();
        let (media_type, shape) = content.map_or_else(Default::default, |(media, content)| (format!("`{media}`"), shape(media, content)));
        rows.push_str(&format!("| answer {status} | {media_type} | {shape} | {} |\n", cell(&answer["description"])));
    }
    if !rows.is_empty() {
        text.push_str(&format!("\n| | where | type | meaning |\n|---|---|---|---|\n{rows}"));
    }
    text
}

/// What a body is made of. The document has no better word for bytes than a list of integers.
fn shape(media_type: &str, content: &Value) -> String {
    if media_type == "application/octet-stream" { "bytes".to_owned() } else { kind(&content["schema"]) }
}

fn described(name: &str, schema: &Value) -> String {
    let about = if schema["format"] == "date-time" { "RFC 3339, in UTC with milliseconds." } else { words(&schema["description"]) };
    let mut text = format!("\n### {name}\n\n{about}\n");
    let variants = ["oneOf", "allOf", "anyOf"].iter().find_map(|word| schema[word].as_array());
    let shapes: Vec<&Value> = variants.map_or_else(|| vec![schema], |variants| variants.iter().collect());
    for shape in shapes {
        if let Some(words_of) = shape["enum"].as_array() {
            let names: Vec<String> = words_of.iter().map(|word| format!("`{}`", words(word))).collect();
            text.push_str(&format!("\nOne of {}.\n", names.join(", ")));
        }
        if shape["$ref"].is_string() {
            text.push_str(&format!("\nAll fields of {}, and:\n", kind(shape)));
        }
        let Some(fields) = shape["properties"].as_object().filter(|fields| !fields.is_empty()) else { continue };
        if variants.is_some() && shape["description"].is_string() {
            text.push_str(&format!("\n{}\n", words(&shape["description"])));
        }
        text.push_str("\n| field | type | meaning |\n|---|---|---|\n");
        for (field, about) in fields {
            let must = shape["required"].as_array().is_some_and(|names| names.iter().any(|name| name == field));
            let optional = if must { "" } else { ", optional" };
            text.push_str(&format!("| `{field}` | {}{optional} | {} |\n", kind(about), cell(&about["description"])));
        }
    }
    text
}

/// The name of a type; types of ours are links.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|link| link.rsplit('/').next()) {
        return match name.strip_prefix("Page_") {
            Some(item) => format!("page of [{item}](#{})", item.to_lowercase()),
            None => format!("[{name}](#{})", name.to_lowercase()),
        };
    }
    if let Some(variants) = ["oneOf", "anyOf", "allOf"].iter().find_map(|word| schema[word].as_array()) {
        let names: Vec<String> = variants.iter().map(kind).filter(|name| name != "null").collect();
        return names.join(" or ");
    }
    if schema["items"].is_object() {
        return format!("list of {}", kind(&schema["items"]));
    }
    if schema["additionalProperties"].is_object() {
        return format!("map of {}", kind(&schema["additionalProperties"]));
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        other => other.as_str().into_iter().collect(),
    };
    match (names.join(" or "), schema["enum"][0].as_str()) {
        (_, Some(only)) if schema["enum"].as_array().is_some_and(|words| words.len() == 1) => format!("`\"{only}\"`"),
        (names, _) if names.is_empty() => "JSON".to_owned(),
        (names, _) => names,
    }
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default().trim()
}

/// A text within a row of a table.
fn cell(value: &Value) -> String {
    markdown(&words(value).replace('\n', " ").replace('|', "\\|"))
}
