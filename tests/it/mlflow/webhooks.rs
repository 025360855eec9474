//! Webhooks against a real receiver: what it gets, how it is signed, what happens when it fails, when servers die, and where no
//! request ever goes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use serde_json::{Value, json};
use slipway::config::WebhookTargets;
use slipway::domain::identity::Caller;
use slipway::service::{App, WebhookChange};
use tokio::net::TcpListener;

use super::Door;
use crate::support::db::{ENGINES, Engine};

/// What came in: headers and body.
type Got = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A receiver that answers as it is told.
struct Receiver {
    address: SocketAddr,
    got: Got,
    status: Arc<Mutex<StatusCode>>,
}

async fn take(
    State((got, status)): State<(Got, Arc<Mutex<StatusCode>>)>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, &'static str) {
    got.lock().unwrap().push((headers, String::from_utf8(body.to_vec()).unwrap()));
    let status = *status.lock().unwrap();
    let mut headers = HeaderMap::new();
    if status.is_redirection() {
        headers.insert("location", "http://127.0.0.1:1/elsewhere".parse().unwrap());
    }
    (status, headers, "taken")
}

impl Receiver {
    async fn start() -> Self {
        let (got, status) = (Got::default(), Arc::new(Mutex::new(StatusCode::OK)));
        let router = Router::new().fallback(take).with_state((got.clone(), status.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, got, status }
    }

    fn url(&self) -> String {
        format!("http://{}/hook?token=x", self.address)
    }

    fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = StatusCode::from_u16(status).unwrap();
    }

    fn taken(&self) -> Vec<(HeaderMap, String)> {
        std::mem::take(&mut self.got.lock().unwrap())
    }
}

/// A door whose webhooks may go anywhere.
async fn open_door(engine: Engine) -> (Door, App) {
    let door = Door::new(engine).await;
    let mut config = door.world.app.config().clone();
    config.webhook_targets = WebhookTargets::Any;
    config.secret_key = "a key that all servers share".to_owned();
    let app = door.world.another_with(config);
    (door, app)
}

fn hook(url: &str, events: &[&str]) -> WebhookChange {
    let events = events.iter().map(|kind| (*kind).to_owned()).collect();
    let (name, url, secret) = (Some("hook".to_owned()), Some(url.to_owned()), Some("s3cret".to_owned()));
    WebhookChange { name, url, events: Some(events), secret, ..WebhookChange::default() }
}

fn signed(headers: &HeaderMap, body: &str) -> String {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"s3cret");
    let content = format!("{}.{}.{body}", text("x-mlflow-delivery-id"), text("x-mlflow-timestamp"));
    let signature = text("x-mlflow-signature").strip_prefix("v1,").unwrap().to_owned();
    let signature = base64::engine::general_purpose::STANDARD.decode(signature).unwrap();
    ring::hmac::verify(&key, content.as_bytes(), &signature).expect("the signature holds");
    text("x-mlflow-delivery-id")
}

