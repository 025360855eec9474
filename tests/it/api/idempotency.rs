//! `Idempotency-Key`: a request that is sent twice is carried out once, and both hear the same answer.

use std::sync::Arc;

use serde_json::json;
use slipway::domain::identity::{Caller, DEFAULT_WORKSPACE};
use slipway::service::Start;
use slipway::store::{self, idempotency::KeyRef};

use super::client::{Api, Ask, ask, get, post};
use super::given;
use crate::support::db::{ENGINES, Engine};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn keyed(ask: Ask, key: &str) -> Ask {
    ask.header("idempotency-key", key)
}

async fn runs(api: &Api) -> usize {
    api.send(get("/api/v1/runs")).await.json()["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_repeated_request_is_answered_byte_for_byte_and_carried_out_once() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let request = || keyed(post("/api/v1/runs").json(json!({ "run_name": "once" })), "a-key");
        let first = api.send(request()).await.expect(201);
        assert_eq!(first.header("idempotency-replayed"), "");
        let again = api.send(request()).await.expect(201);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!((&again.body, again.header("content-type")), (&first.body, first.header("content-type")));
        assert_eq!(runs(&api).await, 1, "{engine:?}");

        let other_body = keyed(post("/api/v1/runs").json(json!({ "run_name": "twice" })), "a-key");
        api.send(other_body).await.refused(422, "idempotency_key_reused");
        let other_path = keyed(post("/api/v1/models").json(json!({ "run_name": "once" })), "a-key");
        api.send(other_path).await.refused(422, "idempotency_key_reused");
        let of_another_caller = request().key(&api.keys.developer);
        assert_eq!(api.send(of_another_caller).await.expect(201).header("idempotency-replayed"), "");
        assert_eq!(runs(&api).await, 2, "{engine:?}");
        api.end().await;
    }
}

#[tokio::test]
async fn a_refusal_is_repeated_too() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let request = || keyed(post("/api/v1/models").json(json!({ "name": "tides" })), "k");
        api.send(post("/api/v1/models").json(json!({ "name": "tides" }))).await.expect(201);
        let first = api.send(request()).await.refused(409, "model_exists");
        let again = api.send(request()).await.refused(409, "model_exists");
        assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.body));
        api.end().await;
    }
}

#[tokio::test]
async fn of_many_at_once_one_job_is_made() {
    for engine in ENGINES {
        let api = Arc::new(Api::new(engine).await);
        given::dataset(&api).await;
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let api = api.clone();
                tokio::spawn(async move { api.send(keyed(post("/api/v1/jobs").json(given::spec(None, 1)), "train")).await })
            })
            .collect();
        let mut made = Vec::new();
        for task in tasks {
            let answer = task.await.unwrap();
            match answer.status.as_u16() {
                201 => made.push(answer.body),
                409 => assert_eq!(answer.code(), "idempotency_key_in_use"),
                other => panic!("{engine:?}: {other}"),
            }
        }
        assert!(!made.is_empty() && made.iter().all(|body| *body == made[0]), "{engine:?}: whoever is told of a job is told of the same");
        assert_eq!(api.send(get("/api/v1/jobs")).await.json()["items"].as_array().unwrap().len(), 1, "{engine:?}");
        Arc::into_inner(api).unwrap().end().await;
    }
}

#[tokio::test]
async fn a_key_is_visible_ascii_and_sent_once() {
    let api = Api::new(Engine::Sqlite).await;
    let request = || post("/api/v1/runs").json(json!({}));
    for bad in ["", "a b", "ü", &"x".repeat(256)] {
        api.send(keyed(request(), bad)).await.refused(400, "invalid_idempotency_key");
    }
    let mut twice = keyed(request(), "a");
    twice.headers.append("idempotency-key", "b".parse().unwrap());
    api.send(twice).await.refused(400, "invalid_idempotency_key");
    assert_eq!(runs(&api).await, 0);
    api.send(keyed(request(), &"x".repeat(255))).await.expect(201);
    let elsewhere = api.send(keyed(get("/api/v1/runs"), "a b")).await.expect(200);
    assert_eq!(elsewhere.json()["items"].as_array().unwrap().len(), 1, "only POST looks at the key");
    api.send(keyed(request(), "k").key(&api.keys.viewer)).await.refused(403, "permission_denied");
    api.send(keyed(request(), "k")).await.expect(201);
    api.end().await;
}

#[tokio::test]
async fn a_dead_request_locks_its_key_for_a_minute_and_an_answer_is_kept_for_a_day() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let app = &api.world.app;
        let me = Caller::local();
        let Start::Run(dead) = app.idempotency().start(&me, "k", "f").await.unwrap() else { panic!("the key is new") };
        api.world.clock.advance_ms(59_999);
        assert!(matches!(app.idempotency().start(&me, "k", "f").await.unwrap(), Start::Running), "{engine:?}");
        api.world.clock.advance_ms(1);
        assert!(matches!(app.idempotency().start(&me, "k", "g").await.unwrap(), Start::Reused), "{engine:?}");
        let Start::Run(heir) = app.idempotency().start(&me, "k", "f").await.unwrap() else { panic!("{engine:?}: it may be taken over") };

        // the first one was only slow: what it says now is not heard
        let answer = |text: &str| slipway::service::Answer { status: 201, content_type: "text/plain".to_owned(), body: text.into() };
        app.idempotency().remember(&dead, answer("late")).await.unwrap();
        app.idempotency().release(&dead).await.unwrap();
        assert!(matches!(app.idempotency().start(&me, "k", "f").await.unwrap(), Start::Running), "{engine:?}");
        app.idempotency().remember(&heir, answer("heir")).await.unwrap();
        let Start::Answered(heard) = app.idempotency().start(&me, "k", "f").await.unwrap() else { panic!("{engine:?}: it is answered") };
        assert_eq!(heard, answer("heir"));

        api.world.clock.advance_ms(DAY_MS - 1);
        assert!(matches!(app.idempotency().start(&me, "k", "f").await.unwrap(), Start::Answered(_)), "{engine:?}");
        api.world.clock.advance_ms(2);
        app.tidy().await.unwrap();
        let mut tx = api.world.db.read().await.unwrap();
        let key = KeyRef { workspace: DEFAULT_WORKSPACE, principal: &me.principal, key: "k" };
        assert_eq!(store::idempotency::find(&mut tx, key).await.unwrap(), None, "{engine:?}: tidied away");
        drop(tx);
        assert!(matches!(app.idempotency().start(&me, "k", "g").await.unwrap(), Start::Run(_)), "{engine:?}");
        api.end().await;
    }
}

