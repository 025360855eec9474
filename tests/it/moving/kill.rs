//! An import that is killed at any moment goes on when it is called again.

use std::process::{Command, Stdio};
use std::time::Duration;

use slipway::boot;
use slipway::config::{Sources, load};

use super::server::{assert_equal, fill, serve};
use crate::support::db::{Engine, World};

#[tokio::test]
async fn an_import_that_is_killed_again_and_again_comes_to_its_end() {
    let there = World::new(Engine::Sqlite).await;
    fill(&there.app, 40).await;
    let (url, serving) = serve(&there.app).await;
    let folder = there.folder.join("here");
    let begin = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SLIPWAY_")) {
            command.env_remove(name);
        }
        command.args(["import", "mlflow", &url, "--data-dir"]).arg(&folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // each is let go on for a little longer than the one before
    let mut killed = 0;
    for patience in 1..20 {
        let mut child = begin();
        tokio::time::sleep(Duration::from_millis(40 * patience)).await;
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    assert!(killed > 2, "it was too fast to be killed");
    let output = tokio::task::spawn_blocking(move || begin().wait_with_output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("all that was read is here"), "{text}");
    let flags = vec![("data_dir", there.folder.join("here").display().to_string())];
    let (config, _) = load(&Sources { flags, ..Sources::default() }).unwrap();
    let (here, _) = boot::open(config).await.unwrap();
    assert_equal(&there.app, &here).await;
    serving.abort();
    drop(here);
    there.end().await;
}
