//! The registry behind the door for MLflow's clients, and what the native API sees of it.

mod life;
mod races;
mod search;
mod served;
mod stages;

use axum::body::Body;
use serde_json::{Value, json};
use slipway::domain::identity::{Caller, Role};

use super::Door;
use crate::support::db::Engine;

/// A door with the key of an operator, who may move aliases.
async fn door(engine: Engine) -> Door {
    let mut door = Door::new(engine).await;
    let (_, key) = door.world.app.keys().create(&Caller::local(), "operator", Role::Operator, None).await.unwrap();
    door.key = key;
    door
}

impl Door {
    /// Sends a change that is no POST and has to succeed.
    async fn change(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Asks the native API.
    async fn native(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if method == "GET" { Body::empty() } else { Body::from(body.to_string()) };
        let (status, bytes) = self.send(self.request(method, &format!("/api/v1{path}"), body)).await;
        (status.as_u16(), serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn registered(&self, name: &str) {
        self.post("registered-models/create", json!({ "name": name })).await;
    }

    /// Registers a version that is kept elsewhere and returns its number.
    async fn version(&self, model: &str) -> String {
        let made = self.post("model-versions/create", json!({ "name": model, "source": "s3://bucket/model" })).await;
        made["model_version"]["version"].as_str().unwrap().to_owned()
    }

    async fn stage_of(&self, model: &str, version: &str) -> String {
        let found = self.get(&format!("model-versions/get?name={model}&version={version}")).await;
        found["model_version"]["current_stage"].as_str().unwrap().to_owned()
    }

    /// Lists the kinds of all events so far.
    async fn kinds(&self) -> Vec<String> {
        let (_, told) = self.native("GET", "/events?after=0&limit=1000", Value::Null).await;
        told["items"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }
}
