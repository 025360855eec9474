//! The real binary as a process of its own: started on a free port, killed or asked to stop by its process id, and a client that
//! follows it from start to start.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::Value;

/// A running `slipway`. Dropping it kills it.
pub struct Process {
    child: Child,
    log: PathBuf,
    /// Bytes of the log that were there before.
    from: usize,
}

/// How to start one: settings by their keys, and where the log goes.
#[derive(Clone, Debug)]
pub struct Setup {
    settings: Vec<(String, String)>,
    log: PathBuf,
}

impl Setup {
    /// A setup that writes what the process logs to the end of `log`.
    pub fn new(log: PathBuf) -> Self {
        Self { settings: Vec::new(), log }
    }

    /// Sets a key of `config.default.toml`, or a variable of the environment when it is spelt in capitals.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// Timers that make a lost attempt come back within about two seconds, and checkpoints all the time.
    pub fn hasty(self) -> Self {
        self.with("job_beat_ms", 150)
            .with("job_self_fence_ms", 1_000)
            .with("job_lease_ms", 1_500)
            .with("job_lease_slack_ms", 100)
            .with("job_reap_ms", 100)
            .with("job_backoff_ms", 10)
            .with("job_backoff_max_ms", 50)
            .with("job_max_lost", 100_000)
            .with("checkpoint_interval_ms", 50)
            .with("serving_poll_ms", 100)
    }

    /// Starts a server; returns it and its URL once it listens.
    pub fn server(&self) -> (Process, String) {
        let mut process = self.start(&["server", "--port", "0"]);
        let mut lines = BufReader::new(process.child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| line.ok()?.strip_prefix("slipway listens on ").map(str::to_owned));
        let url = url.unwrap_or_else(|| panic!("the server did not start:\n{}", process.last_lines()));
        (process, url)
    }

    /// Starts a worker.
    pub fn worker(&self) -> Process {
        self.start(&["worker"])
    }

    fn start(&self, arguments: &[&str]) -> Process {
        let from = std::fs::read(&self.log).map_or(0, |log| log.len());
        let log = std::fs::File::options().create(true).append(true).open(&self.log).unwrap();
        // another build of it, say an optimised one, can be put to the same tests
        let binary = std::env::var_os("SLIPWAY_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_slipway").into());
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SLIPWAY_")) {
            command.env_remove(name);
        }
        let settings = self.settings.iter().map(|(key, value)| (variable(key), value));
        let child = command.args(arguments).envs(settings).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        Process { child: child.unwrap(), log: self.log.clone(), from }
    }
}

/// Settings travel as `SLIPWAY_…`, what is spelt in capitals already as it is.
fn variable(key: &str) -> String {
    if key.chars().any(|c| c.is_ascii_lowercase()) { format!("SLIPWAY_{}", key.to_uppercase()) } else { key.to_owned() }
}

impl Process {
    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop.
    pub fn ask_to_stop(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Asks it to stop, and waits until it has; panics unless it ends well.
    pub fn stop(self) {
        self.ask_to_stop();
        self.ended();
    }

    /// Waits for the end of one that was asked to stop; panics unless it ends well.
    pub fn ended(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}:\n{}", self.last_lines());
    }

    /// Waits until it has logged a text.
    pub async fn says(&self, text: &str) {
        for _ in 0..3_000 {
            let log = std::fs::read(&self.log).unwrap_or_default();
            if String::from_utf8_lossy(&log[self.from.min(log.len())..]).contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the process did not log {text:?}:\n{}", self.last_lines());
    }

    fn last_lines(&self) -> String {
        last_lines(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the end of a log.
pub fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A client of a server that may come and go.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Arc<RwLock<String>>,
}

/// Status and body.
pub type Answer = (StatusCode, Value);

impl Client {
    pub fn new(url: &str) -> Self {
        slipway::blob::install_tls();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { http, url: Arc::new(RwLock::new(url.to_owned())) }
    }

    /// Says where the server is now.
    pub fn follow(&self, url: String) {
        *self.url.write().unwrap_or_else(PoisonError::into_inner) = url;
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = self.url.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.http.request(method, format!("{url}{path}"))
    }

    /// Sends a request; an error means that nobody knows whether it arrived.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, reqwest::Error> {
        let request = self.request(method, path);
        let response = if let Some(body) = body { request.json(body) } else { request }.send().await?;
        let status = response.status();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Reads; panics on anything but a good answer.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, None).await.unwrap_or_else(|e| panic!("GET {path}: {e:?}"));
        assert!(status.is_success(), "GET {path}: {status} {body}");
        body
    }

    /// Posts; panics on anything but a good answer.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.send(Method::POST, path, Some(body)).await.unwrap_or_else(|e| panic!("POST {path}: {e:?}"));
        assert!(status.is_success(), "POST {path}: {status} {answer}");
        answer
    }

    /// Uploads a CSV file; returns the version.
    pub async fn upload(&self, name: &str, csv: impl Into<reqwest::Body>) -> Value {
        let path = format!("/api/v1/datasets/{name}/versions?format=csv");
        let response = self.request(Method::POST, &path).header("content-type", "text/csv").body(csv).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        response.json().await.unwrap()
    }

    /// Waits until a job has ended, and returns it.
    pub async fn ended(&self, job_id: &str, patience: Duration) -> Value {
        self.until(&format!("/api/v1/jobs/{job_id}"), patience, |job| !matches!(job["state"].as_str(), Some("PENDING" | "RUNNING"))).await
    }

    /// Asks again and again until the answer is as wanted; servers that are away are waited for.
    pub async fn until(&self, path: &str, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.send(Method::GET, path, None).await;
            match &answer {
                Ok((status, body)) if status.is_success() && wanted(body) => return body.clone(),
                _ => assert!(begun.elapsed() < patience, "GET {path} did not become as wanted: {answer:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Reads all points of a metric: step, timestamp, value as it was written.
    pub async fn series(&self, run_id: &str, key: &str) -> Vec<(i64, i64, String)> {
        let (mut points, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/api/v1/runs/{run_id}/metrics/{key}?page_size=1000{token}")).await;
            for point in page["items"].as_array().unwrap() {
                points.push((point["step"].as_i64().unwrap(), point["timestamp"].as_i64().unwrap(), point["value"].to_string()));
            }
            match page["next_page_token"].as_str() {
                Some(next) => token = format!("&page_token={next}"),
                None => return points,
            }
        }
    }
}
