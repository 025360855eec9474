//! Lists what is built of the web app, so that `http::web` can embed it: each file of `web/dist` with its compressed forms and a tag
//! of its content. When nothing was built the list is empty, and the program says how to build it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=web/dist");
    // a folder that is not there would make every build a changed one
    fs::create_dir_all(&root)?;
    let mut files = BTreeMap::new();
    walk(&root, &root, &mut files)?;
    let mut code = String::from("&[\n");
    for (name, path) in files.iter().filter(|(name, _)| !name.ends_with(".br") && !name.ends_with(".gz")) {
        let mut hasher = DefaultHasher::new();
        fs::read(path)?.hash(&mut hasher);
        let form = |end: &str| match files.get(&format!("{name}{end}")) {
            Some(path) => format!("Some(include_bytes!({path:?}))"),
            None => "None".to_owned(),
        };
        let (brotli, gzip, tag) = (form(".br"), form(".gz"), hasher.finish());
        let _ = writeln!(
            code,
            "File {{ path: {:?}, tag: \"{tag:016x}\", plain: include_bytes!({path:?}), brotli: {brotli}, gzip: {gzip} }},",
            format!("/{name}")
        );
    }
    code.push(']');
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("web_files.rs"), code)
}

/// Finds all files below `folder`, by their path from `root` in the form of a URL.
fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(root, &path, files)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            files.insert(name.replace('\\', "/"), path);
        }
    }
    Ok(())
}
