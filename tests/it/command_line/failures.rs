//! How commands end that do not end well: exit codes, what is said, and what is tried again.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;

use super::client::{Did, Here, bare, did, fed};
use crate::support::db::Engine;

/// Answers one request; returns its head.
pub(super) fn hear(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        head.push(byte[0]);
    }
    stream.write_all(answer.as_bytes()).unwrap();
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_and_what_is_said() {
    let here = Here::new(Engine::Sqlite, "failures").await;
    std::fs::write(here.folder.join("torn.csv"), "a,b\n1,2\n3\n").unwrap();
    here.good(&["models", "create", "ferry"]);
    for (args, code, said) in [
        // 1: refused, whatever was asked
        ("datasets upload torn torn.csv", 1, "line 3, column \"b\": the row has 1 fields where the header has 2 (ragged_row, request "),
        ("runs ls --filter nonsense", 1, "(INVALID_PARAMETER_VALUE, request "),
        // 2: nothing was asked of the server
        ("datasets get ..", 2, "\"..\" is no name"),
        ("datasets upload x missing.csv", 2, "can't read missing.csv: No such file or directory"),
        ("datasets upload x torn", 2, "the name of torn does not say how it is written: say --format"),
        ("train --dataset tides", 2, "a training job needs a target: say --target, or name it in --file"),
        ("train --dataset tides --target x --layers 64:relu,many:relu", 2, "\"many:relu\" is no layer"),
        ("models aliases rm ferry champion", 2, "can't be undone: say --yes"),
        ("monitor evaluate ferry --from yesterday", 2, "\"yesterday\" is no time: write 2026-01-31T12:00:00Z, now, or how long ago"),
        ("models ls --url ftp://x", 2, "\"ftp://x/\" is no address of a server: write http://HOST:PORT"),
        ("models ls --url http://me:hunter2@x", 2, "the address of a server holds no password"),
        ("models ls --profile none", 2, "there is no profile \"none\""),
        ("models ls --limit many", 2, "invalid value 'many' for '--limit <N>'"),
        ("models", 2, "Usage: slipway models"),
        // 3: not there
        ("datasets get tides", 3, "(dataset_not_found, request "),
        ("datasets get tides", 3, "\n  `slipway datasets ls` lists the data sets\n"),
        ("models get ferry 7", 3, "(model_version_not_found, request "),
        ("jobs get nothing --watch", 3, "(job_not_found, request "),
        ("predict ferry --version 3", 3, "request "),
        ("models rollback ferry", 3, "(alias_not_found, request "),
        ("runs ls --experiment none", 3, "there is no experiment \"none\""),
        // 4: the key
        ("models ls --key slw_wrong", 4, "(invalid_key, request "),
        // 5: the state of things
        ("models create ferry", 5, "there is a model \"ferry\" already (model_exists, request "),
    ] {
        let mut command = here.command(&args.split(' ').collect::<Vec<_>>());
        let did = if args.starts_with("predict") { fed(command, "[1]") } else { did(command.output().unwrap()) };
        assert_eq!((did.code, did.out.as_str()), (code, ""), "{args}: {}", did.err);
        assert!(did.err.contains(said), "{args}: {said:?} is not in {}", did.err);
        if !said.starts_with("Usage") && !said.starts_with("invalid value") {
            assert!(did.err.starts_with("slipway: ") && did.err.lines().count() <= 2, "{args}: {}", did.err);
        }
    }
    here.end().await;
}