#[tokio::test]
async fn an_event_is_delivered_once_signed_and_in_mlflows_form() {
    for engine in ENGINES {
        let ((door, app), receiver, me) = (open_door(engine).await, Receiver::start().await, Caller::local());
        app.models().create(&me, "before", "", &[]).await.unwrap();
        let made = app.webhooks().create(&me, hook(&receiver.url(), &["registered_model.created", "run.created"])).await.unwrap();
        assert!(made.signed);
        app.models().create(&me, "tides", "high and low", &[]).await.unwrap();
        assert_eq!(app.webhooks().work().await.unwrap(), 1);
        assert_eq!(app.webhooks().work().await.unwrap(), 0);
        let taken = receiver.taken();
        let [(headers, body)] = taken.as_slice() else { panic!("{taken:?}") };
        let id = signed(headers, body);
        assert_eq!(headers["content-type"], "application/json");
        let told: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&told["entity"], &told["action"], &told["data"]["name"]),
            (&json!("registered_model"), &json!("created"), &json!("tides"))
        );

        // its history, and once more under the same id
        let page = slipway::domain::page::PageRequest::parse(None, None).unwrap();
        let history = app.webhooks().deliveries(&me, &made.webhook_id, &page).await.unwrap().items;
        assert_eq!(history.len(), 1);
        assert_eq!(
            (history[0].delivery_id.as_str(), history[0].state.as_str(), history[0].response_status),
            (id.as_str(), "DELIVERED", Some(200))
        );
        app.webhooks().replay(&me, &made.webhook_id, &id).await.unwrap();
        assert_eq!(app.webhooks().replay(&me, &made.webhook_id, &id).await.unwrap_err().code, "invalid_state");
        app.webhooks().work().await.unwrap();
        let again = receiver.taken();
        assert_eq!((again.len(), signed(&again[0].0, &again[0].1), &again[0].1), (1, id, body));
        door.world.end().await;
    }
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_and_given_up_in_the_end() {
    for engine in ENGINES {
        let ((door, app), receiver, me) = (open_door(engine).await, Receiver::start().await, Caller::local());
        let made = app.webhooks().create(&me, hook(&receiver.url(), &["registered_model.created"])).await.unwrap();
        app.models().create(&me, "tides", "", &[]).await.unwrap();
        let page = slipway::domain::page::PageRequest::parse(None, None).unwrap();
        receiver.answer(503);
        app.webhooks().work().await.unwrap();
        let one = || async { app.webhooks().deliveries(&me, &made.webhook_id, &page).await.unwrap().items.pop().unwrap() };
        let tried = one().await;
        assert_eq!((tried.state.as_str(), tried.attempts, tried.response_status), ("RETRYING", 1, Some(503)));
        assert_eq!(tried.error.as_deref(), Some("the receiver answered 503"));
        assert_eq!(app.webhooks().work().await.unwrap(), 0, "not due yet");
        for _ in 0..30 {
            door.world.clock.advance_ms(3_600_000);
            app.webhooks().work().await.unwrap();
        }
        let dead = one().await;
        assert_eq!((dead.state.as_str(), dead.attempts, dead.next_attempt_at), ("DEAD", 17, None));
        assert_eq!(receiver.taken().len(), 17);
        receiver.answer(200);
        app.webhooks().replay(&me, &made.webhook_id, &dead.delivery_id).await.unwrap();
        app.webhooks().work().await.unwrap();
        assert_eq!(one().await.state.as_str(), "DELIVERED");
        assert_eq!(receiver.taken().len(), 1);

        // a redirect is no delivery and is not followed; one that is disabled is told nothing
        receiver.answer(302);
        app.models().create(&me, "waves", "", &[]).await.unwrap();
        app.webhooks().work().await.unwrap();
        assert_eq!((receiver.taken().len(), one().await.seq > 0), (1, true));
        let off = WebhookChange { status: Some(slipway::domain::webhook::WebhookStatus::Disabled), ..WebhookChange::default() };
        app.webhooks().update(&me, &made.webhook_id, off).await.unwrap();
        app.models().create(&me, "winds", "", &[]).await.unwrap();
        app.webhooks().work().await.unwrap();
        assert!(receiver.taken().is_empty());
        door.world.end().await;
    }
}

#[tokio::test]
async fn servers_that_die_lose_nothing_and_share_the_work() {
    for engine in ENGINES {
        let ((door, app), receiver, me) = (open_door(engine).await, Receiver::start().await, Caller::local());
        let made = app.webhooks().create(&me, hook(&receiver.url(), &["registered_model.created"])).await.unwrap();
        for i in 0..30 {
            app.models().create(&me, &format!("m{i}"), "", &[]).await.unwrap();
        }
        // one server claims and dies before it says how it went
        let mut tx = door.world.db.begin().await.unwrap();
        let none = slipway::store::webhook::claim(&mut tx, door.world.now(), door.world.now().plus_ms(1), 5).await.unwrap();
        assert!(none.is_empty(), "events are no deliveries before somebody looked");
        tx.commit().await.unwrap();
        let mut config = app.config().clone();
        config.webhook_targets = WebhookTargets::Any;
        let other = door.world.another_with(config);
        let (a, b) = tokio::join!(app.webhooks().work(), async { other.webhooks().work().await });
        assert_eq!(a.unwrap() + b.unwrap(), 30, "each was tried by one of two");
        let ids: std::collections::BTreeSet<String> = receiver.taken().iter().map(|(headers, body)| signed(headers, body)).collect();
        assert_eq!(ids.len(), 30);
        app.webhooks().replay(&me, &made.webhook_id, ids.first().unwrap()).await.unwrap();
        let mut tx = door.world.db.begin().await.unwrap();
        let now = door.world.now();
        let claimed = slipway::store::webhook::claim(&mut tx, now, now.plus_ms(60_000), 5).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!(app.webhooks().work().await.unwrap(), 0, "somebody else has it");
        door.world.clock.advance_ms(60_000);
        assert_eq!(other.webhooks().work().await.unwrap(), 1, "it came due again");
        assert_eq!(receiver.taken().len(), 1);
        door.world.end().await;
    }
}

#[tokio::test]
async fn no_request_goes_into_the_own_network() {
    let door = Door::new(Engine::Sqlite).await;
    let (app, receiver, me) = (&door.world.app, Receiver::start().await, Caller::local());
    for url in [
        receiver.url(),
        format!("https://{}/", receiver.address),
        "https://169.254.169.254/latest/".to_owned(),
        "https://[::1]/".to_owned(),
    ] {
        assert_eq!(app.webhooks().create(&me, hook(&url, &["run.created"])).await.unwrap_err().code, "invalid_url", "{url}");
    }
    // a name that leads home is found out when it is asked; one that was allowed once is not any more
    let mut config = app.config().clone();
    config.webhook_targets = WebhookTargets::Any;
    let open = door.world.another_with(config);
    for url in [receiver.url(), format!("https://localhost:{}/", receiver.address.port())] {
        let made = open.webhooks().create(&me, hook(&url, &["run.created"])).await.unwrap();
        let answered = app.webhooks().test(&me, &made.webhook_id, None).await.unwrap();
        assert_eq!((answered.status, answered.body.as_str()), (None, ""), "{url}");
        assert!(answered.error.unwrap().contains("webhook"), "{url}");
    }
    assert!(receiver.taken().is_empty());
    door.world.end().await;
}

