//! The door for MLflow's clients, asked as they ask it: over HTTP, in this process, on both databases.

mod artifacts;
mod client;
mod experiments;
mod logged;
mod policy;
mod registry;
mod runs;
mod search;
mod traces;
mod webhooks;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::Value;
use slipway::domain::identity::{Caller, Role};
use tower::ServiceExt as _;

use crate::support::db::{Engine, World};

/// A world with a door, and a key to it.
pub struct Door {
    pub world: World,
    pub router: axum::Router,
    pub key: String,
}

impl Door {
    pub async fn new(engine: Engine) -> Self {
        let world = World::new(engine).await;
        let router = slipway::http::build(&world.app, None).unwrap().router;
        let (_, key) = world.app.keys().create(&Caller::local(), "client", Role::Developer, None).await.unwrap();
        Self { world, router, key }
    }

    pub async fn send(&self, request: Request<Body>) -> (StatusCode, Vec<u8>) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (status, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
    }

    pub fn request(&self, method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
        let builder = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        builder.header(header::CONTENT_TYPE, "application/json").body(body.into()).unwrap()
    }

    /// Posts and returns status and answer.
    pub async fn try_post(&self, path: &str, body: Value) -> (u16, Value) {
        let (status, bytes) = self.send(self.request("POST", &format!("/api/2.0/mlflow/{path}"), body.to_string())).await;
        (status.as_u16(), serde_json::from_slice(&bytes).unwrap())
    }

    /// Gets and returns status and answer.
    pub async fn try_get(&self, path: &str) -> (u16, Value) {
        let (status, bytes) = self.send(self.request("GET", &format!("/api/2.0/mlflow/{path}"), Body::empty())).await;
        (status.as_u16(), serde_json::from_slice(&bytes).unwrap())
    }

    /// Posts what has to succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_post(path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Gets what has to succeed.
    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.try_get(path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Posts what has to be refused; returns code and message.
    pub async fn refused(&self, status: u16, path: &str, body: Value) -> (String, String) {
        let (got, answer) = self.try_post(path, body).await;
        assert_eq!(got, status, "{path}: {answer}");
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("error_code"), text("message"))
    }

    pub async fn run(&self, body: Value) -> String {
        self.post("runs/create", body).await["run"]["info"]["run_id"].as_str().unwrap().to_owned()
    }
}
