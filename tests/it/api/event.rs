//! Events: a list without gaps, and a stream that is taken up where it was left.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::client::{Api, Ask, get, post};
use crate::support::db::{ENGINES, Engine};

/// One event of a stream as it is sent.
#[derive(Debug, PartialEq)]
struct Sent {
    id: i64,
    kind: String,
    data: Value,
}

/// A client that follows the stream.
struct Follower {
    stream: BodyDataStream,
    read: String,
}

impl Follower {
    async fn new(api: &Api, ask: Ask) -> Self {
        let ask = ask.key(&api.keys.viewer);
        let response = api.raw(&ask, Ipv4Addr::LOCALHOST).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        api.touch(&ask);
        Self { stream: response.into_body().into_data_stream(), read: String::new() }
    }

    async fn next(&mut self) -> Sent {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
                let sent = Sent {
                    id: field("id:").parse().unwrap_or(-1),
                    kind: field("event:"),
                    data: serde_json::from_str(&field("data:")).unwrap(),
                };
                self.read = rest.to_owned();
                return sent;
            }
            let next = tokio::time::timeout(Duration::from_secs(30), self.stream.next()).await.expect("an event comes");
            self.read.push_str(std::str::from_utf8(&next.unwrap().unwrap()).unwrap());
        }
    }
}

async fn a_run(api: &Api, name: &str) {
    api.send(post("/api/v1/runs").json(json!({ "run_name": name }))).await.expect(201);
}

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    for name in ["a", "b", "c"] {
        a_run(&api, name).await;
    }
    let listed = api.tell(get("/api/v1/events?after=4")).await.expect(200).json();
    let listed = listed["items"].as_array().unwrap();
    assert_eq!(listed.iter().map(|event| event["seq"].as_i64().unwrap()).collect::<Vec<_>>(), [5, 6, 7]);
    api.tell(get("/api/v1/events?after=5&limit=1")).await.expect(200);
    api.tell(get("/api/v1/events?after=99999999999999")).await.expect(200);
    for query in ["limit=0", "limit=1001"] {
        api.tell(get(&format!("/api/v1/events?{query}"))).await.refused(400, "invalid_limit");
    }
    api.tell(get("/api/v1/events?after=first")).await.refused(400, "invalid_query");

    // from the start of the day, then live
    let mut all = Follower::new(&api, get("/api/v1/events/stream?after=4")).await;
    let mut live = Follower::new(&api, get("/api/v1/events/stream")).await;
    for event in listed {
        assert_eq!(all.next().await, Sent { id: event["seq"].as_i64().unwrap(), kind: "run.created".to_owned(), data: event.clone() });
    }
    a_run(&api, "d").await;
    let next = all.next().await;
    assert_eq!((next.id, &next.data["payload"]["run_name"]), (8, &json!("d")));
    assert_eq!(live.next().await, next);

    // taken up again after event 6: nothing is missed, nothing comes twice
    drop(all);
    let mut resumed = Follower::new(&api, get("/api/v1/events/stream?after=1").header("last-event-id", "6")).await;
    assert_eq!([resumed.next().await.id, resumed.next().await.id], [7, 8]);
    a_run(&api, "e").await;
    assert_eq!(resumed.next().await.id, 9);
    api.tell(get("/api/v1/events/stream").header("last-event-id", "x")).await.refused(400, "invalid_last_event_id");
    drop((live, resumed));
    api.end().await
}

#[tokio::test]
async fn a_stream_is_taken_up_where_it_was_left() {
    for engine in ENGINES {
        super::assert_story!("events", story(engine).await.0);
    }
}
