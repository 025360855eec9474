//! `slipway demo`: the life of a model in a few minutes, told by the real server over its own API.

mod client;
mod story;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::boot;
use crate::config::Config;

use client::Client;

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
    let (here, at) = tokio::sync::oneshot::channel();
    let mut server = tokio::spawn(boot::serve_and_tell(config, ended, Some(here)));
    let started = tokio::select! {
        result = &mut server => return result.map_err(|e| e.to_string())?,
        at = at => at.map_err(|_| "the server did not start".to_owned())?,
    };
    let client = Arc::new(Client::new(started.url, started.key)?);
    client.wait_ready(READY).await?;
    let told = tokio::select! {
        result = &mut server => return result.map_err(|e| e.to_string())?,
        told = story::tell(&client) => told,
    };
    if let Err(e) = &told {
        eprintln!("the demo failed: {e}");
    } else if !exit {
        println!("\nThe server goes on at {} until you press Ctrl-C.", client.url());
    }
    if exit || told.is_err() {
        end.send_replace(true);
    }
    server.await.map_err(|e| e.to_string())??;
    told
}
