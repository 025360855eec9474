//! A server that speaks MLflow's REST API as a source: MLflow 2 and 3, and slipway itself.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::Place;
use super::wire::{Experiments, Listing, Metrics, OneRun, Refusal, Runs};
use super::wire_model::{Models, Registered, Versions};
use crate::domain::logged_model::LoggedModel;
use crate::domain::moving::{Home, HomeKind, MovedExperiment, MovedRegistered, MovedRun, MovedVersion};
use crate::domain::run::MetricPoint;
use crate::moving::{Result, Trouble};

const EXPERIMENTS: i64 = 500;
const RUNS: i64 = 200;
/// Logged models come with all of their points.
const MODELS: i64 = 20;
const POINTS: i64 = 10_000;
/// The filter that finds prompts; without it they are passed over.
const PROMPTS: &str = "tags.`mlflow.prompt.is_prompt` = 'true'";
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

    /// Returns the ids of the logged models that a run used, which MLflow leaves out of its searches.
    pub(super) async fn used(&self, run_id: &str) -> Result<Vec<String>> {
        let answer: OneRun = self.get("runs/get", &[("run_id", run_id)]).await?;
        Ok(answer.run.used())
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

    /// Lists logged models. A server that has none of them, which is one of before MLflow 3, answers that nothing is there.
    pub(super) async fn models(&self, experiment: &str, token: &str) -> Result<(Vec<LoggedModel>, Option<String>)> {
        let body = json!({ "experiment_ids": [experiment], "max_results": MODELS, "page_token": token });
        let page: Models = match self.post("logged-models/search", &body).await {
            Err(Trouble::Thing(message)) if message.contains("404") => return Ok((Vec::new(), None)),
            page => page?,
        };
        let moved = page.models.into_iter().map(|found| found.moved().map_err(Trouble::Everything));
        Ok((moved.collect::<Result<_>>()?, next(page.next_page_token)))
    }

    pub(super) async fn registered(&self, prompts: bool, token: &str) -> Result<(Vec<MovedRegistered>, Option<String>)> {
        let mut query = vec![("max_results", "100"), ("order_by", "name ASC"), ("page_token", token)];
        if prompts {
            query.push(("filter", PROMPTS));
        }
        query.retain(|(_, value)| !value.is_empty());
        let page: Registered = self.get("registered-models/search", &query).await?;
        Ok((page.registered_models.into_iter().map(|found| found.moved()).collect(), next(page.next_page_token)))
    }

    pub(super) async fn versions(&self, model: &str, prompt: bool, token: &str) -> Result<(Vec<MovedVersion>, Option<String>)> {
        let quote = if model.contains('\'') { '"' } else { '\'' };
        let more = if prompt { format!(" AND {PROMPTS}") } else { String::new() };
        let filter = format!("name = {quote}{model}{quote}{more}");
        let mut query =
            vec![("filter", filter.as_str()), ("max_results", "200"), ("order_by", "version_number ASC"), ("page_token", token)];
        query.retain(|(_, value)| !value.is_empty());
        let page: Versions = self.get("model-versions/search", &query).await?;
        let moved = page.model_versions.into_iter().map(|found| found.moved().map_err(Trouble::Thing));
        Ok((moved.collect::<Result<_>>()?, next(page.next_page_token)))
    }

    /// Lists a folder of a run or a logged model.
    pub(super) async fn files(&self, home: &Home, folder: &str, token: &str) -> Result<Listing> {
        let (path, mut query) = match home.kind {
            HomeKind::Run => ("artifacts/list".to_owned(), vec![("run_id", home.id.as_str()), ("path", folder)]),
            HomeKind::Model => (format!("logged-models/{}/artifacts/directories", home.id), vec![("artifact_directory_path", folder)]),
        };
        query.push(("page_token", token));
        query.retain(|(_, value)| !value.is_empty());
        self.get(&path, &query).await
    }

    /// Opens a file of a run or a logged model; the server fetches it from wherever it is kept.
    pub(super) async fn file(&self, home: &Home, path: &str) -> Result<Response> {
        let url = match home.kind {
            HomeKind::Run => with_query("/get-artifact", &[("run_id", &home.id), ("run_uuid", &home.id), ("path", path)]),
            HomeKind::Model => {
                let route = format!("/ajax-api/2.0/mlflow/logged-models/{}/artifacts/files", home.id);
                with_query(&route, &[("artifact_file_path", path)])
            }
        };
        self.send(|| self.request(Method::GET, &url)).await
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
