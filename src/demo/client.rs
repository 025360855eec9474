//! Requests to the demo's server, and the `curl` lines that would do the same.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// A client of one server.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    key: Option<String>,
}

impl Client {
    pub(super) fn new(url: String, key: Option<String>) -> Result<Self, String> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().map_err(|e| e.to_string())?;
        Ok(Self { http, url, key })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn wait_ready(&self, patience: Duration) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            match self.http.get(format!("{}/readyz", self.url)).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(_) | Err(_) if begun.elapsed() < patience => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok(answer) => return Err(format!("the server is not ready: {}", answer.status())),
                Err(e) => return Err(format!("the server does not answer: {e}")),
            }
        }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        answer(self.request(Method::GET, path)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// Posts, after showing how to do the same by hand.
    pub(super) async fn post_shown(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.show(path, &format!(" -H 'content-type: application/json' -d '{body}'"));
        self.post(path, body).await
    }

    /// Posts a body that `file` holds, after showing how to do the same by hand.
    pub(super) async fn post_file_shown(&self, path: &str, file: &Path, body: &Value) -> Result<Value, String> {
        self.show(path, &format!(" -H 'content-type: application/json' -d @{}", quoted(file)));
        self.post(path, body).await
    }

    /// Shows the `curl` line of a request.
    pub(super) fn show(&self, path: &str, rest: &str) {
        let key = if self.key.is_some() { " -H \"authorization: Bearer $SLIPWAY_KEY\"" } else { "" };
        println!("  curl -s '{}{path}'{key}{rest}", self.url);
    }
}

/// Writes a path so that a shell takes it as one word.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Sends a request and reads the JSON of a good answer.
pub(super) async fn answer(request: RequestBuilder) -> Result<Value, String> {
    let response = request.send().await.map_err(|e| e.to_string())?;
    let status = response.status();
    let text = response.text().await.map_err(|e| e.to_string())?;
    if !status.is_success() {
        return Err(format!("{status}: {text}"));
    }
    serde_json::from_str(&text).map_err(|e| format!("{e} in {text:?}"))
}
