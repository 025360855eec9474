//! `slipway demo`: the life of a model in a few minutes, told by the real server over its own API.

mod client;
mod files;
mod story;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::boot;
use crate::config::{Auth, Config};

use client::Client;
use files::Files;

/// How long the server may take to answer for the first time.
const READY: Duration = Duration::from_secs(30);

/// Starts a server, plays the story against it, and keeps serving until `stop` is true, or ends at once when `exit` is set.
pub(crate) async fn run(config: Config, exit: bool, stop: watch::Receiver<bool>) -> Result<(), String> {
    let (end, ended) = watch::channel(false);
    let mut asked = stop.clone();
    let relay = end.clone();
    tokio::spawn(async move {
        let _ = asked.wait_for(|stopping| *stopping).await;
        relay.send_replace(true);
    });
    let files = Files::new(&config.data_dir);
    let needs_key = config.auth == Auth::Required;
    let known_key = (!config.admin_key.is_empty()).then(|| config.admin_key.clone()).or_else(|| std::env::var("SLIPWAY_KEY").ok());
    let (here, at) = tokio::sync::oneshot::channel();
    let mut server = tokio::spawn(boot::serve_and_tell(config, ended, Some(here)));
    let started = tokio::select! {
        result = &mut server => return result.map_err(|e| e.to_string())?,
        at = at => at.map_err(|_| "the server did not start".to_owned())?,
    };
    // the owner of the machine needs no key on loopback, and neither do the lines that are shown
    if let Some(key) = started.key.as_ref().filter(|_| needs_key) {
        println!("\nThe lines below need the key:\n  export SLIPWAY_KEY={key}");
    }
    let key = started.key.or(known_key).filter(|_| needs_key);
    let keyless = needs_key && key.is_none();
    let client = Arc::new(Client::new(started.url, key)?);
    let story = async {
        if keyless {
            return Err("auth is required, and the admin key was shown at the first start: set SLIPWAY_KEY to it".to_owned());
        }
        files.write()?;
        client.wait_ready(READY).await?;
        story::tell(&client, &files).await
    };
    let told = tokio::select! {
        result = &mut server => return result.map_err(|e| e.to_string())?,
        told = story => told,
    };
    if told.is_ok() && !exit {
        println!("\nThe server goes on at {} until you press Ctrl-C.", client.url());
    }
    if exit || told.is_err() {
        end.send_replace(true);
    }
    server.await.map_err(|e| e.to_string())??;
    told.map_err(|e| format!("the demo failed: {e}"))
}
