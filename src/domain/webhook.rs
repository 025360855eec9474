//! Webhooks: who wants to be told of which events, and how a delivery goes on after each try.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Invalid;
use super::event::Event;
use super::time::Timestamp;

/// Kinds of events that MLflow's clients name.
pub const MLFLOW_KINDS: [&str; 15] = [
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
    "prompt.created",
    "prompt_version.created",
    "prompt_tag.set",
    "prompt_tag.deleted",
    "prompt_version_tag.set",
    "prompt_version_tag.deleted",
    "prompt_alias.created",
    "prompt_alias.deleted",
    "budget_policy.exceeded",
];
/// Kinds that only the native API offers.
pub const OWN_KINDS: [&str; 12] = [
    "run.created",
    "run.finished",
    "job.created",
    "job.started",
    "job.succeeded",
    "job.failed",
    "job.canceled",
    "dataset_version.created",
    "dataset_version.quarantined",
    "model_version.state_changed",
    "drift_report.created",
    "drift.detected",
];

/// Longest address in bytes.
const MAX_URL: usize = 2048;
/// Most kinds of one webhook.
const MAX_KINDS: usize = 100;
/// Longest secret in bytes.
const MAX_SECRET: usize = 1000;

/// Whether a webhook is told of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WebhookStatus {
    /// It is.
    Active,
    /// Not now: what happens meanwhile is not delivered later.
    Disabled,
}

impl WebhookStatus {
    /// Returns the name as stored, which is MLflow's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Disabled => "DISABLED",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Disabled].into_iter().find(|status| status.as_str() == text)
    }
}

/// A webhook without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub webhook_id: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it is told.
    pub url: String,
    /// Kinds of events that it is told of.
    pub events: Vec<String>,
    /// Whether it is told of anything.
    pub status: WebhookStatus,
    /// Whether deliveries are signed.
    pub signed: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryState {
    /// Not tried yet.
    Pending,
    /// Tried, and to be tried again.
    Retrying,
    /// The receiver has it.
    Delivered,
    /// Given up.
    Dead,
}

impl DeliveryState {
    /// Returns the name as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Retrying => "RETRYING",
            Self::Delivered => "DELIVERED",
            Self::Dead => "DEAD",
        }
    }

    /// Reads a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Retrying, Self::Delivered, Self::Dead].into_iter().find(|state| state.as_str() == text)
    }

    /// Tells whether nothing is tried any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Delivered | Self::Dead)
    }
}

/// One event on its way to one webhook.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Delivery {
    /// Its id, the same with every try.
    pub delivery_id: String,
    /// What happened.
    pub event: String,
    /// Where in the stream of events.
    pub seq: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried since it was made or replayed.
    pub attempts: i64,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// Status of the last answer.
    pub response_status: Option<i64>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was delivered or given up.
    pub finished_at: Option<Timestamp>,
}

/// Waits between tries.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before the second try; doubles each time.
    pub first_ms: i64,
    /// The longest.
    pub longest_ms: i64,
    /// Tries before a delivery is given up.
    pub tries: i64,
}

/// Says how a delivery goes on after its try number `attempts`: the state, and how long until the next try.
pub fn after_try(delivered: bool, attempts: i64, patience: Patience) -> (DeliveryState, Option<i64>) {
    if delivered {
        return (DeliveryState::Delivered, None);
    }
    if attempts >= patience.tries {
        return (DeliveryState::Dead, None);
    }
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 40)).unwrap_or(0);
    let wait = patience.first_ms.saturating_mul(1_i64 << doublings).min(patience.longest_ms);
    (DeliveryState::Retrying, Some(wait))
}

/// Writes what a receiver is told: MLflow's form, with MLflow's data where it knows the kind.
pub fn message(event: &Event) -> String {
    let (entity, action) = event.kind.split_once('.').unwrap_or((&event.kind, ""));
    body(entity, action, &event.at.to_rfc3339(), data(event))
}

