//! The commands of a client against a real server: what they print in each form.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::faults::Place;
use crate::support::db::{ENGINES, Engine};
use crate::support::process::Process;

/// A server, and a folder to work in beside it.
pub(super) struct Here {
    pub(super) place: Place,
    pub(super) url: String,
    pub(super) folder: PathBuf,
    pub(super) server: Process,
}

/// What a command did.
pub(super) struct Did {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Here {
    pub(super) async fn new(engine: Engine, name: &str) -> Self {
        Self::with(engine, name, &[]).await
    }

    pub(super) async fn with(engine: Engine, name: &str, settings: &[(&str, &str)]) -> Self {
        let place = Place::new(engine, name).await;
        let setup = settings.iter().fold(place.setup("server"), |setup, (key, value)| setup.with(key, value));
        let (server, url) = setup.server();
        let folder = place.folder.path().join("here");
        std::fs::create_dir(&folder).unwrap();
        Self { place, url, folder, server }
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(&self.folder, args);
        command.env("SLIPWAY_URL", &self.url);
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Did {
        did(self.command(args).output().unwrap())
    }

    /// Runs what must go well; returns what it printed.
    pub(super) fn good(&self, args: &[&str]) -> String {
        let Did { code, out, err } = self.run(args);
        assert_eq!(code, 0, "{args:?}: {out}{err}");
        out
    }

    /// The same in JSON.
    pub(super) fn json(&self, args: &[&str]) -> Value {
        let out = self.good(&[args, &["-o", "json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?}: {e} in {out}"))
    }

    pub(super) async fn end(self) {
        self.server.stop();
        self.place.end().await;
    }
}

/// A command that knows no server, no key and no profile.
pub(super) fn bare(folder: &Path, args: &[&str]) -> Command {
    let mut command = super::slipway(folder);
    command.args(args).env("XDG_CONFIG_HOME", folder.join("config")).env("HOME", folder).env_remove("TERM");
    command
}

pub(super) fn did(Output { status, stdout, stderr }: Output) -> Did {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Did { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

/// Runs a command with something on its standard input.
pub(super) fn fed(mut command: Command, input: &str) -> Did {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    did(child.wait_with_output().unwrap())
}

/// Puts a word for every id and every time, as wide as what it stands for.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hex = rest.bytes().take_while(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b)).count();
        let is_time = rest.get(..24).is_some_and(|text| slipway::domain::time::Timestamp::parse(text).is_some());
        let (taken, word) = match hex {
            _ if is_time => (24, "[time].................."),
            32 => (32, "[id]............................"),
            0 => (c.len_utf8(), &rest[..c.len_utf8()]),
            other => (other, &rest[..other]),
        };
        out.push_str(word);
        rest = &rest[taken..];
    }
    out
}

const TIDES: &str = "hour,height,port\n1,0.5,west\n2,,east\n3,1.5,west\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_in_each_form() {
    let here = Here::new(Engine::Sqlite, "forms").await;
    std::fs::write(here.folder.join("tides.csv"), TIDES).unwrap();
    let mut told = String::new();
    for args in [
        "datasets ls",
        "datasets ls -o json",
        "datasets ls -o yaml",
        "datasets upload tides tides.csv",
        "datasets upload tides tides.csv --type hour:string -o name",
        "datasets ls",
        "datasets ls -o json",
        "datasets ls -o yaml",
        "datasets ls -o name",
        "datasets get tides",
        "datasets versions tides",
        "datasets versions tides --limit 1",
        "datasets versions tides --limit 1 -q",
        "datasets get tides 1 -o yaml",
        "datasets schema tides 1",
        "datasets profile tides 1",
        "datasets preview tides 1 --limit 2",
        "datasets preview tides 1 --limit 2 -o json",
        "datasets archive tides 2 -o name",
        "datasets get tides",
        "datasets restore tides 2 -o name",
        "models create ferry --description leaves",
        "models gates set ferry --metric acc>=0.9 --lower loss",
        "models tags set ferry line north",
        "models get ferry",
        "models aliases ls ferry",
        "models versions ferry -o json",
        "monitor get ferry",
        "monitor set ferry --window 2 --rule drifted_share=0.25",
        "monitor set ferry --enabled false -o json",
        "events ls --limit 3",
        "events ls --after 1 --limit 1 -o json",
        "runs ls",
        "experiments ls -o name",
    ] {
        let Did { code, out, err } = here.run(&args.split(' ').collect::<Vec<_>>());
        let err = if err.is_empty() { String::new() } else { format!("(standard error) {err}") };
        told.push_str(&format!("$ slipway {args}\n{out}{err}"));
        assert_eq!(code, 0, "{told}");
    }
    insta::assert_snapshot!(masked(&told));
    here.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn yaml_reads_as_the_same_value_as_json() {
    let here = Here::new(Engine::Sqlite, "yaml").await;
    here.good(&["models", "create", "no", "--description", "it's: \"1\"\n# ü 2026-01-01 ~ - x"]);
    here.good(&["models", "gates", "set", "no", "--metric", "a>=1e300", "--metric", "b<=2.5e-7"]);
    here.good(&["models", "tags", "set", "no", "yes", "0x1f"]);
    std::fs::write(here.folder.join("x.json"), here.good(&["models", "ls", "-o", "json"])).unwrap();
    std::fs::write(here.folder.join("x.yaml"), here.good(&["models", "ls", "-o", "yaml"])).unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-mlflow/bin/python");
    let script =
        "import json, yaml; a, b = json.load(open('x.json')), yaml.safe_load(open('x.yaml')); assert a == b, (a, b); assert len(a) == 1";
    let Did { code, err, .. } = did(Command::new(python).args(["-c", script]).current_dir(&here.folder).output().unwrap());
    assert_eq!(code, 0, "{err}");
    here.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_follow_their_pages_as_far_as_they_are_asked_to() {
    for engine in ENGINES {
        let here = Here::new(engine, "pages").await;
        let client = crate::support::process::Client::new(&here.url);
        for number in 0..1_050 {
            client.post("/api/v1/models", &serde_json::json!({ "name": format!("m{number:04}") })).await;
        }
        assert_eq!(here.good(&["models", "ls", "-o", "name"]).lines().count(), 100);
        let Did { out, err, .. } = here.run(&["models", "ls", "-o", "name", "--limit", "1007"]);
        assert_eq!(
            (out.lines().count(), out.lines().last(), err.as_str()),
            (1007, Some("m1006"), "there are more than 1007: --limit 0 shows all\n")
        );
        let all = here.json(&["models", "ls", "--limit", "0"]);
        assert_eq!((all.as_array().unwrap().len(), &all[1049]["name"]), (1050, &Value::from("m1049")));
        let table = here.good(&["models", "ls", "--limit", "0"]);
        assert_eq!(table.lines().filter(|line| line.starts_with("NAME ")).count(), 1);
        let events = here.good(&["events", "ls", "--limit", "0", "-o", "name"]);
        let expected: Vec<String> = (1..=events.lines().count()).map(|seq| seq.to_string()).collect();
        assert_eq!(events.lines().collect::<Vec<_>>(), expected);
        assert!(expected.len() >= 1_050);
        here.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_a_profile_keeps_it_from_all_other_eyes_and_servers() {
    use std::os::unix::fs::PermissionsExt as _;
    let admin = slipway::domain::key::make(&[7; slipway::domain::key::ENTROPY]);
    let here = Here::with(Engine::Sqlite, "keys", &[("auth", "required"), ("admin_key", &admin)]).await;
    let as_admin = |args: &[&str]| here.run(&[args, &["--key", &admin]].concat());
    let made = as_admin(&["keys", "create", "ci", "--role", "viewer", "--expires", "90d"]);
    let secret = made.out.trim().to_owned();
    assert!(made.code == 0 && secret.starts_with("slw_") && !made.err.contains(&secret), "{}{}", made.out, made.err);

    // the key comes from standard input, is tried, and is kept with the address
    let login = |input: &str| fed(bare(&here.folder, &["login", "--url", &here.url, "--profile", "ci"]), input);
    let refused = login("slw_no\n");
    assert_eq!((refused.code, refused.out.as_str()), (4, ""));
    assert!(!here.folder.join("config/slipway/profiles.toml").exists());
    let kept = login(&format!("{secret}\n"));
    assert_eq!((kept.code, kept.out.as_str()), (0, ""), "{}", kept.err);
    let file = here.folder.join("config/slipway/profiles.toml");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let bare = |args: &[&str]| did(bare(&here.folder, args).output().unwrap());
    assert_eq!(bare(&["models", "ls", "-o", "json"]).out, "[]\n");
    let listed = bare(&["profiles", "ls"]);
    assert!(listed.out.contains("ci") && listed.out.contains("***") && !listed.out.contains(&secret), "{}", listed.out);
    // a viewer may not make keys
    let denied = bare(&["keys", "create", "x", "--role", "admin"]);
    assert_eq!(denied.code, 4);
    assert!(denied.err.contains("(permission_denied, request ") && denied.err.contains("\n  ask an admin"), "{}", denied.err);
    // the same key is not sent to another server
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", other.local_addr().unwrap());
    let heard = std::thread::spawn(move || super::failures::hear(&other, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"));
    assert_eq!(bare(&["models", "ls", "--url", &address]).code, 3);
    assert!(!heard.join().unwrap().to_lowercase().contains("authorization"));
    // a file that others can read is not used
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = bare(&["models", "ls"]);
    assert_eq!(open.code, 2);
    assert!(open.err.contains("can be read by others") && open.err.contains("chmod 600"), "{}", open.err);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();

    let keys: Value = serde_json::from_str(&as_admin(&["keys", "ls", "-o", "json"]).out).unwrap();
    let id = keys.as_array().unwrap().iter().find(|key| key["name"] == "ci").unwrap()["key_id"].as_str().unwrap();
    let asked = as_admin(&["keys", "revoke", id]);
    assert_eq!((asked.code, asked.err.contains("say --yes")), (2, true), "{}", asked.err);
    assert_eq!(as_admin(&["keys", "revoke", id, "--yes"]).code, 0);
    assert_eq!(bare(&["models", "ls"]).code, 4);
    assert_eq!(bare(&["logout"]).code, 0);
    assert_eq!(bare(&["logout"]).code, 2);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("slw_"));
    here.end().await;
}
