//! Requests as MLflow's server reads them: fields from the query of a GET and the JSON body of anything else; unknown fields
//! are ignored, numbers may come as text, and a missing field is told by its name.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::Method;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use crate::domain::tracking::{Pair, View};

const SEE: &str = "See the API docs for more information about request parameters.";

/// The fields of a request.
#[derive(Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(Self::of_query(request.uri().query().unwrap_or("")));
        }
        let body = Bytes::from_request(request, state).await.map_err(|e| Refusal::invalid(e.body_text()))?;
        Self::of_body(&body)
    }
}

impl Fields {
    /// Reads a query; a name that comes twice is a list.
    pub(super) fn of_query(query: &str) -> Self {
        let mut fields = Map::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = Value::String(value.into_owned());
            match fields.get_mut(name.as_ref()) {
                None => drop(fields.insert(name.into_owned(), value)),
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        Self(fields)
    }

    fn of_body(body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let bad = |e: &dyn std::fmt::Display| Refusal::invalid(format!("the body is not JSON: {e}"));
        let value: Value = serde_json::from_slice(body).map_err(|e| bad(&e))?;
        // old clients send the JSON as a JSON string
        let value = match value {
            Value::String(text) => serde_json::from_str(&text).map_err(|e| bad(&e))?,
            other => other,
        };
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Ok(Self::default()),
            _ => Err(Refusal::invalid("the body must be a JSON object")),
        }
    }

    /// Whatever stands there; none when absent.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text; none when absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(mistyped(name, other)),
        }
    }

    /// A text that may not be missing or empty.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
    }

    /// The id of a run, under its name or its old one.
    pub(super) fn run_id(&self) -> Result<&str, Refusal> {
        match self.text("run_id")?.filter(|id| !id.is_empty()) {
            Some(id) => Ok(id),
            None => self.text("run_uuid")?.filter(|id| !id.is_empty()).ok_or_else(|| missing("run_id")),
        }
    }

    /// A whole number; none when absent.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.value(name).map(|value| integer(value).ok_or_else(|| mistyped(name, value))).transpose()
    }

    /// A double; none when absent.
    pub(super) fn double(&self, name: &str) -> Result<Option<f64>, Refusal> {
        self.value(name).map(|value| double(value).ok_or_else(|| mistyped(name, value))).transpose()
    }

    /// Yes or no; no when absent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(mistyped(name, other)),
        }
    }

    /// Texts; none when absent. A single one counts as a list, for that is what a query can't tell.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text.clone()]),
            Some(list @ Value::Array(values)) => {
                values.iter().map(|v| v.as_str().map(str::to_owned).ok_or_else(|| mistyped(name, list))).collect()
            }
            Some(other) => Err(mistyped(name, other)),
        }
    }

    /// Messages; none when absent.
    pub(super) fn messages(&self, name: &str) -> Result<Vec<Message<'_>>, Refusal> {
        self.value(name).map_or(Ok(Vec::new()), |value| messages(name, value))
    }

    /// Keys with values, such as tags.
    pub(super) fn pairs(&self, name: &str) -> Result<Vec<Pair>, Refusal> {
        self.messages(name)?.iter().map(Message::pair).collect()
    }

    /// Which stages a search looks at, by name or number.
    pub(super) fn view(&self, name: &str) -> Result<View, Refusal> {
        let Some(value) = self.value(name) else { return Ok(View::Active) };
        match (value.as_str(), integer(value)) {
            (Some("ACTIVE_ONLY"), _) | (_, Some(1)) => Ok(View::Active),
            (Some("DELETED_ONLY"), _) | (_, Some(2)) => Ok(View::Deleted),
            (Some("ALL"), _) | (_, Some(3)) => Ok(View::All),
            _ => Err(mistyped(name, value)),
        }
    }
}

/// A message within a request.
#[derive(Debug)]
pub(super) struct Message<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

impl Message<'_> {
    /// Says where a field stands in the request.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(mistyped(&format!("{}.{name}", self.path), other)),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<String, Refusal> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(&format!("{}.{name}", self.path)))
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let path = || format!("{}.{name}", self.path);
        self.value(name).map(|value| integer(value).ok_or_else(|| mistyped(&path(), value))).transpose()
    }

    /// A truth value; none when absent.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(mistyped(&self.path(name), other)),
        }
    }

    pub(super) fn pair(&self) -> Result<Pair, Refusal> {
        Ok(Pair { key: self.required("key")?, value: self.text("value")?.unwrap_or_default() })
    }

    /// The messages of a field, as they come.
    pub(super) fn messages(&self, name: &str) -> Result<Vec<Message<'_>>, Refusal> {
        self.value(name).map_or(Ok(Vec::new()), |value| messages(&self.path(name), value))
    }

    /// The message in a field.
    pub(super) fn message(&self, name: &str) -> Result<Message<'_>, Refusal> {
        let path = format!("{}.{name}", self.path);
        match self.value(name) {
            Some(Value::Object(fields)) => Ok(Message { path, fields }),
            Some(other) => Err(mistyped(&path, other)),
            None => Err(missing(&path)),
        }
    }
}

fn messages<'a>(path: &str, value: &'a Value) -> Result<Vec<Message<'a>>, Refusal> {
    let Value::Array(values) = value else { return Err(mistyped(path, value)) };
    let mut found = Vec::with_capacity(values.len());
    for (i, item) in values.iter().enumerate() {
        let Value::Object(fields) = item else { return Err(mistyped(path, value)) };
        found.push(Message { path: format!("{path}[{i}]"), fields });
    }
    Ok(found)
}

/// Reads a whole number, as number or text.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn whole(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "within the whole numbers that a double holds exactly")]
    (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64)
}

/// Reads a double, as number or text: `"NaN"` and `"Infinity"` are how protobuf writes what JSON can't.
pub(super) fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Says that a field is not there.
pub(super) fn missing(name: &str) -> Refusal {
    Refusal::invalid(format!("Missing value for required parameter '{name}'. {SEE}"))
}

/// Says that a field has another type than it must.
pub(super) fn mistyped(name: &str, value: &Value) -> Refusal {
    let kind = match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    let mut shown = value.to_string();
    if let Some((end, _)) = shown.char_indices().nth(200) {
        shown.truncate(end);
    }
    Refusal::invalid(format!("Invalid value {shown} for parameter '{name}' supplied:  Hint: Value was of type '{kind}'. {SEE}"))
}