/// Writes a message that shows what an event of a kind looks like.
pub fn example(kind: &str, at: Timestamp) -> String {
    let payload = json!({
        "version": 1, "to_version": 1, "alias": "example_alias", "key": "example_key", "value": "example_value", "source": "models:/123",
        "run_id": "abcd1234abcd5678", "tags": { "example_key": "example_value", TEMPLATE_TAG: "Hello {{name}}!" },
        "description": "An example",
    });
    let event =
        Event { seq: 0, kind: kind.to_owned(), entity: String::new(), entity_id: "example".to_owned(), actor: String::new(), payload, at };
    message(&event)
}

fn body(entity: &str, action: &str, timestamp: &str, data: Value) -> String {
    json!({ "entity": entity, "action": action, "timestamp": timestamp, "data": data }).to_string()
}

/// The tag in which MLflow's clients keep the text of a prompt.
const TEMPLATE_TAG: &str = "mlflow.prompt.text";

fn data(event: &Event) -> Value {
    let facts = &event.payload;
    let version = || {
        let number = facts.get("version").or_else(|| facts.get("to_version"));
        number.map_or(Value::Null, |number| number.as_str().map_or_else(|| json!(number.to_string()), |text| json!(text)))
    };
    let names: &[&str] = match event.kind.as_str() {
        "registered_model.created" | "prompt.created" => &["tags", "description"],
        "model_version.created" => &["version", "source", "run_id", "tags", "description"],
        "prompt_version.created" => &["version", "template", "tags", "description"],
        "model_version_tag.set" | "prompt_version_tag.set" => &["version", "key", "value"],
        "model_version_tag.deleted" | "prompt_version_tag.deleted" => &["version", "key"],
        "prompt_tag.set" => &["key", "value"],
        "prompt_tag.deleted" => &["key"],
        "model_version_alias.created" | "prompt_alias.created" => &["alias", "version"],
        "model_version_alias.deleted" | "prompt_alias.deleted" => &["alias"],
        _ => {
            let mut data = facts.as_object().cloned().unwrap_or_default();
            data.insert("id".to_owned(), json!(event.entity_id));
            return Value::Object(data);
        }
    };
    let mut data = Map::new();
    data.insert("name".to_owned(), json!(event.entity_id));
    for name in names {
        let value = match *name {
            "version" => version(),
            "template" => facts["tags"][TEMPLATE_TAG].clone(),
            "tags" => facts.get("tags").cloned().unwrap_or_else(|| json!({})),
            other => facts.get(other).cloned().unwrap_or(Value::Null),
        };
        data.insert((*name).to_owned(), value);
    }
    Value::Object(data)
}

/// Checks what people call a webhook.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    let plain = |c: char| c.is_ascii_alphanumeric();
    let fits = name.len() <= 63
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'));
    if fits {
        return Ok(());
    }
    let shown: String = name.chars().take(70).collect();
    Err(Invalid::new(
        "invalid_name",
        format!(
            "Webhook name '{shown}' is invalid. It must start and end with a letter or digit, be at most 63 characters long, and contain \
             only letters, digits, dots (.), underscores (_), and hyphens (-)."
        ),
    ))
}

/// Checks which events a webhook is told of.
pub fn check_kinds(kinds: &[String]) -> Result<(), Invalid> {
    if kinds.is_empty() || kinds.len() > MAX_KINDS {
        return Err(Invalid::new("invalid_events", format!("Webhook events must be a non-empty list of at most {MAX_KINDS} events")));
    }
    match kinds.iter().find(|kind| !MLFLOW_KINDS.contains(&kind.as_str()) && !OWN_KINDS.contains(&kind.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let shown: String = unknown.chars().take(60).collect();
            Err(Invalid::new("invalid_events", format!("there is no event {shown:?} that a webhook could be told of")))
        }
    }
}

