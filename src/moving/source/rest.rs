//! A server that speaks MLflow's REST API as a source: MLflow 2 and 3, and slipway itself.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::Place;
use super::wire::{Experiments, Listing, Metrics, Refusal, Runs};
use crate::domain::moving::{MovedExperiment, MovedRun};
use crate::domain::run::MetricPoint;
use crate::moving::{Result, Trouble};

const EXPERIMENTS: i64 = 500;
const RUNS: i64 = 200;
const POINTS: i64 = 10_000;
/// How often a request is sent before the server counts as gone, and how long the first pause is; each is twice the last.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(250);
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(120);

/// A server. Cheap to clone.
#[derive(Clone)]
pub(in crate::moving) struct Rest {
    http: reqwest::Client,
    base: String,
    login: Login,
}

#[derive(Clone)]
enum Login {
    Nobody,
    Token(String),
    Password(String, String),
}

impl Login {
    /// Takes the credentials from where MLflow's client takes them.
    fn of_environment() -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (var("MLFLOW_TRACKING_USERNAME"), var("MLFLOW_TRACKING_PASSWORD"), var("MLFLOW_TRACKING_TOKEN")) {
            (Some(user), Some(password), _) => Self::Password(user, password),
            (_, _, Some(token)) => Self::Token(token),
            _ => Self::Nobody,
        }
    }
}

impl Rest {
    /// Opens a server, which must answer.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let refused = |e: &dyn std::fmt::Display| Trouble::Everything(format!("can't read the source: {e}"));
        let mut parsed = Url::parse(url).map_err(|e| refused(&e))?;
        let mut login = Login::of_environment();
        if let Some(password) = parsed.password() {
            login = Login::Password(parsed.username().to_owned(), password.to_owned());
        }
        let _cleared = (parsed.set_username(""), parsed.set_password(None));
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).read_timeout(SILENCE).build();
        let base = parsed.as_str().trim_end_matches('/').to_owned();
        let rest = Self { http: http.map_err(|e| refused(&e))?, base, login };
        rest.experiments_page("", 1).await.map_err(|e| refused(&e))?;
        Ok(rest)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.login {
            Login::Nobody => request,
            Login::Token(token) => request.bearer_auth(token),
            Login::Password(user, password) => request.basic_auth(user, Some(password)),
        }
    }

    /// Sends a request until there is an answer, and refuses those that are not good.
    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Response> {
        let mut pause = PAUSE;
        for tried in 1..=TRIES {
            let problem = match request().send().await {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) if !is_passing(answer.status()) => return Err(refusal(answer).await),
                Ok(answer) => format!("{} answers {}", self.base, answer.status()),
                Err(e) => format!("{} does not answer: {}", self.base, root_cause(&e)),
            };
            if tried == TRIES {
                return Err(Trouble::Everything(problem));
            }
            tracing::debug!(%problem, tried, "asking again");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Trouble::Everything(format!("{} does not answer", self.base)))
    }

    async fn ask<T: DeserializeOwned>(&self, request: impl Fn() -> RequestBuilder) -> Result<T> {
        // an answer that breaks off is asked for again
        for _ in 0..2 {
            match self.send(&request).await?.bytes().await {
                Ok(bytes) => {
                    let odd = |e: serde_json::Error| Trouble::Everything(format!("{} does not answer as MLflow does: {e}", self.base));
                    return serde_json::from_slice(&bytes).map_err(odd);
                }
                Err(e) => tracing::debug!(error = %e, "an answer broke off"),
            }
        }
        Err(Trouble::Everything(format!("answers of {} break off", self.base)))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        self.ask(|| self.request(Method::POST, &format!("/api/2.0/mlflow/{path}")).json(body)).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T> {
        self.ask(|| self.request(Method::GET, &with_query(&format!("/api/2.0/mlflow/{path}"), query))).await
    }

    async fn experiments_page(&self, token: &str, size: i64) -> Result<Experiments> {
        let body = json!({ "max_results": size, "view_type": "ALL", "page_token": token, "order_by": ["experiment_id ASC"] });
        self.post("experiments/search", &body).await
    }

    pub(super) async fn experiments(&self, token: &str) -> Result<(Vec<MovedExperiment>, Option<String>)> {
        let page = self.experiments_page(token, EXPERIMENTS).await?;
        let moved = page.experiments.into_iter().map(|found| found.moved().map_err(Trouble::Everything));
        Ok((moved.collect::<Result<_>>()?, next(page.next_page_token)))
    }

    /// In the order of their start, so that runs which begin meanwhile come on later pages.
    pub(super) async fn runs(&self, experiment: &str, token: &str) -> Result<(Vec<MovedRun>, Option<String>)> {
        let body = json!({
            "experiment_ids": [experiment], "run_view_type": "ALL", "max_results": RUNS, "page_token": token,
            "order_by": ["attributes.start_time ASC"],
        });
        let page: Runs = self.post("runs/search", &body).await?;
        let moved = page.runs.into_iter().map(|found| found.moved().map_err(Trouble::Everything));
        Ok((moved.collect::<Result<_>>()?, next(page.next_page_token)))
    }

    pub(super) async fn points(&self, run_id: &str, key: &str, token: &str) -> Result<(Vec<MetricPoint>, Option<Place>)> {
        let size = POINTS.to_string();
        let mut query = vec![("run_id", run_id), ("metric_key", key), ("max_results", size.as_str())];
        if !token.is_empty() {
            query.push(("page_token", token));
        }
        let page: Metrics = self.get("metrics/get-history", &query).await?;
        Ok((page.metrics.into_iter().map(|found| found.moved()).collect(), next(page.next_page_token).map(Place::Token)))
    }

    /// Lists a folder of a run.
    pub(super) async fn files(&self, run_id: &str, folder: &str, token: &str) -> Result<Listing> {
        let mut query = vec![("run_id", run_id)];
        query.extend([("path", folder), ("page_token", token)].into_iter().filter(|(_, value)| !value.is_empty()));
        self.get("artifacts/list", &query).await
    }

    /// Opens a file of a run; the server fetches it from wherever the run keeps its files.
    pub(super) async fn file(&self, run_id: &str, path: &str) -> Result<Response> {
        self.send(|| self.request(Method::GET, &with_query("/get-artifact", &[("run_id", run_id), ("run_uuid", run_id), ("path", path)])))
            .await
    }
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{path}?{query}")
}

fn next(token: String) -> Option<String> {
    Some(token).filter(|token| !token.is_empty())
}

/// Tells whether the same request may be answered later.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}

async fn refusal(answer: Response) -> Trouble {
    let (status, path) = (answer.status(), answer.url().path().to_owned());
    let text = answer.text().await.unwrap_or_default();
    let told: Refusal = serde_json::from_str(&text).unwrap_or_default();
    let message = match told.error_code.is_empty() {
        true => format!("{path} is refused with {status}"),
        false => format!("{path} is refused with {status}, {}: {}", told.error_code, told.message.chars().take(300).collect::<String>()),
    };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Trouble::Everything(format!("{message}; set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"))
        }
        _ => Trouble::Thing(message),
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
