//! The reference of all settings, docs/configuration.md: made from the comments of `config.default.toml`.

use std::fmt::Write as _;

const HEAD: &str = "# Settings

This page is made by `slipway config reference` from `src/config.default.toml`; a test keeps it fresh.

A flag wins over the environment, which wins over the settings file, which wins over the default. The file is `slipway.toml` in the
working folder, or the one named by `--config` or `SLIPWAY_CONFIG`. In the environment a setting is called `SLIPWAY_` and its key in
capitals: `SLIPWAY_DATABASE_URL`. An unknown key, in the file or in the environment, is an error, and so is a value of the wrong type
(exit code 2; the message names key and origin). `SLIPWAY_KEY`, `SLIPWAY_URL` and `SLIPWAY_PROFILE` are
left to clients, `SLIPWAY_TEST_…` to the tests.

`slipway config show --origin` lists the settings in force and where each comes from; the admin key and every password in a URL are
masked. Credentials of object stores are no settings: they come from the variables of the cloud in question (`AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`; `GOOGLE_…`; `AZURE_…`).

Flags: `--config`, `--data-dir`, `--database-url`, `--artifact-root` and `--log` with every command that runs a part of slipway itself,
`--host` and `--port` with `server`, `--port` with `demo`, `--slots` (`worker_slots`) with `worker`.

| key | default | meaning |
|---|---|---|
";

/// Writes the reference as Markdown.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let mut meaning: Vec<&str> = Vec::new();
    for line in super::DEFAULTS.lines() {
        match (line.strip_prefix("# "), line.split_once(" = ")) {
            (Some(text), _) => meaning.push(text),
            (None, Some((key, default))) => {
                let _ = writeln!(page, "| `{key}` | `{default}` | {} |", meaning.join(" ").replace('|', "\\|"));
                meaning.clear();
            }
            // what stands alone is the head of the file
            (None, None) => meaning.clear(),
        }
    }
    page
}
