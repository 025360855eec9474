//! The real MLflow client against the real binary: each script of tests/compat is one scenario, and asserts what it sees.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::db::{ENGINES, Engine};

/// A server process with a database and a folder of its own.
struct Server {
    child: Child,
    url: String,
    folder: PathBuf,
    database: Option<(String, String)>,
}

impl Server {
    async fn start(engine: Engine) -> Self {
        let name = format!("slipway_client_{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        command.args(["server", "--port", "0", "--data-dir"]).arg(&folder).env("SLIPWAY_WORKER_SLOTS", "0").env_remove("SLIPWAY_CONFIG");
        let mut database = None;
        if engine == Engine::Postgres {
            let base = std::env::var("SLIPWAY_TEST_POSTGRES_URL").expect("`make test` sets SLIPWAY_TEST_POSTGRES_URL");
            let mut admin = PgConnection::connect(&base).await.unwrap();
            sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
            command.args(["--database-url", &format!("{}/{name}", base.rsplit_once('/').unwrap().0)]);
            database = Some((base, name));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| line.unwrap().strip_prefix("slipway listens on ").map(str::to_owned)).expect("it says where");
        Self { child, url, folder, database }
    }

    /// Stops the server and removes what it made. A failed test leaves it for a look, but for the process.
    async fn end(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
        if let Some((base, name)) = self.database.take() {
            let mut admin = PgConnection::connect(&base).await.unwrap();
            sqlx::query(AssertSqlSafe(format!("drop database {name} with (force)"))).execute(&mut admin).await.unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

async fn scenario(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".venv-mlflow/bin/python");
    assert!(python.exists(), "`make test` makes .venv-mlflow, which has the client");
    for engine in ENGINES {
        let server = Server::start(engine).await;
        let output = Command::new(&python)
            .arg(root.join("tests/compat").join(format!("{name}.py")))
            .current_dir(&server.folder)
            .env("MLFLOW_TRACKING_URI", &server.url)
            // a failure must show instead of being tried again for minutes
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "true")
            .env("GIT_PYTHON_REFRESH", "quiet")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name} on {engine:?}\n{said}\n{wrong}");
        assert_eq!(said.lines().last(), Some(format!("{name} ok").as_str()), "{name} on {engine:?}");
        server.end().await;
    }
}

#[tokio::test]
async fn the_client_tracks_experiments_and_runs() {
    scenario("tracking").await;
}

#[tokio::test]
async fn the_client_finds_what_its_search_language_asks_for() {
    scenario("search").await;
}

#[tokio::test]
async fn the_client_nests_runs_and_takes_them_up_again() {
    scenario("nested").await;
}

#[tokio::test]
async fn four_processes_log_to_one_run() {
    scenario("parallel").await;
}

#[tokio::test]
async fn the_client_keeps_files_with_its_runs() {
    scenario("artifacts").await;
}

#[tokio::test]
async fn the_client_logs_finds_and_loads_models() {
    scenario("logged_models").await;
}

#[tokio::test]
async fn autologging_records_a_fit_and_a_grid_search() {
    scenario("autolog").await;
}

#[tokio::test]
async fn the_client_registers_models_that_are_served() {
    scenario("registry").await;
}

#[tokio::test]
async fn the_client_keeps_prompts() {
    scenario("prompts").await;
}

#[tokio::test]
async fn the_client_and_plain_exporters_trace() {
    scenario("traces").await;
}