#[tokio::test]
async fn secrets_are_sealed_and_never_shown() {
    for engine in ENGINES {
        let ((door, app), receiver, me) = (open_door(engine).await, Receiver::start().await, Caller::local());
        let made = app.webhooks().create(&me, hook(&receiver.url(), &["run.created"])).await.unwrap();
        assert!(!serde_json::to_string(&made).unwrap().contains("s3cret"));
        let mut tx = door.world.db.begin().await.unwrap();
        let stored = slipway::store::webhook::find(&mut tx, "default", &made.webhook_id).await.unwrap().unwrap().secret.unwrap();
        drop(tx);
        assert!(stored.starts_with("sealed:") && !stored.contains("s3cret"));
        assert!(app.webhooks().test(&me, &made.webhook_id, None).await.unwrap().is_delivered());
        let taken = receiver.taken();
        signed(&taken[0].0, &taken[0].1);
        // a server with another key says so instead of sending what nobody can check
        let mut config = app.config().clone();
        config.secret_key = "another key".to_owned();
        let other = door.world.another_with(config);
        assert_eq!(other.webhooks().test(&me, &made.webhook_id, None).await.unwrap_err().code, "secret_unreadable");
        let none = WebhookChange { secret: Some(String::new()), ..WebhookChange::default() };
        assert!(!app.webhooks().update(&me, &made.webhook_id, none).await.unwrap().signed);
        app.webhooks().test(&me, &made.webhook_id, None).await.unwrap();
        assert!(!receiver.taken()[0].0.contains_key("x-mlflow-signature"));
        door.world.end().await;
    }
}

#[tokio::test]
async fn mlflows_routes_make_change_and_delete_webhooks() {
    for engine in ENGINES {
        let (mut door, app) = open_door(engine).await;
        let (_, key) = app.keys().create(&Caller::local(), "operator", slipway::domain::identity::Role::Operator, None).await.unwrap();
        (door.router, door.key) = (slipway::http::build(&app, None).unwrap().router, key);
        let receiver = Receiver::start().await;
        let events = json!([{ "entity": "REGISTERED_MODEL", "action": "CREATED" }, { "entity": 4, "action": 1 }]);
        let body = json!({ "name": "hook", "url": receiver.url(), "events": events, "secret": "s3cret", "description": "d" });
        let made = door.post("webhooks", body.clone()).await["webhook"].clone();
        assert_eq!(
            (&made["status"], &made["description"], &made["events"][1]),
            (&json!("ACTIVE"), &json!("d"), &json!({ "entity": "REGISTERED_MODEL", "action": "CREATED" }))
        );
        assert!(!made.to_string().contains("s3cret"));
        let id = made["webhook_id"].as_str().unwrap().to_owned();
        let tested = door.post(&format!("webhooks/{id}/test"), json!({})).await;
        assert_eq!(tested["result"], json!({ "success": true, "response_status": 200, "response_body": "taken" }));
        for i in 0..3 {
            door.post("webhooks", json!({ "name": format!("more{i}"), "url": receiver.url(), "events": events })).await;
        }
        let first = door.get("webhooks?max_results=3").await;
        let rest = door.get(&format!("webhooks?max_results=3&page_token={}", first["next_page_token"].as_str().unwrap())).await;
        assert_eq!((first["webhooks"].as_array().unwrap().len(), rest["webhooks"].as_array().unwrap().len()), (3, 1));
        let path = format!("/api/2.0/mlflow/webhooks/{id}");
        let (status, body_) = door.send(door.request("PATCH", &path, json!({ "status": "DISABLED", "name": "new" }).to_string())).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(serde_json::from_slice::<Value>(&body_).unwrap()["webhook"]["status"], "DISABLED");
        assert_eq!(door.get(&format!("webhooks/{id}")).await["webhook"]["name"], "new");
        assert_eq!(door.send(door.request("DELETE", &path, Body::empty())).await.0, StatusCode::OK);
        assert_eq!(door.try_get(&format!("webhooks/{id}")).await.0, 404);
        for bad in [
            json!({ "name": "-", "url": receiver.url(), "events": events }),
            json!({ "name": "a", "url": "gopher://x", "events": events }),
            json!({ "name": "a", "url": receiver.url(), "events": [] }),
            json!({ "name": "a", "url": receiver.url(), "events": [{ "entity": "PROMPT", "action": "EXCEEDED" }] }),
            json!({ "url": receiver.url(), "events": events }),
        ] {
            assert_eq!(door.refused(400, "webhooks", bad).await.0, "INVALID_PARAMETER_VALUE");
        }
        door.world.end().await;
    }
}
