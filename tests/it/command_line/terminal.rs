//! What a terminal gets, and nothing else: colours, relative times, bars.

use std::path::Path;
use std::process::Command;

use super::client::{Did, Here, did};
use crate::faults::CSV;
use crate::support::db::Engine;

/// Runs a command whose standard streams are a terminal of Python's.
const PTY: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

fn on_terminal(here: &Here, args: &[&str], env: &[(&str, &str)]) -> Did {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let mut command = Command::new(python);
    command.args(["-c", PTY, env!("CARGO_BIN_EXE_slipway")]).args(args).current_dir(&here.folder).stdin(std::process::Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SLIPWAY_")) {
        command.env_remove(name);
    }
    command.env("SLIPWAY_URL", &here.url).env("XDG_CONFIG_HOME", &here.folder).env("TERM", "xterm").env_remove("NO_COLOR");
    did(command.envs(env.iter().copied()).output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_relative_times_and_bars_are_for_terminals() {
    let here = Here::new(Engine::Sqlite, "terminal").await;
    // large enough for a bar to be drawn more than once
    let rows = CSV.lines().skip(1).collect::<Vec<_>>().join("\n");
    let large = format!("{}\n{}", CSV.lines().next().unwrap(), format!("{rows}\n").repeat(60));
    std::fs::write(here.folder.join("cells.csv"), &large).unwrap();
    let upload = ["datasets", "upload", "cells", "cells.csv"];

    let seen = on_terminal(&here, &upload, &[]);
    assert_eq!(seen.code, 0, "{}{}", seen.out, seen.err);
    assert!(seen.out.contains("\u{1b}[") && seen.out.contains("7.") && seen.out.contains("MiB"), "no bar: {:?}", seen.out);
    assert!(seen.out.contains("cells.csv  "), "{:?}", seen.out);
    let piped = here.run(&upload);
    assert_eq!((piped.code, piped.err.as_str(), piped.out.contains('\u{1b}')), (0, "", false));
    let quiet = on_terminal(&here, &[&upload[..], &["-q", "--no-color"]].concat(), &[]);
    assert!(!quiet.out.contains('\u{1b}'), "{:?}", quiet.out);

    let list = ["datasets", "versions", "cells"];
    let seen = on_terminal(&here, &list, &[]);
    assert!(seen.out.contains("\u{1b}[1mVERSION") && seen.out.contains("\u{1b}[32mREADY") && seen.out.contains(" ago"), "{:?}", seen.out);
    for plain in [
        on_terminal(&here, &list, &[("NO_COLOR", "1")]),
        on_terminal(&here, &list, &[("TERM", "dumb")]),
        on_terminal(&here, &[&list[..], &["--no-color"]].concat(), &[]),
    ] {
        assert!(plain.out.starts_with("VERSION") && !plain.out.contains('\u{1b}') && plain.out.contains(" ago"), "{:?}", plain.out);
    }
    let piped = here.good(&list);
    assert!(!piped.contains('\u{1b}') && !piped.contains(" ago"), "{piped}");
    let json = on_terminal(&here, &[&list[..], &["-o", "json"]].concat(), &[]);
    assert!(!json.out.contains('\u{1b}'), "{:?}", json.out);
    // the answer of a server is shown, not obeyed
    here.good(&["models", "create", "ferry", "--description", "\u{1b}[2J gone"]);
    let shown = on_terminal(&here, &["models", "get", "ferry", "--no-color"], &[]);
    assert!(shown.out.contains("\\u{1b}[2J gone") && !shown.out.contains('\u{1b}'), "{:?}", shown.out);
    here.end().await;
}
