//! Promotions and rollbacks under load: no request fails, and every answer is one version's whole answer. `SLIPWAY_SWAPS` sets how
//! often the alias moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{answers, predict, rows, train};
use crate::faults::{CSV, Place};
use crate::support::db::ENGINES;
use crate::support::process::Client;
use crate::support::rng::{Rng, setting};

/// A request, and what each version answers to it.
struct Question {
    path: &'static str,
    body: Value,
    answers: [String; 2],
}

/// One row and many, in both protocols; asked of the version by its number, so what is expected does not pass through the alias.
async fn questions(client: &Client) -> Vec<Question> {
    let rows = rows();
    let flat: Vec<f64> = rows[..7].concat();
    let infer = json!({ "inputs": [{ "name": "input", "datatype": "FP32", "shape": [7, 30], "data": flat }] });
    let asked = [
        ("/v1/models/cells:predict", "/v1/models/cells/versions/N:predict", json!({ "instances": rows[..1] })),
        ("/v1/models/cells:predict", "/v1/models/cells/versions/N:predict", json!({ "instances": rows[3..40] })),
        // beyond what is computed where the request is handled
        ("/v1/models/cells:predict", "/v1/models/cells/versions/N:predict", json!({ "instances": rows[..300] })),
        ("/v2/models/cells/infer", "/v2/models/cells/versions/N/infer", infer),
    ];
    let mut questions = Vec::new();
    for (path, by_number, body) in asked {
        let mut answers = [String::new(), String::new()];
        for (version, answer) in (1..).zip(&mut answers) {
            let (by, text) = predict(client, &by_number.replace('N', &version.to_string()), &body).await.unwrap();
            assert_eq!(by, version.to_string());
            *answer = text;
        }
        assert_ne!(answers[0], answers[1], "the versions can be told apart");
        questions.push(Question { path, body, answers });
    }
    questions
}

/// Asks until told to stop; returns how often each version answered.
async fn ask(client: Client, questions: Arc<Vec<Question>>, seed: u64, stop: Arc<AtomicBool>) -> [u64; 2] {
    let (mut rng, mut answered) = (Rng::new(seed), [0, 0]);
    while !stop.load(Ordering::Relaxed) {
        let question = &questions[rng.below(questions.len() as u64) as usize];
        let (by, text) = predict(&client, question.path, &question.body).await.unwrap_or_else(|e| panic!("a request failed: {e}"));
        let place = ["1", "2"].iter().position(|version| *version == by).unwrap_or_else(|| panic!("version {by:?}"));
        assert_eq!(text, question.answers[place], "an answer that is not version {by}'s");
        answered[place] += 1;
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn promotions_and_rollbacks_under_load_fail_no_request_and_mix_no_versions() {
    let swaps = setting("SLIPWAY_SWAPS", 100);
    for engine in ENGINES {
        let place = Place::new(engine, "swaps").await;
        let (server, url) = place.setup("server").with("log", "warn").server();
        let client = Client::new(&url);
        client.upload("cells", CSV).await;
        train(&client, &[1, 2]).await;
        for version in [1, 2] {
            client.post("/api/v1/models/cells/aliases/champion", &json!({ "version": version })).await;
            answers(&client, version).await;
        }
        let questions = Arc::new(questions(&client).await);
        let stop = Arc::new(AtomicBool::new(false));
        let load: Vec<_> = (0..4).map(|seed| tokio::spawn(ask(Client::new(&url), questions.clone(), seed, stop.clone()))).collect();
        for swap in 0..swaps {
            if swap % 2 == 0 {
                client.post("/api/v1/models/cells/aliases/champion/rollback", &json!({ "to_version": 1 })).await;
                answers(&client, 1).await;
            } else {
                client.post("/api/v1/models/cells/aliases/champion", &json!({ "version": 2 })).await;
                answers(&client, 2).await;
            }
        }
        stop.store(true, Ordering::Relaxed);
        let mut answered = [0, 0];
        for task in load {
            let [one, two] = task.await.unwrap();
            answered = [answered[0] + one, answered[1] + two];
        }
        eprintln!("{engine:?}: {swaps} swaps, {answered:?} answers of versions 1 and 2, none failed, none mixed");
        assert!(answered.iter().all(|n| *n > 0), "{answered:?}");
        let alias = client.get("/api/v1/models/cells/aliases/champion").await;
        assert_eq!(alias["revision"].as_u64().unwrap(), swaps + 2, "{alias}");
        server.stop();
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_promotions_at_once_one_wins() {
    for engine in ENGINES {
        let place = Place::new(engine, "promotions").await;
        let (server, url) = place.setup("server").with("log", "warn").server();
        let client = Client::new(&url);
        client.upload("cells", CSV).await;
        train(&client, &[1, 2, 3]).await;
        client.post("/api/v1/models/cells/aliases/champion", &json!({ "version": 1 })).await;
        for revision in 1..8 {
            // every version but the one that the alias points at, all from the same revision
            let at = client.get("/api/v1/models/cells/aliases/champion").await["version"].as_i64().unwrap();
            let asked = (0..6).map(|n| {
                let version = (1..=3).filter(|version| *version != at).nth(n % 2).unwrap();
                let body = json!({ "version": version, "expected_revision": revision });
                let client = client.clone();
                async move { client.send(reqwest::Method::POST, "/api/v1/models/cells/aliases/champion", Some(&body)).await.unwrap() }
            });
            let told = futures::future::join_all(asked).await;
            let won: Vec<&Value> = told.iter().filter(|(status, _)| status.is_success()).map(|(_, body)| body).collect();
            assert_eq!(won.len(), 1, "{engine:?}: {told:?}");
            for (status, body) in told.iter().filter(|(status, _)| !status.is_success()) {
                assert_eq!((status.as_u16(), &body["code"]), (409, &json!("revision_conflict")), "{engine:?}");
            }
            let alias = client.get("/api/v1/models/cells/aliases/champion").await;
            assert_eq!((&alias["version"], &alias["revision"]), (&won[0]["version"], &json!(revision + 1)));
        }
        server.stop();
        place.end().await;
    }
}
