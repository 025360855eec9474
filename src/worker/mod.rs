//! Who picks work up. A bell that rings is a hint: the worker then claims from the tables until nothing is runnable or its slots
//! are full, and a sweep now and then makes up for every bell that was not heard.

mod courier;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

pub use courier::deliver;

use crate::queue;
use crate::service::App;

/// Runs up to `slots` jobs at once until `stop` is true; returns when they have ended, which they do after a checkpoint.
pub async fn run(app: App, slots: usize, stop: watch::Receiver<bool>) {
    let worker = app.new_id();
    let bell = Arc::new(Notify::new());
    let listener = tokio::spawn(listen(app.clone(), bell.clone(), stop.clone()));
    let herald = tokio::spawn(be_seen(app.clone(), worker.clone(), slots));
    tracing::info!(worker.id = worker, slots, "worker is ready");
    let free = Arc::new(Semaphore::new(slots));
    let mut running = JoinSet::new();
    let mut sweep = interval(Duration::from_millis(app.config().job_reap_ms));
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopping = stop.clone();
    while !*stopping.borrow() {
        while !*stopping.borrow()
            && let Ok(slot) = free.clone().try_acquire_owned()
        {
            match app.jobs().claim(&worker).await {
                Ok(Some(claim)) => {
                    let (app, stop) = (app.clone(), stop.clone());
                    running.spawn(async move {
                        app.training().execute(claim, stop).await;
                        drop(slot);
                    });
                }
                Ok(None) => break,
                Err(e) => {
                    tracing::warn!(error = %e, "could not look for work");
                    break;
                }
            }
        }
        tokio::select! {
            () = stopped(&mut stopping) => {}
            () = bell.notified() => {}
            Some(_) = running.join_next() => {}
            _ = sweep.tick() => {}
        }
    }
    while running.join_next().await.is_some() {}
    herald.abort();
    if let Err(e) = app.workers().leave(&worker).await {
        tracing::debug!(error = %e, "the end of a worker was not noted; its silence will tell");
    }
    let _ = listener.await;
}

/// Says again and again that the worker is there.
async fn be_seen(app: App, worker: String, slots: usize) {
    let mut beat = interval(Duration::from_millis(app.config().job_beat_ms));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        if let Err(e) = app.workers().beat(&worker, slots).await {
            tracing::warn!(error = %e, "a worker could not say that it is there");
        }
    }
}

async fn listen(app: App, bell: Arc<Notify>, stop: watch::Receiver<bool>) {
    let ring = move |_job_id: String| bell.notify_one();
    queue::listen(app.db(), || app.new_id(), ring, stop).await;
}

/// Looks for lost attempts, and every hour for leftovers, until `stop` is true. Every process may do it.
pub async fn keep_house(app: App, mut stop: watch::Receiver<bool>) {
    let mut reap = interval(Duration::from_millis(app.config().job_reap_ms));
    let mut tidy = interval(Duration::from_secs(3600));
    reap.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = reap.tick() => match app.jobs().reap().await {
                Ok(0) => {}
                Ok(lost) => tracing::warn!(lost, "attempts were taken away from workers that fell silent"),
                Err(e) => tracing::warn!(error = %e, "could not look for lost attempts"),
            },
            _ = tidy.tick() => if let Err(e) = app.tidy().await {
                tracing::warn!(error = %e, "could not tidy up");
            },
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stopping| *stopping).await);
}
