//! Requests to a server: keys, refusals, pages, and what is sent again when it may be.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use super::failure::{Done, FAILED, Failure, UNAVAILABLE};
use crate::clock::{Ids as _, SystemIds};

/// How often a request is sent again that the server did not take now.
const REPEATS: u32 = 3;
/// The longest wait before a request is sent again, whatever the server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that a page is asked to hold.
const PAGE: u64 = 500;

/// A client of one server.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<String>,
    timeout: Duration,
}

impl Client {
    pub(super) fn new(base: Url, key: Option<String>, timeout: Duration) -> Result<Self, Failure> {
        // a redirect would turn a POST into a GET, and could carry the key elsewhere
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let http = http.user_agent(concat!("slipway/", env!("CARGO_PKG_VERSION"))).build().map_err(|e| e.to_string())?;
        Ok(Self { http, base, key, timeout })
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// How long an answer may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The address of a resource of the native API. Parts are names as people write them.
    pub(super) fn v1(&self, parts: &[&str]) -> Result<Url, Failure> {
        self.at(&[&["api", "v1"][..], parts].concat())
    }

    /// The address of anything.
    pub(super) fn at(&self, parts: &[&str]) -> Result<Url, Failure> {
        // these would be taken for steps in a path, and lead elsewhere
        if let Some(bad) = parts.iter().find(|part| ["", ".", ".."].contains(part)) {
            return Err(Failure::usage(format!("{bad:?} is no name")));
        }
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::usage(format!("{} is no address of a server", self.base)))?
            .pop_if_empty()
            .extend(parts);
        Ok(url)
    }

    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    pub(super) async fn get(&self, url: Url) -> Result<Value, Failure> {
        self.json(Method::GET, url, None).await
    }

    pub(super) async fn post(&self, url: Url, body: &Value) -> Result<Value, Failure> {
        self.json(Method::POST, url, Some(body)).await
    }

    pub(super) async fn put(&self, url: Url, body: &Value) -> Result<Value, Failure> {
        self.json(Method::PUT, url, Some(body)).await
    }

    pub(super) async fn patch(&self, url: Url, body: &Value) -> Result<Value, Failure> {
        self.json(Method::PATCH, url, Some(body)).await
    }

    pub(super) async fn delete(&self, url: Url) -> Done {
        self.json(Method::DELETE, url, None).await.map(drop)
    }

    /// Sends and reads an answer whole; one without a body is null.
    async fn json(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Value, Failure> {
        // one key for all times that it is sent: the server carries it out once
        let once = (method == Method::POST).then(|| SystemIds.next());
        let ask = || {
            let mut request = self.request(method.clone(), url.clone()).timeout(self.timeout);
            if let Some(key) = &once {
                request = request.header("idempotency-key", key);
            }
            if let Some(body) = body { request.json(body) } else { request }
        };
        let text = self.send(ask).await?.text().await.map_err(|e| self.unreachable(&e))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|e| Failure::new(FAILED, format!("{} does not answer as slipway does: {e}", self.base)))
    }

    /// Sends until the server takes it, a few times at most; a refusal is a failure.
    pub(super) async fn send(&self, ask: impl Fn() -> RequestBuilder) -> Result<Response, Failure> {
        let mut sent = 0;
        loop {
            let answer = ask().send().await;
            let again = match &answer {
                Ok(answer) => matches!(answer.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE),
                // the connection broke: every request may be sent twice, POSTs by their Idempotency-Key
                Err(e) => !e.is_connect() && !e.is_timeout() && e.is_request(),
            };
            if !again || sent == REPEATS {
                return self.good(answer.map_err(|e| self.unreachable(&e))?).await;
            }
            let asked = answer.ok().and_then(|answer| retry_after(answer.headers()));
            let wait = asked.unwrap_or(Duration::from_millis(200) * 2_u32.pow(sent));
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
            sent += 1;
        }
    }

    /// Turns a refusal into a failure.
    pub(super) async fn good(&self, answer: Response) -> Result<Response, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        if status.is_redirection() {
            let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("another address").to_owned();
            return Err(Failure::new(FAILED, format!("{} sends on to {to}: use that as the URL", self.base)));
        }
        let request_id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let body = answer.text().await.unwrap_or_default();
        Err(Failure::of_answer(status, request_id.as_deref(), &body))
    }

    /// What to say when there is no answer.
    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            let message = format!("{} did not answer within {} s", self.base, self.timeout.as_secs());
            return Failure::new(UNAVAILABLE, message).next("--timeout SECONDS waits longer");
        }
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let failure = Failure::new(UNAVAILABLE, format!("{} does not answer: {cause}", self.base));
        failure.next("`slipway server` starts a server; --url or SLIPWAY_URL says where one is")
    }

    /// Reads a list page by page, `limit` items at most; tells whether there is more.
    pub(super) async fn pages(&self, url: &Url, limit: Option<u64>, mut each: impl FnMut(Vec<Value>) -> Done) -> Result<bool, Failure> {
        let mut left = limit.unwrap_or(u64::MAX);
        let mut token: Option<String> = None;
        loop {
            let mut url = url.clone();
            url.query_pairs_mut()
                .append_pair("page_size", &left.min(PAGE).to_string())
                .extend_pairs(token.iter().map(|t| ("page_token", t)));
            let mut page = self.get(url).await?;
            let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else { return Ok(false) };
            left = left.saturating_sub(items.len() as u64);
            each(items)?;
            match page["next_page_token"].as_str() {
                Some(next) if left > 0 => token = Some(next.to_owned()),
                next => return Ok(next.is_some()),
            }
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