#[test]
fn a_server_that_is_away_or_silent_is_exit_code_6() {
    let folder = super::new_folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // it takes the connection, and never answers
    let silent = did(bare(&folder, &["models", "ls", "--url", &url, "--timeout", "1"]).output().unwrap());
    assert_eq!((silent.code, silent.out.as_str()), (6, ""));
    assert_eq!(silent.err, format!("slipway: {url}/ did not answer within 1 s\n  --timeout SECONDS waits longer\n"));
    drop(listener);
    let away = did(bare(&folder, &["events", "follow", "--url", &url]).output().unwrap());
    assert_eq!((away.code, away.out.as_str()), (6, ""));
    assert!(away.err.contains("does not answer: Connection refused"), "{}", away.err);
    assert!(away.err.contains("--url or SLIPWAY_URL says where one is"), "{}", away.err);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_a_server_can_not_take_now_is_sent_again_as_the_same_request() {
    let folder = super::new_folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let later = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let first = hear(&listener, later);
        let broken = hear(&listener, "");
        let good = "{\"name\": \"ferry\"}";
        let last = hear(&listener, &format!("HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{good}", good.len()));
        [first, broken, last]
    });
    let made = did(bare(&folder, &["models", "create", "ferry", "--url", &url, "-o", "name"]).output().unwrap());
    assert_eq!((made.code, made.out.as_str(), made.err.as_str()), (0, "ferry\n", ""));
    let keys = server.join().unwrap().map(|head| {
        let line = head.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap();
        line.to_owned()
    });
    assert_eq!((keys[0].len(), &keys[0], &keys[1]), (32, &keys[1], &keys[2]));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_redirect_is_not_followed_and_a_stranger_is_recognised() {
    let folder = super::new_folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        hear(&listener, "HTTP/1.1 308 Permanent Redirect\r\nlocation: https://x/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        hear(&listener, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 13\r\n\r\n<html></html>");
    });
    let ask = || did(bare(&folder, &["models", "get", "x", "--url", &url]).output().unwrap());
    let redirected = ask();
    assert_eq!((redirected.code, redirected.err), (1, format!("slipway: {url}/ sends on to https://x/: use that as the URL\n")));
    let stranger = ask();
    assert_eq!(stranger.code, 1);
    assert!(stranger.err.starts_with(&format!("slipway: {url}/ does not answer as slipway does: ")), "{}", stranger.err);
    server.join().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_damaged_or_broken_download_leaves_nothing_behind() {
    let folder = super::new_folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let about = "{\"items\": [{\"path\": \"model/a.txt\", \"digest\": \"sha256:00\"}]}";
        let good = |body: &str, length: usize| format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        for (body, length) in [(about, about.len()), ("other", 5), (about, about.len()), ("half", 8)] {
            hear(&listener, &good(body, length));
        }
    });
    let get = || did(bare(&folder, &["runs", "artifacts", "get", "r", "model/a.txt", "--url", &url]).output().unwrap());
    let damaged = get();
    assert_eq!(damaged.code, 1);
    assert!(damaged.err.contains(
        "model/a.txt arrived damaged: sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa instead of sha256:00"
    ));
    let broken = get();
    assert_eq!(broken.code, 6);
    assert!(broken.err.contains("the transfer of model/a.txt broke off; nothing was kept"), "{}", broken.err);
    server.join().unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_ends_a_command_with_130_and_a_reader_that_leaves_ends_it_well() {
    let here = Here::new(Engine::Sqlite, "interrupted").await;
    here.good(&["models", "create", "a"]);
    let mut child = here.command(&["events", "follow", "--after", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let signal = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let Did { code, err, .. } = did(child.wait_with_output().unwrap());
    assert_eq!((code, err.as_str()), (130, ""));

    let mut child = here.command(&["events", "follow", "--after", "0"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(child.stdout.take());
    here.good(&["models", "create", "b"]);
    let Did { code, err, .. } = did(child.wait_with_output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
    here.end().await;
}

#[test]
fn events_are_followed_over_a_restart_of_the_server_without_a_gap() {
    let folder = super::new_folder();
    let server = super::Server::start(&folder, &["--port", "0", "--data-dir", "data", "--log", "warn"]);
    let url = server.url().to_owned();
    let run = |args: &[&str]| bare(&folder, &[args, &["--url", &url]].concat());
    assert_eq!(did(run(&["models", "create", "before"]).output().unwrap()).code, 0);
    let mut follow = run(&["events", "follow", "--after", "0", "--kind", "registered_model.created", "--count", "2", "-o", "json"]);
    let mut child = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(server);
    let port = url.rsplit(':').next().unwrap();
    let _server = super::Server::start(&folder, &["--port", port, "--data-dir", "data", "--log", "warn"]);
    assert_eq!(did(run(&["models", "create", "after"]).output().unwrap()).code, 0);
    let Did { code, out, err } = did(child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{err}");
    let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let names: Vec<String> = format!("{{{out}").lines().map(|line| event(line)["entity_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["before", "after"]);
    std::fs::remove_dir_all(folder).unwrap();
}
