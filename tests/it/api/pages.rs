//! Pages hold still: what is inserted while somebody turns them shifts nothing that follows.

use serde_json::{Value, json};

use super::client::{Api, get, post};
use super::given;
use crate::support::db::ENGINES;

/// Reads a list to its end in pages of two; `between` runs after each page.
async fn walk(api: &Api, path: &str, mut between: impl AsyncFnMut(usize)) -> Vec<Value> {
    let glue = if path.contains('?') { '&' } else { '?' };
    let (mut items, mut token, mut page) = (Vec::new(), String::new(), 0);
    loop {
        let after = if token.is_empty() { String::new() } else { format!("&page_token={token}") };
        let answer = api.send(get(&format!("{path}{glue}page_size=2{after}"))).await.expect(200).json();
        let found = answer["items"].as_array().unwrap();
        assert!(found.len() <= 2);
        items.extend(found.iter().cloned());
        match answer["next_page_token"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return items,
        }
        assert_eq!(found.len(), 2, "only the last page is short");
        between(page).await;
        page += 1;
    }
}

fn names(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().map_or_else(|| item[field].to_string(), str::to_owned)).collect()
}

async fn upload(api: &Api, name: &str, hour: usize) {
    let file = format!("hour\n{hour}\n");
    api.send(post(&format!("/api/v1/datasets/{name}/versions")).bytes("text/csv", file.as_bytes())).await.expect(201);
}

#[tokio::test]
async fn inserts_shift_no_page() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        for name in ["b", "d", "f", "h", "j"] {
            upload(&api, name, 0).await;
        }
        // by name: what is put in front is not seen, what is put behind is
        let found = walk(&api, "/api/v1/datasets", async |page| upload(&api, ["a", "i"][page.min(1)], page + 1).await).await;
        assert_eq!(names(&found, "name"), ["b", "d", "f", "h", "i", "j"].map(str::to_owned), "{engine:?}");

        // newest first: what is made meanwhile is newer than every page to come
        for hour in 1..5 {
            upload(&api, "f", hour).await;
        }
        let found = walk(&api, "/api/v1/datasets/f/versions", async |page| upload(&api, "f", 10 + page).await).await;
        assert_eq!(names(&found, "version"), ["5", "4", "3", "2", "1"].map(str::to_owned), "{engine:?}");

        let run = async |name: &str| {
            api.send(post("/api/v1/runs").json(json!({ "run_name": name, "experiment": name }))).await.expect(201).json()
        };
        let mut first = Value::Null;
        for name in ["r1", "r2", "r3", "r4", "r5"] {
            first = run(name).await;
        }
        let found = walk(&api, "/api/v1/runs", async |_| drop(run("late").await)).await;
        assert_eq!(names(&found, "run_name"), ["r5", "r4", "r3", "r2", "r1"].map(str::to_owned), "{engine:?}");
        let found = walk(&api, "/api/v1/experiments", async |_| {}).await;
        assert_eq!(names(&found, "name"), ["Default", "late", "r1", "r2", "r3", "r4", "r5"].map(str::to_owned), "{engine:?}");

        let path = format!("/api/v1/runs/{}/metrics", first["run_id"].as_str().unwrap());
        let log = async |steps: std::ops::Range<i64>| {
            let points: Vec<Value> = steps.map(|step| json!({ "key": "loss", "value": 1, "timestamp": 7, "step": step })).collect();
            api.send(post(&path).json(json!({ "metrics": points }))).await.expect(204);
        };
        log(0..5).await;
        let found = walk(&api, &format!("{path}/loss"), async |page| log(-5 - page as i64..-4).await).await;
        assert_eq!(names(&found, "step"), ["0", "1", "2", "3", "4"].map(str::to_owned), "{engine:?}");

        for number in 0..5 {
            api.send(post("/api/v1/models").json(json!({ "name": format!("m{number}") }))).await.expect(201);
        }
        assert_eq!(walk(&api, "/api/v1/models", async |_| {}).await.len(), 5, "{engine:?}");
        let found = walk(&api, "/api/v1/keys", async |_| {}).await;
        assert_eq!(found.len(), 5, "{engine:?}: the first one and one per role");
        api.end().await;
    }
}

#[tokio::test]
async fn moves_of_an_alias_and_versions_of_a_model_are_paged() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        for number in 1..=5 {
            assert_eq!(given::version(&api.world, "m", b"model", &[]).await, number);
        }
        let alias = "/api/v1/models/m/aliases/champion";
        let promote = async |version: i64| drop(api.send(post(alias).json(json!({ "version": version }))).await.expect(200));
        for version in 1..=5 {
            promote(version).await;
        }
        let found = walk(&api, "/api/v1/models/m/versions", async |_| _ = given::version(&api.world, "m", b"model", &[]).await).await;
        assert_eq!(names(&found, "version"), ["5", "4", "3", "2", "1"].map(str::to_owned), "{engine:?}");
        let found = walk(&api, &format!("{alias}/history"), async |page| promote(page as i64 + 1).await).await;
        assert_eq!(names(&found, "revision"), ["5", "4", "3", "2", "1"].map(str::to_owned), "{engine:?}");
        api.end().await;
    }
}

#[tokio::test]
async fn a_token_of_another_list_is_refused_or_harmless() {
    for engine in ENGINES {
        let api = Api::new(engine).await;
        for name in ["a", "b", "c"] {
            upload(&api, name, 0).await;
        }
        let token = api.send(get("/api/v1/datasets?page_size=1")).await.json()["next_page_token"].as_str().unwrap().to_owned();
        api.send(get(&format!("/api/v1/datasets/a/versions?page_token={token}"))).await.refused(400, "invalid_page_token");
        for bad in ["!", "AA", "%00", "YQ==", "//8"] {
            api.send(get(&format!("/api/v1/datasets?page_token={bad}"))).await.expect(400);
        }
        for bad in ["-1", "0", "1001", "4294967296", "1e3", "abc", "+5"] {
            api.send(get(&format!("/api/v1/datasets?page_size={bad}"))).await.expect(400);
        }
        api.send(get("/api/v1/datasets?page_size=1&page_size=2")).await.refused(400, "invalid_query");
        api.end().await;
    }
}
