//! The API in this process: a router, a caller of each role, and a record of what was asked and answered.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json};
use slipway::domain::identity::{Caller, Role};
use slipway::http::{self, PolicyRow};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::support::db::{Engine, World};

/// A request under construction.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    shown: Value,
}

pub fn ask(method: &str, path: &str) -> Ask {
    Ask { method: method.parse().unwrap(), path: path.to_owned(), headers: HeaderMap::new(), body: Vec::new(), shown: Value::Null }
}

pub fn get(path: &str) -> Ask {
    ask("GET", path)
}

pub fn post(path: &str) -> Ask {
    ask("POST", path)
}

impl Ask {
    pub fn json(mut self, body: Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.shown = body;
        self.header("content-type", "application/json")
    }

    pub fn bytes(mut self, media_type: &str, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.shown = std::str::from_utf8(body).map_or_else(|_| json!(format!("{} bytes", body.len())), |text| json!(text));
        self.header("content-type", media_type)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    /// Replaces the key of the caller.
    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem document.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", String::from_utf8_lossy(&self.body));
        let problem = self.json();
        assert_eq!(problem["status"], json!(self.status.as_u16()));
        assert_eq!(problem["type"], json!(format!("urn:slipway:problem:{}", problem["code"].as_str().unwrap())));
        problem["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.code(), code);
        answer
    }
}

/// One key per role.
pub struct Keys {
    pub viewer: String,
    pub developer: String,
    pub operator: String,
    pub admin: String,
}

/// The API of a world of its own. Asks as an admin unless a request brings its own key.
pub struct Api {
    pub world: World,
    pub router: Router,
    pub policy: Vec<PolicyRow>,
    pub openapi: Value,
    pub keys: Keys,
    pub stop: watch::Sender<bool>,
    story: Mutex<Vec<Value>>,
    touched: Mutex<BTreeSet<String>>,
}

impl Api {
    pub async fn new(engine: Engine) -> Self {
        let world = World::new(engine).await;
        let doors = http::build(&world.app, None).unwrap();
        let mut made = Vec::new();
        for role in [Role::Viewer, Role::Developer, Role::Operator, Role::Admin] {
            made.push(world.app.keys().create(&Caller::local(), role.as_str(), role, None).await.unwrap().1);
        }
        let [viewer, developer, operator, admin] = made.try_into().unwrap();
        let (stop, stopped) = watch::channel(false);
        let app = world.app.clone();
        tokio::spawn(async move { app.monitoring().record(stopped).await });
        Self {
            world,
            router: doors.router,
            policy: doors.policy,
            openapi: serde_json::to_value(&doors.openapi).unwrap(),
            keys: Keys { viewer, developer, operator, admin },
            stop,
            story: Mutex::default(),
            touched: Mutex::default(),
        }
    }

    /// Sends a request as it is, without a key of ours.
    pub async fn raw(&self, ask: &Ask, peer: Ipv4Addr) -> Result<axum::response::Response, String> {
        let mut request =
            Request::builder().method(ask.method.clone()).uri(&ask.path).body(Body::from(ask.body.clone())).map_err(|e| e.to_string())?;
        *request.headers_mut() = ask.headers.clone();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 50_000))));
        Ok(self.router.clone().oneshot(request).await.unwrap())
    }

    /// Sends a request and reads the answer to its end.
    pub async fn send(&self, ask: Ask) -> Answer {
        let ask = if ask.headers.contains_key("authorization") { ask } else { ask.key(&self.keys.admin) };
        let response = self.raw(&ask, Ipv4Addr::new(192, 0, 2, 1)).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        if parts.status.is_success() {
            self.touch(&ask);
        }
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Notes which policy row a request belongs to.
    pub fn touch(&self, ask: &Ask) {
        let path = ask.path.split('?').next().unwrap();
        let method = if ask.method == Method::HEAD { "GET" } else { ask.method.as_str() };
        let row = self.policy.iter().filter(|row| row.method == method).find(|row| covers(&row.path, path));
        let row = row.unwrap_or_else(|| panic!("{} {path} belongs to no policy row", ask.method));
        self.touched.lock().unwrap().insert(format!("{} {}", row.method, row.path));
    }

    /// Sends a request and writes it into the story with its answer.
    pub async fn tell(&self, ask: Ask) -> Answer {
        let mut entry = json!({ "ask": format!("{} {}", ask.method, ask.path) });
        if !ask.shown.is_null() {
            entry["body"] = ask.shown.clone();
        }
        let answer = self.send(ask).await;
        entry["status"] = json!(answer.status.as_u16());
        if !answer.body.is_empty() {
            entry["answer"] = serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&answer.body)));
            redact(&mut entry["answer"]);
        }
        self.story.lock().unwrap().push(entry);
        answer
    }

    /// Ends the world; returns what was told and which routes answered.
    pub async fn end(self) -> (Value, BTreeSet<String>) {
        self.stop.send_replace(true);
        let (story, touched) = (self.story.into_inner().unwrap(), self.touched.into_inner().unwrap());
        drop(self.router);
        self.world.end().await;
        (Value::Array(story), touched)
    }
}

/// Tells whether a path has the form of a policy row.
fn covers(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(rest), Some(_)) if rest.starts_with("{*") => return true,
            (Some(part), Some(word)) if part == word || (part.starts_with('{') && !word.is_empty()) => {}
            _ => return false,
        }
    }
}

/// Takes out what depends on the processor's rounding: figures of a fit, and digests of what they are part of.
fn redact(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "manifest_digest" | "model_digest" => *field = json!("[digest of weights]"),
                    "metrics" | "report" | "evaluation" if field.is_object() => {
                        *field = json!(field.as_object().unwrap().keys().collect::<Vec<_>>());
                    }
                    "size_bytes" if fields_are_of_weights(field) => *field = json!("[size of weights]"),
                    _ => redact(field),
                }
            }
        }
        _ => {}
    }
}

fn fields_are_of_weights(size: &Value) -> bool {
    size.as_i64().is_some_and(|size| size > 500)
}
