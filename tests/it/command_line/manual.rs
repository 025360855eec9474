//! What the command line says about itself.

use std::path::Path;

use super::client::{bare, did};

/// Commands that ask no server, or only whether it is ready.
const NO_CLIENTS: [&str; 9] = ["server", "demo", "worker", "ready", "migrate", "config", "completion", "man", "openapi"];

fn help(folder: &Path, path: &[String], told: &mut String) {
    let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let did = did(bare(folder, &args).output().unwrap());
    assert_eq!((did.code, did.err.as_str()), (0, ""), "{args:?}");
    assert!(did.out.lines().all(|line| line.chars().count() <= 100), "{args:?} has a long line: {}", did.out);
    if path.first().is_some_and(|noun| !NO_CLIENTS.contains(&noun.as_str())) {
        for flag in ["--url <URL>", "--key <KEY>", "--profile <NAME>", "--output <FORM>", "--quiet", "--no-color", "--timeout <SECONDS>"] {
            assert!(did.out.contains(&format!("{flag}\n")) || did.out.contains(&format!("{flag} ")), "{args:?} lacks {flag}: {}", did.out);
        }
    }
    // flags that all have are shown once
    let own = match did.out.split_once("\nServer and output:\n") {
        Some((own, _)) if path != ["datasets", "ls"] => format!("{}\n\nServer and output: as above\n", own.trim_end()),
        _ => did.out.clone(),
    };
    told.push_str(&format!("$ slipway {}\n{}\n", args.join(" "), own.trim_end()));
    told.push('\n');
    let commands = did.out.split("\nCommands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    let names = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        help(folder, &[path, &[name.to_owned()]].concat(), told);
    }
}

#[test]
fn every_command_explains_itself() {
    let folder = super::new_folder();
    let mut told = String::new();
    help(&folder, &[], &mut told);
    assert!(told.matches("$ slipway ").count() > 60, "{told}");
    insta::assert_snapshot!(told);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_pages_made_by_the_program_are_fresh() {
    let folder = super::new_folder();
    for (args, file) in [(&["reference"][..], "docs/cli.md"), (&["openapi", "--markdown"], "docs/api-reference.md")] {
        let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let (code, printed, _) = super::run(&folder, args);
        assert_eq!(code, 0);
        assert!(printed == page, "run `make reference`: {file} is stale");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn shells_and_man_read_what_is_made_for_them() {
    let folder = super::new_folder();
    for shell in ["bash", "zsh", "fish"] {
        let did = did(bare(&folder, &["completion", shell]).output().unwrap());
        assert_eq!((did.code, did.err.as_str()), (0, ""));
        assert!(did.out.contains("rollback") && did.out.contains("override-gates"), "{shell}");
        std::fs::write(folder.join(shell), &did.out).unwrap();
    }
    let checked = std::process::Command::new("bash").args(["-n", "bash"]).current_dir(&folder).status().unwrap();
    assert!(checked.success());
    let words = "source ./bash; COMP_WORDS=(slipway models roll); COMP_CWORD=2; _slipway slipway roll models; echo \"${COMPREPLY[@]}\"";
    let completed = did(std::process::Command::new("bash").args(["-c", words]).current_dir(&folder).output().unwrap());
    assert_eq!(completed.out, "rollback\n", "{}", completed.err);

    assert_eq!(did(bare(&folder, &["man", "pages"]).output().unwrap()).code, 0);
    let page = std::fs::read_to_string(folder.join("pages/slipway-models-rollback.1")).unwrap();
    assert!(page.starts_with(".ie") && page.contains(".TH") && page.contains("to\\-version"), "{page}");
    assert!(folder.join("pages/slipway.1").exists());
    assert_eq!(did(bare(&folder, &["man", "bash/x"]).output().unwrap()).code, 2);
    std::fs::remove_dir_all(folder).unwrap();
}
