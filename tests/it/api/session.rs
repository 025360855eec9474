//! Sign-ins of browsers: a cookie stands for a key, is no more than the key, and is of no use to other pages.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use axum::body::to_bytes;
use serde_json::{Value, json};
use slipway::domain::key;
use slipway::store::Db;

use super::client::{Answer, Api, Ask, ask, get, post};
use crate::support::db::{ENGINES, Engine};

const HOST: &str = "ml.example";

/// Asks as a browser on another machine does: with a cookie and no key.
async fn browse(api: &Api, cookie: &str, ask: Ask) -> Answer {
    let ask = ask.header("host", HOST).header("cookie", &format!("theme=dark; {cookie}"));
    let (parts, body) = api.raw(&ask, Ipv4Addr::new(192, 0, 2, 1)).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn sign_in(api: &Api, key: &str) -> String {
    let answer = api.send(post("/api/v1/session").json(json!({ "key": key }))).await.expect(201);
    let cookie = answer.header("set-cookie").to_owned();
    let (pair, rest) = cookie.split_once(';').unwrap();
    assert_eq!(rest, " Path=/; Max-Age=1209600; HttpOnly; SameSite=Strict");
    assert!(!cookie.contains(key), "the browser keeps no key");
    pair.to_owned()
}

fn from_our_page(ask: Ask) -> Ask {
    ask.header("origin", "https://ml.example")
}

pub async fn story(engine: Engine) -> (Value, BTreeSet<String>) {
    let api = Api::new(engine).await;
    let viewer = api.keys.viewer.clone();
    let cookie = sign_in(&api, &viewer).await;
    let expected = json!({
        "workspace": "default",
        "principal": format!("key:{}", key::parse(&viewer).unwrap()),
        "role": "viewer",
        "server_version": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(browse(&api, &cookie, get("/api/v1/session")).await.expect(200).json(), expected);
    assert_eq!(api.send(get("/api/v1/session")).await.expect(200).json()["role"], "admin", "a key says who calls as well");
    let gone = from_our_page(ask("DELETE", "/api/v1/session"));
    let answer = browse(&api, &cookie, gone).await.expect(204);
    assert_eq!(answer.header("set-cookie"), "slipway_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    browse(&api, &cookie, get("/api/v1/session")).await.refused(401, "missing_key");
    api.send(ask("DELETE", "/api/v1/session")).await.expect(204);
    api.end().await
}

#[tokio::test]
async fn a_browser_signs_in_and_out() {
    for engine in ENGINES {
        story(engine).await;
    }
}

#[tokio::test]
async fn a_session_is_no_more_than_its_key() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        let cookie = sign_in(&api, &api.keys.viewer).await;
        browse(&api, &cookie, get("/api/v1/datasets")).await.expect(200);
        browse(&api, &cookie, get("/api/v1/keys")).await.refused(403, "permission_denied");
        browse(&api, "slipway_session=00", get("/api/v1/datasets")).await.refused(401, "missing_key");
        let refused = |key: &str| post("/api/v1/session").json(json!({ "key": key }));
        api.send(refused("slw_no_key")).await.refused(401, "invalid_key");
        api.send(post("/api/v1/session").json(json!({}))).await.refused(400, "invalid_body");

        let id = key::parse(&api.keys.viewer).unwrap().to_owned();
        api.send(ask("DELETE", &format!("/api/v1/keys/{id}"))).await.expect(204);
        browse(&api, &cookie, get("/api/v1/datasets")).await.refused(401, "missing_key");

        let hour = json!({ "name": "visitor", "role": "viewer", "expires_at": "2026-01-01T01:00:00Z" });
        let made = api.send(post("/api/v1/keys").json(hour)).await.expect(201).json();
        let visitor = sign_in(&api, made["key"].as_str().unwrap()).await;
        let lasting = sign_in(&api, &api.keys.admin).await;
        api.world.clock.advance_ms(3_600_000);
        browse(&api, &visitor, get("/api/v1/datasets")).await.refused(401, "missing_key");
        browse(&api, &lasting, get("/api/v1/datasets")).await.expect(200);
        api.world.clock.advance_ms(13 * 86_400_000 + 23 * 3_600_000);
        browse(&api, &lasting, get("/api/v1/datasets")).await.refused(401, "missing_key");
        api.world.clock.advance_ms(1);
        api.world.app.tidy().await.unwrap();
        assert_eq!(kept(&api.world.db).await, 0, "{engine:?}: sessions that ended are forgotten");
        api.end().await;
    }
}

async fn kept(db: &Db) -> i64 {
    let sql = "select count(*) from sessions";
    match db {
        Db::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
        Db::Sqlite { reader, .. } => sqlx::query_scalar(sql).fetch_one(reader).await.unwrap(),
    }
}

#[tokio::test]
async fn another_page_gains_nothing_from_the_cookie() {
    let api = Api::new(Engine::Sqlite).await;
    let cookie = sign_in(&api, &api.keys.admin).await;
    let make = || post("/api/v1/models").json(json!({ "name": "x" }));
    for origin in ["https://evil.example", "http://ml.example:9000", "null", ""] {
        browse(&api, &cookie, make().header("origin", origin)).await.refused(403, "foreign_origin");
    }
    browse(&api, &cookie, make()).await.refused(403, "foreign_origin");
    browse(&api, &cookie, from_our_page(make())).await.expect(201);
    // a key of its own in the request needs no page
    let keyed = make().key(&api.keys.admin).header("origin", "https://evil.example");
    browse(&api, &cookie, keyed).await.refused(409, "model_exists");
    api.end().await;
}
