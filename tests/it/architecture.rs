//! The import table of ARCHITECTURE.md, held against the `use crate::…` lines of the tree.

use std::fs;
use std::path::{Path, PathBuf};

/// Module, and the modules of ours that it may name besides itself.
const MAY_USE: [(&str, &[&str]); 14] = [
    ("domain", &[]),
    ("ml", &[]),
    ("stats", &[]),
    ("clock", &["domain"]),
    ("data", &["domain", "stats"]),
    ("store", &["domain"]),
    ("blob", &["domain"]),
    ("train", &["domain", "ml", "data"]),
    ("queue", &["domain", "store"]),
    ("infer", &["domain", "ml", "blob"]),
    ("service", &["domain", "ml", "stats", "data", "store", "blob", "train", "queue", "infer", "error", "clock", "config"]),
    ("moving", &["service", "store", "blob", "domain", "error", "config"]),
    ("worker", &["service", "queue", "domain", "error"]),
    ("http", &["service", "domain", "error", "config", "infer"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_module_points_up() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut crossed = Vec::new();
    let mut checked = 0;
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else { continue };
        checked += 1;
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            for (at, _) in line.match_indices("crate::") {
                let used: String = line[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if used != module && !used.is_empty() && !allowed.contains(&used.as_str()) {
                    crossed.push(format!("{}:{number} {module} may not use {used}", relative.display()));
                }
            }
        }
    }
    assert!(checked > 30, "only {checked} files were looked at");
    assert!(crossed.is_empty(), "{}", crossed.join("\n"));
}

#[test]
fn architecture_md_shows_the_same_table() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let table = page.split("| module | may use |\n|---|---|\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let row = |(module, allowed): &(&str, &[&str])| {
        let list = allowed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        format!("| `{module}` | {} |", if list.is_empty() { "nothing of ours" } else { &list })
    };
    let expected: Vec<String> = MAY_USE.iter().map(row).collect();
    assert_eq!(table.lines().collect::<Vec<_>>(), expected);
}