#[tokio::test]
async fn a_renewed_reservation_is_not_taken_over() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let (idempotency, me) = (api.world.app.idempotency(), Caller::local());
        let Start::Run(mut slow) = idempotency.start(&me, "k", "f").await.unwrap() else { panic!("the key is new") };
        for _ in 0..5 {
            api.world.clock.advance_ms(40_000);
            idempotency.renew(&mut slow).await.unwrap();
            assert!(matches!(idempotency.start(&me, "k", "f").await.unwrap(), Start::Running), "{engine:?}");
        }
        api.end().await;
    }
}

#[tokio::test]
async fn an_upload_is_known_by_its_address_and_an_interrupted_one_is_forgotten() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let versions = "/api/v1/datasets/tides/versions";
        let upload = |body: &[u8]| keyed(post(versions).bytes("text/csv", body), "up");
        let first = api.send(upload(b"a\n1\n")).await.expect(201);
        let again = api.send(upload(b"a\n2\n")).await.expect(201);
        assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.body));
        let elsewhere = keyed(post("/api/v1/datasets/other/versions").bytes("text/csv", b"a\n1\n"), "up");
        api.send(elsewhere).await.refused(422, "idempotency_key_reused");

        let broken = futures::stream::iter([Ok(bytes::Bytes::from_static(b"a\n")), Err(std::io::Error::other("gone"))]);
        let request = axum::http::Request::post(versions)
            .header("authorization", format!("Bearer {}", api.keys.admin))
            .header("content-type", "text/csv")
            .header("idempotency-key", "cut")
            .body(axum::body::Body::from_stream(broken))
            .unwrap();
        let cut = tower::ServiceExt::oneshot(api.router.clone(), request).await.unwrap();
        assert_eq!(cut.status(), 400, "{engine:?}: upload_interrupted");
        let retried = api.send(keyed(post(versions).bytes("text/csv", b"a\n3\n"), "cut")).await.expect(201);
        assert_eq!(retried.json()["version"], json!(2), "{engine:?}");
        api.end().await;
    }
}

#[tokio::test]
async fn a_made_key_is_not_kept_for_a_repeated_request() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let request = || keyed(post("/api/v1/keys").json(json!({ "name": "ci", "role": "viewer" })), "k");
        let before = api.send(get("/api/v1/keys")).await.json()["items"].as_array().unwrap().len();
        let made = api.send(request()).await.expect(201).json();
        api.send(request()).await.refused(409, "answer_not_kept");
        assert_eq!(api.send(get("/api/v1/keys")).await.json()["items"].as_array().unwrap().len(), before + 1, "{engine:?}");
        let mut tx = api.world.db.read().await.unwrap();
        let principal = format!("key:{}", slipway::domain::key::parse(&api.keys.admin).unwrap());
        let key = KeyRef { workspace: DEFAULT_WORKSPACE, principal: &principal, key: "k" };
        let kept = store::idempotency::find(&mut tx, key).await.unwrap().unwrap().answer.unwrap();
        drop(tx);
        assert_eq!((kept.0, kept.2.as_slice()), (201, &b""[..]), "{engine:?}: {} is stored nowhere", made["key_id"]);
        api.end().await;
    }
}

#[tokio::test]
async fn a_failure_of_the_server_frees_the_key() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let versions = "/api/v1/datasets/tides/versions";
        let upload = || keyed(post(versions).bytes("text/csv", b"a\n1\n"), "k");
        // a file where the spool folder should be: nothing can be received
        let spool = api.world.folder.join("spool");
        std::fs::write(&spool, b"").unwrap();
        let failed = api.send(upload()).await;
        assert!(failed.status.is_server_error(), "{engine:?}: {}", failed.status);
        std::fs::remove_file(&spool).unwrap();
        assert_eq!(api.send(upload()).await.expect(201).header("idempotency-replayed"), "", "{engine:?}");
        api.end().await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_kept() {
    let api = Api::new(Engine::Sqlite).await;
    let body = vec![b' '; api.world.app.config().body_limit + 1];
    let large = |ask: Ask| ask.bytes("application/json", &body);
    api.send(keyed(large(post("/api/v1/runs")), "k")).await.refused(413, "body_too_large");
    api.send(large(post("/api/v1/runs"))).await.refused(413, "body_too_large");
    api.send(large(ask("PATCH", "/api/v1/models/x"))).await.refused(413, "body_too_large");
    api.send(keyed(post("/api/v1/runs").json(json!({})), "k")).await.expect(201);
    api.end().await;
}