/// Checks where a webhook is told, as far as its text says: `https`, a host, no credentials; `http` too if `any`.
pub fn check_url(url: &str, any: bool) -> Result<(), Invalid> {
    let bad = |why: String| Err(Invalid::new("invalid_url", why));
    if url.trim().is_empty() {
        return bad("Webhook URL cannot be empty or just whitespace".to_owned());
    }
    if url.len() > MAX_URL || url.contains(char::is_control) {
        return bad(format!("Webhook URL must have at most {MAX_URL} bytes, without control characters"));
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "https" && !(any && scheme == "http") {
        let allowed = if any { "https, http" } else { "https" };
        return bad(format!("Invalid webhook URL scheme: '{scheme}'. Allowed schemes are: {allowed}."));
    }
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return bad("Webhook URL must not contain credentials".to_owned());
    }
    if authority.is_empty() || authority.starts_with(':') {
        return bad("Webhook URL must include a hostname".to_owned());
    }
    Ok(())
}

/// Checks a secret.
pub fn check_secret(secret: &str) -> Result<(), Invalid> {
    if secret.len() > MAX_SECRET || secret.contains('\0') {
        return Err(Invalid::new("invalid_secret", format!("a secret has at most {MAX_SECRET} bytes, without NUL")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, payload: Value) -> Event {
        let (entity, entity_id, actor) = ("model".to_owned(), "tides".to_owned(), "local".to_owned());
        Event { seq: 3, kind: kind.to_owned(), entity, entity_id, actor, payload, at: Timestamp(0) }
    }

    #[test]
    fn messages_have_mlflows_form() {
        let told = |kind: &str, payload: Value| serde_json::from_str::<Value>(&message(&event(kind, payload))).unwrap();
        let alias = told("model_version_alias.created", json!({ "alias": "champion", "to_version": 7, "revision": 2 }));
        assert_eq!(
            alias,
            json!({ "entity": "model_version_alias", "action": "created", "timestamp": "1970-01-01T00:00:00.000Z",
                "data": { "name": "tides", "alias": "champion", "version": "7" } })
        );
        let made = told("registered_model.created", json!({}));
        assert_eq!(made["data"], json!({ "name": "tides", "tags": {}, "description": null }));
        assert_eq!(told("job.failed", json!({ "reason": "x" }))["data"], json!({ "id": "tides", "reason": "x" }));
        for kind in MLFLOW_KINDS.iter().chain(&OWN_KINDS) {
            assert!(serde_json::from_str::<Value>(&example(kind, Timestamp(0))).unwrap()["data"].is_object(), "{kind}");
        }
    }

    #[test]
    fn tries_end_and_waits_double() {
        let patience = Patience { first_ms: 1000, longest_ms: 5000, tries: 5 };
        let next = |attempts| after_try(false, attempts, patience);
        assert_eq!(next(1), (DeliveryState::Retrying, Some(1000)));
        assert_eq!(next(3), (DeliveryState::Retrying, Some(4000)));
        assert_eq!(next(4), (DeliveryState::Retrying, Some(5000)));
        assert_eq!(next(5), (DeliveryState::Dead, None));
        assert_eq!(after_try(true, 9, patience), (DeliveryState::Delivered, None));
        assert_eq!(after_try(false, i64::MAX - 1, Patience { tries: i64::MAX, ..patience }).1, Some(5000));
    }

    #[test]
    fn addresses_and_names_are_checked() {
        for good in ["https://example.com", "https://example.com:8443/a?b=c", "HTTPS://example.com/"] {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            " ",
            "http://example.com",
            "ftp://x",
            "https://",
            "https://:1/",
            "https://a:b@c/",
            "file:///etc/passwd",
            "example.com",
            "https:///x",
        ] {
            assert!(check_url(bad, false).is_err(), "{bad}");
        }
        assert!(check_url("http://127.0.0.1:1/", true).is_ok());
        assert!(
            check_name("a.b-c_1").is_ok() && check_name("-a").is_err() && check_name(&"a".repeat(64)).is_err() && check_name("").is_err()
        );
        assert!(
            check_kinds(&["run.finished".to_owned()]).is_ok()
                && check_kinds(&["run.what".to_owned()]).is_err()
                && check_kinds(&[]).is_err()
        );
    }
}
