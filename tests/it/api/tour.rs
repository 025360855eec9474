//! Every route is touched by a story: a new route without one fails here.

use std::collections::BTreeSet;

use super::client::{Api, get};
use super::{dataset, event, job, key, model, monitor, run, serving, webhook};
use crate::support::db::Engine;

#[tokio::test]
async fn every_route_answers_with_success_in_some_story() {
    let engine = Engine::Sqlite;
    let api = Api::new(engine).await;
    let rows: BTreeSet<String> = api.policy.iter().filter(|row| row.documented).map(|row| format!("{} {}", row.method, row.path)).collect();
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/app.js", "/docs/style.css"] {
        api.send(get(path)).await.expect(200);
    }
    let mut touched = api.end().await.1;
    touched.extend(key::story(engine).await.1);
    touched.extend(dataset::story(engine).await.1);
    touched.extend(run::story(engine).await.1);
    touched.extend(job::story(engine).await.1);
    touched.extend(model::story(engine).await.1);
    touched.extend(serving::story(engine).await.1);
    touched.extend(monitor::story(engine).await.1);
    touched.extend(webhook::story(engine).await.1);
    touched.extend(event::story(engine).await.1);
    let missed: Vec<_> = rows.difference(&touched).collect();
    assert!(missed.is_empty(), "no story gets a success from {missed:?}");
}
