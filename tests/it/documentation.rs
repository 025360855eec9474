//! The pages of the documentation: every link leads somewhere, and the table of contents knows every page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, by their path from the root.
fn pages() -> BTreeMap<PathBuf, String> {
    let mut waiting = vec![PathBuf::from("docs"), PathBuf::from("demo")];
    let mut found: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(PathBuf::from).into();
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            match path.extension() {
                _ if root().join(&path).is_dir() => waiting.push(path),
                Some(extension) if extension == "md" => found.push(path),
                _ => {}
            }
        }
    }
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(root().join(&path)).unwrap())).collect()
}

/// The lines that are prose: what stands between fences is not read as Markdown.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_fence = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_fence ^= is_fence;
        !in_fence && !is_fence
    })
}

/// Takes out what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "" }).collect()
}

/// The targets of the links of a page.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let line = without_code(line);
        for (at, _) in line.match_indices("](") {
            found.push(line[at + 2..].split(')').next().unwrap().split_whitespace().next().unwrap_or_default().to_owned());
        }
    }
    found
}

/// What a heading is called in an address, as GitHub and mdBook make it.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in prose(text) {
        let Some(heading) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#')).filter(|rest| rest.starts_with(' ')) else {
            continue;
        };
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
        let same = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(same).find(|name| !found.contains(name)).unwrap();
        found.insert(free);
    }
    found
}

/// Takes the steps `.` and `..` out of a path.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => assert!(plain.pop(), "{} leaves the repository", path.display()),
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_link_leads_to_a_file_that_is_there_and_to_a_heading_of_it() {
    let pages = pages();
    let (mut broken, mut checked) = (Vec::new(), 0);
    for (page, text) in &pages {
        for link in links(text) {
            if ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
                continue;
            }
            checked += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { plain(&page.parent().unwrap().join(file)) };
            let there = root().join(&target).exists();
            let known = anchor.is_empty() || pages.get(&target).is_some_and(|text| anchors(text).contains(anchor));
            if !there || !known {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(checked > 100, "only {checked} links were looked at");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_table_of_contents_has_every_page_once() {
    let pages = pages();
    let summary = &pages[Path::new("docs/SUMMARY.md")];
    let listed: Vec<PathBuf> = links(summary).iter().map(|link| plain(&Path::new("docs").join(link))).collect();
    let distinct: BTreeSet<&PathBuf> = listed.iter().collect();
    assert_eq!(distinct.len(), listed.len(), "a page is listed twice");
    let aside = PathBuf::from("docs/SUMMARY.md");
    let missing: Vec<&PathBuf> = pages.keys().filter(|page| !distinct.contains(page) && **page != aside).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md does not list {missing:?}");
}

#[test]
fn links_and_anchors_are_read_as_they_are_meant() {
    let text = "# A `b` (c)\n\n[x](a.md#b) and [y](c.md \"title\") `[no](code)`\n\n```\n# no\n[no](fence)\n```\n## A b c\n## Für: 1/2\n";
    assert_eq!(links(text), ["a.md#b", "c.md"]);
    assert_eq!(anchors(text).into_iter().collect::<Vec<_>>(), ["a-b-c", "a-b-c-1", "für-12"]);
}
