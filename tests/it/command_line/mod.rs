//! The binary as a person or a container starts it: what it prints where, its exit codes, its settings, and the demo.

mod client;
mod failures;
mod journey;
mod manual;
mod terminal;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

fn slipway(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SLIPWAY_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = slipway(folder).args(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A server of the test's own; killed by its process id if the test fails.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    printed: String,
}

impl Server {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut child = slipway(folder).arg("server").args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, stdout, printed: String::new() };
        while !server.printed.contains("slipway listens on ") {
            assert!(server.stdout.read_line(&mut server.printed).unwrap() > 0, "the server ended: {}", server.log());
        }
        server
    }

    fn url(&self) -> &str {
        self.printed.split("slipway listens on ").nth(1).unwrap().trim_end()
    }

    fn log(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Asks it to stop; returns its exit code, and what it wrote to standard output and to standard error.
    fn stop(mut self) -> (Option<i32>, String, String) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        self.stdout.read_to_string(&mut self.printed).unwrap();
        let log = self.log();
        (code, std::mem::take(&mut self.printed), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_prints_key_and_address_logs_elsewhere_without_colours_and_stops_when_asked() {
    let folder = new_folder();
    let server = Server::start(&folder, &["--port", "0", "--data-dir", "data"]);
    let url = server.url().to_owned();
    let (code, out, err) = run(&folder, &["ready", "--url", &url]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("{\"ready\":true,"), "{out}");

    let (code, printed, log) = server.stop();

    assert_eq!(code, Some(0));
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    assert!(lines[0].starts_with("admin key, shown this once: slw_"), "{printed}");
    assert_eq!(lines[1], format!("slipway listens on {url}"));
    assert!(log.contains("INFO slipway is ready address="), "{log}");
    assert!(log.contains("INFO asked to stop"), "{log}");
    assert!(!log.contains('\u{1b}'), "escape codes in a pipe: {log}");
    let (code, out, err) = run(&folder, &["ready", "--url", &url]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with(&format!("slipway: {url} does not answer: ")) && err.lines().count() == 1, "{err}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_start_that_fails_on_its_port_says_so_and_leaves_the_admin_key_for_the_next_one() {
    let folder = new_folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();

    let (code, out, err) = run(&folder, &["server", "--port", &address.port().to_string(), "--data-dir", "data"]);

    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, format!("slipway: can't listen on {address}: Address already in use (os error 98)\n"));
    let server = Server::start(&folder, &["--port", "0", "--data-dir", "data"]);
    assert!(server.printed.starts_with("admin key, shown this once: slw_"), "{}", server.printed);
    assert_eq!(server.stop().0, Some(0));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn folders_databases_and_stores_that_cannot_be_used_end_a_start_with_one_line_and_exit_code_1() {
    let folder = new_folder();
    std::fs::write(folder.join("file"), "").unwrap();
    for (args, expected) in [
        (["--data-dir", "file/data"], "can't make the data folder file/data: Not a directory (os error 20)"),
        (
            ["--database-url", "mysql://me:hunter2@db/x"],
            "can't open the database mysql://me:***@db/x: database url must start with sqlite: or postgres:, not \"mysql\"",
        ),
        (["--database-url", "sqlite:none/x.db"], "can't open the database sqlite:none/x.db: unable to open database file"),
        (
            ["--artifact-root", "ftp://x"],
            "artifact_root: the artifact root \"ftp://x\" names no store that slipway knows: Unable to recognise URL \"ftp://x/\"",
        ),
        (["--artifact-root", "file/a"], "artifact_root: could not use the folder file/a: File exists (os error 17)"),
    ] {
        let (code, out, err) = run(&folder, &[&["server", "--port", "0", "--log", "off"], &args[..]].concat());
        assert_eq!((code, out.lines().count()), (1, 0), "{args:?}: {out}{err}");
        assert_eq!(err, format!("slipway: {expected}\n"), "{args:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn settings_that_cannot_be_used_end_with_exit_code_2_and_name_key_and_origin() {
    let folder = new_folder();
    std::fs::write(folder.join("slipway.toml"), "prot = 1\n").unwrap();
    std::fs::write(folder.join("good.toml"), "worker_slots = 2\ndatabase_url = \"postgres://me:hunter2@db/x\"\n").unwrap();
    let unknown = "slipway: unknown setting \"prot\" (file slipway.toml); `slipway config show` lists all\n";
    assert_eq!(run(&folder, &["server"]), (2, String::new(), unknown.to_owned()));
    let open = "slipway: host is not a loopback address: set auth = \"required\", so that nobody is let in without a key\n";
    assert_eq!(run(&folder, &["server", "--config", "good.toml", "--host", "0.0.0.0"]), (2, String::new(), open.to_owned()));

    let (code, shown, _) = run(&folder, &["config", "show", "--origin", "--config", "good.toml", "--log", "warn"]);

    assert_eq!(code, 0);
    for line in [
        "database_url = \"postgres://me:***@db/x\"  # file good.toml",
        "log = \"warn\"  # flag --log",
        "port = 7500  # default",
        "worker_slots = 2  # file good.toml",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
    let good = |args: &[&str]| run(&folder, &[&["config"], args, &["--config", "good.toml"]].concat());
    assert_eq!(good(&["get", "database_url"]), (0, "postgres://me:***@db/x\n".to_owned(), String::new()));
    assert_eq!(good(&["get", "worker_slots"]).1, "2\n");
    assert_eq!(good(&["get", "prot"]).0, 2);
    assert_eq!(good(&["path"]).1, "good.toml\n");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_reference_of_settings_is_fresh_and_complete() {
    let folder = new_folder();
    let page = include_str!("../../../docs/configuration.md");
    let (code, printed, _) = run(&folder, &["config", "reference"]);
    assert_eq!(code, 0);
    assert_eq!(printed, page, "run `cargo run -- config reference > docs/configuration.md`");

    let (_, shown, _) = run(&folder, &["config", "show"]);
    for line in shown.lines() {
        let (key, value) = line.split_once(" = ").unwrap();
        let row = page.lines().find(|row| row.starts_with(&format!("| `{key}` | `{value}` | "))).expect(key);
        assert!(row.len() > key.len() + value.len() + 30, "{row}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_data_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = new_folder();
    let (code, printed, err) = run(&folder, &["migrate", "--data-dir", "a/data"]);
    assert_eq!((code, printed.starts_with("schema is at ")), (0, true), "{printed}{err}");
    assert_eq!(std::fs::metadata(folder.join("a/data")).unwrap().permissions().mode() & 0o777, 0o700);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let folder = new_folder();
    assert_eq!(run(&folder, &["migrate", "--data-dir", "data"]).0, 0);
    let db = sqlx::SqlitePool::connect(&format!("sqlite:{}", folder.join("data/slipway.db").display())).await.unwrap();
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (4000, 'x', true, x'00', 1)",
    )
    .execute(&db)
    .await
    .unwrap();
    db.close().await;

    let (code, out, err) = run(&folder, &["server", "--port", "0", "--data-dir", "data", "--log", "off"]);

    assert_eq!((code, out.as_str()), (1, ""));
    let known = slipway::store::migrate::LATEST;
    assert_eq!(err, format!("slipway: the database is at schema 4000, this program knows {known} and older: it needs a newer slipway\n"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_demo_tells_its_story_and_tells_it_again_in_the_same_folder() {
    let folder = new_folder();
    for versions in [(1, 2), (3, 4)] {
        let (code, story, err) = run(&folder, &["demo", "--exit", "--port", "0", "--data-dir", "data"]);

        assert_eq!(code, 0, "{story}{err}");
        for line in [
            "  → version 1 with 569 rows, sha256:7e115a871fc47b0002ff74842ddb6b61b08baf51b137f171c34af4d053c0b081".to_owned(),
            "  → usual traffic: OK on ".to_owned(),
            "  → drifted traffic: DRIFTED on ".to_owned(),
            format!("  → champion is version {}, served after ", versions.1),
            format!("  → from version {} back to version {} in ", versions.1, versions.0),
            format!("drift.detected of version {}, ", versions.1),
            " answered meanwhile, 0 failed".to_owned(),
        ] {
            assert!(story.contains(&line), "{line:?} is not in {story}");
        }
        assert!(!story.contains("SLIPWAY_KEY"), "on loopback no key is needed: {story}");
        assert!(story.lines().all(|line| line.chars().count() < 300), "a line can't be read: {story}");
        assert!(!err.contains("INFO"), "{err}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_demo_that_needs_a_key_says_which_and_takes_it_from_the_environment() {
    let folder = new_folder();
    let demo = |key: Option<&str>| {
        let mut command = slipway(&folder);
        command.args(["demo", "--exit", "--port", "0", "--data-dir", "data"]).env("SLIPWAY_AUTH", "required");
        let Output { status, stdout, stderr } = command.envs(key.map(|key| ("SLIPWAY_KEY", key))).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    };
    let (code, story, err) = demo(None);
    assert_eq!(code, Some(0), "{story}{err}");
    let key = story.split("  export SLIPWAY_KEY=").nth(1).unwrap().lines().next().unwrap();
    assert!(story.contains(&format!("admin key, shown this once: {key}\n")), "{story}");
    assert!(story.contains("/rollback' -H \"authorization: Bearer $SLIPWAY_KEY\" -H "), "{story}");

    let (code, story, err) = demo(None);
    assert_eq!((code, story.lines().count()), (Some(1), 1), "{story}");
    let expected = "slipway: the demo failed: auth is required, and the admin key was shown at the first start: set SLIPWAY_KEY to it\n";
    assert_eq!(err, expected);

    let (code, story, err) = demo(Some(key));
    assert_eq!(code, Some(0), "{story}{err}");
    assert!(!story.contains(key), "the key is shown once");
    std::fs::remove_dir_all(&folder).unwrap();
}

fn new_folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("slipway-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    folder
}
