//! Who carries events to webhooks: at every commit of this process, and now and then for those of others and for tries that come due.

use std::time::Duration;

use tokio::sync::watch;

use super::stopped;
use crate::service::{App, Events};

/// After a failure of the database.
const PAUSE: Duration = Duration::from_secs(2);

/// Delivers until `stop` is true. Every process may do it: they take from one another what they claim.
pub async fn deliver(app: App, mut stop: watch::Receiver<bool>) {
    let (webhooks, mut commits) = (app.webhooks(), app.events().watch());
    while !*stop.borrow() {
        let worked = tokio::select! {
            () = stopped(&mut stop) => return,
            worked = webhooks.work() => worked,
        };
        let pause = async {
            match worked {
                Ok(_) => Events::changed(&mut commits).await,
                Err(e) => {
                    tracing::warn!(error = %e, "webhooks could not be told");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = pause => {}
        }
    }
}
