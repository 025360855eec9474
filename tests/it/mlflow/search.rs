//! Searches over generated runs, held against an evaluation of the same clauses in memory.

use std::cmp::Ordering;

use serde_json::json;
use slipway::domain::identity::Caller;
use slipway::domain::run::{MetricPoint, Number, RunStatus};
use slipway::domain::search::{
    Attribute, Clause, DatasetField, Direction, KeyedTest, OrderBy, OrderField, Subject, TextTest, Whole, parse_filter, parse_order, rank,
};
use slipway::domain::tracking::{DatasetInput, LoggedDataset, Pair, Stage, TrackedRun, View};
use slipway::service::{Batch, NewTrackedRun, RunChange, SearchRequest};

use super::Door;
use crate::support::db::{ENGINES, World};

/// Draws the same lots in every run of the test.
pub struct Lots(pub u64);

impl Lots {
    pub fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % below as u64) as usize
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.next(from.len())]
    }
}

pub const TEXTS: [&str; 14] = ["", "a", "A", "ab", "aB", "a%b", "a_b", "*", "[a]", "?", "ä", "Ä", "it's \"x\"", "a\\b"];
const KEYS: [&str; 4] = ["k", "my key", "a.b", "x/y"];
const VALUES: [f64; 13] =
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 0.5, 1e300, -1e300, 5e-324, f64::MAX, f64::MIN];

/// Makes runs with few different values, so that equal ones meet.
async fn given_runs(world: &World, lots: &mut Lots, count: usize) -> Vec<TrackedRun> {
    let (app, me) = (&world.app, Caller::local());
    let mut runs = Vec::new();
    for i in 0..count {
        let new = NewTrackedRun {
            experiment_id: "0".to_owned(),
            name: format!("run{}{}", lots.next(4), lots.pick(&["", "B", "b", "%"])),
            user: lots.pick(&["ann", "Bob"]).to_owned(),
            start_time: Some([5, 5, 6, 1000, i as i64][lots.next(5)]),
            tags: Vec::new(),
        };
        let id = app.tracking().create_run(&me, &new).await.unwrap().info.run_id;
        let mut batch = Batch::default();
        for key in KEYS {
            if lots.next(2) == 0 {
                let value = Number(VALUES[lots.next(VALUES.len())]);
                batch.metrics.push(MetricPoint { key: key.to_owned(), value, timestamp: 1, step: 0 });
            }
            for pairs in [&mut batch.params, &mut batch.tags] {
                if lots.next(2) == 0 {
                    pairs.push(Pair { key: key.to_owned(), value: lots.pick(&TEXTS).to_owned() });
                }
            }
        }
        app.tracking().log_batch(&me, &id, &batch).await.unwrap();
        let input = |lots: &mut Lots| DatasetInput {
            dataset: LoggedDataset {
                name: lots.pick(&["sea", "Land"]).to_owned(),
                digest: lots.pick(&["1", "2"]).to_owned(),
                source_type: "local".to_owned(),
                source: "{}".to_owned(),
                schema: None,
                profile: None,
            },
            tags: vec![Pair { key: "mlflow.data.context".to_owned(), value: lots.pick(&["train", "test"]).to_owned() }],
        };
        let inputs: Vec<_> = (0..lots.next(3)).map(|_| input(lots)).collect();
        app.tracking().log_inputs(&me, &id, &inputs, &[]).await.unwrap();
        if lots.next(2) == 0 {
            let change = RunChange { status: Some(RunStatus::Finished), end_time: Some([7, 8, 2000][lots.next(3)]), name: None };
            app.tracking().update_run(&me, &id, &change).await.unwrap();
        }
        if lots.next(6) == 0 {
            app.tracking().delete_run(&me, &id).await.unwrap();
        }
        runs.push(app.tracking().get_run(&me, &id).await.unwrap());
    }
    runs
}

fn text_of(run: &TrackedRun, attribute: Attribute) -> &str {
    match attribute {
        Attribute::RunId => &run.info.run_id,
        Attribute::RunName => &run.info.run_name,
        Attribute::Status => run.info.status.as_str(),
        Attribute::ArtifactUri => &run.info.artifact_uri,
        _ => &run.info.user_id,
    }
}

fn number_of(run: &TrackedRun, attribute: Attribute) -> Option<i64> {
    if attribute == Attribute::StartTime { Some(run.info.start_time) } else { run.info.end_time }
}

fn pair_of<'a>(pairs: &'a [Pair], key: &str) -> Option<&'a str> {
    pairs.iter().find(|pair| pair.key == key).map(|pair| pair.value.as_str())
}

fn metric_of(run: &TrackedRun, key: &str) -> Option<f64> {
    run.metrics.iter().find(|point| point.key == key).map(|point| point.value.0)
}

fn passes(run: &TrackedRun, clause: &Clause) -> bool {
    let keyed = |value: Option<&str>, test: &KeyedTest| match test {
        KeyedTest::Value(test) => value.is_some_and(|value| test.holds(value)),
        KeyedTest::Missing => value.is_none(),
        KeyedTest::Present => value.is_some(),
    };
    match clause {
        Clause::Number(attribute, whole) => number_of(run, *attribute).is_some_and(|value| match whole {
            Whole::Is(op, bound) => op.holds(Some(value.cmp(bound))),
            Whole::Always => true,
            Whole::Never => false,
        }),
        Clause::Text(attribute, test) => test.holds(text_of(run, *attribute)),
        Clause::Metric { key, op, value } => metric_of(run, key).is_some_and(|latest| op.holds(latest.partial_cmp(value))),
        Clause::Param(key, test) => keyed(pair_of(&run.params, key), test),
        Clause::Tag(key, test) => keyed(pair_of(&run.tags, key), test),
        Clause::Dataset(field, test) => run.inputs.iter().any(|input| match field {
            DatasetField::Name => test.holds(&input.dataset.name),
            DatasetField::Digest => test.holds(&input.dataset.digest),
            DatasetField::Context => pair_of(&input.tags, "mlflow.data.context").is_some_and(|value| test.holds(value)),
        }),
    }
}

/// Orders values, and what has none after all of them in either direction.
fn by<T>(a: Option<T>, b: Option<T>, direction: Direction, compare: impl Fn(&T, &T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) if direction == Direction::Ascending => compare(&a, &b),
        (Some(a), Some(b)) => compare(&b, &a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

fn compare(a: &TrackedRun, b: &TrackedRun, OrderBy { field, direction }: &OrderBy) -> Ordering {
    match field {
        OrderField::Attribute(attribute) if attribute.is_number() => {
            by(number_of(a, *attribute), number_of(b, *attribute), *direction, i64::cmp)
        }
        OrderField::Attribute(attribute) => by(Some(text_of(a, *attribute)), Some(text_of(b, *attribute)), *direction, |a, b| a.cmp(b)),
        OrderField::Metric(key) => {
            let number = |run: &TrackedRun| metric_of(run, key).filter(|value| !value.is_nan()).map(rank);
            let is_nan = |run: &TrackedRun| metric_of(run, key).is_some_and(f64::is_nan);
            by(number(a), number(b), *direction, i64::cmp).then_with(|| is_nan(b).cmp(&is_nan(a)))
        }
        OrderField::Param(key) => by(pair_of(&a.params, key), pair_of(&b.params, key), *direction, |a, b| a.cmp(b)),
        OrderField::Tag(key) => by(pair_of(&a.tags, key), pair_of(&b.tags, key), *direction, |a, b| a.cmp(b)),
    }
}

fn expected(runs: &[TrackedRun], view: View, filter: &[Clause], order: &[OrderBy]) -> Vec<String> {
    let mut found: Vec<&TrackedRun> =
        runs.iter().filter(|run| view.stages().contains(&run.info.stage) && filter.iter().all(|clause| passes(run, clause))).collect();
    found.sort_by(|a, b| order.iter().map(|column| compare(a, b, column)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal));
    found.into_iter().map(|run| run.info.run_id.clone()).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn draw_clause(lots: &mut Lots, ids: &[String]) -> String {
    let key = format!("`{}`", lots.pick(&KEYS));
    let op = lots.pick(&["<", "<=", "=", "!=", ">=", ">"]);
    let pattern = quoted(lots.pick(&["%", "a%", "%b", "_", "a_b", "A%", "%*%", "[a]", "", "run_%", "%ä", "%\\%"]));
    let value = quoted(lots.pick(&TEXTS));
    let text_test = match lots.next(4) {
        0 => format!("= {value}"),
        1 => format!("!= {value}"),
        2 => format!("LIKE {pattern}"),
        _ => format!("ilike {pattern}"),
    };
    match lots.next(9) {
        0 | 1 => {
            let bound = lots.pick(&["0", "-0.0", "1", "0.5", "-1", "1e300", "1e999", "-1e999", "5e-324", "1.7976931348623157e308"]);
            format!("metrics.{key} {op} {bound}")
        }
        2 => format!("params.{key} {text_test}"),
        3 => format!("tags.{key} {text_test}"),
        4 => format!("{}.{key} IS {}NULL", lots.pick(&["tags", "params"]), lots.pick(&["", "NOT "])),
        5 => format!("{} {text_test}", lots.pick(&["run_name", "attributes.status", "user_id", "artifact_uri"])),
        6 => format!("{} {op} {}", lots.pick(&["start_time", "end_time"]), lots.pick(&["5", "5.5", "1000", "1e30", "-1e30", "7"])),
        7 => {
            let (a, b) = (&ids[lots.next(ids.len())], &ids[lots.next(ids.len())]);
            format!("run_id {}IN ('{a}', '{b}')", lots.pick(&["", "NOT "]))
        }
        _ => match lots.next(3) {
            0 => format!("dataset.name {}IN ('sea', 'x')", lots.pick(&["", "NOT "])),
            1 => "dataset.digest = '1'".to_owned(),
            _ => "datasets.context LIKE 't%n'".to_owned(),
        },
    }
}

fn draw_order(lots: &mut Lots) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for _ in 0..lots.next(4) {
        let key = format!("`{}`", lots.pick(&KEYS));
        let kind = lots.pick(&["metrics", "metrics", "params", "tags", ""]);
        let attribute = lots.pick(&["start_time", "end_time", "run_name", "status", "artifact_uri", "user_id", "run_id"]);
        let column = if kind.is_empty() { attribute.to_owned() } else { format!("{kind}.{key}") };
        if !columns.iter().any(|known| known.starts_with(&column)) {
            columns.push(format!("{column} {}", lots.pick(&["asc", "DESC"])));
        }
    }
    columns
}

async fn search(world: &World, request: &SearchRequest) -> (Vec<String>, Option<String>) {
    let (found, token) = world.app.tracking().search_runs(&Caller::local(), &["0".to_owned()], request).await.unwrap_or_else(|e| {
        panic!("{:?} {:?}: {e}", request.filter, request.order_by);
    });
    (found.into_iter().map(|run| run.info.run_id).collect(), token)
}

#[tokio::test]
async fn every_search_finds_what_an_evaluation_in_memory_finds() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut lots = Lots(7);
        let runs = given_runs(&world, &mut lots, 80).await;
        let ids: Vec<String> = runs.iter().map(|run| run.info.run_id.clone()).collect();
        let mut found_any = 0;
        for round in 0..400 {
            let clauses: Vec<String> = (0..lots.next(4)).map(|_| draw_clause(&mut lots, &ids)).collect();
            let (filter, order_by) = (clauses.join(" and "), draw_order(&mut lots));
            let view = [View::Active, View::Deleted, View::All][lots.next(3)];
            let parsed = parse_filter(Subject::Runs, &filter).unwrap_or_else(|e| panic!("{filter}: {e}"));
            let order = parse_order(Subject::Runs, &order_by).unwrap();
            let expected = expected(&runs, view, &parsed, &order);
            found_any += usize::from(!expected.is_empty());
            let mut request = SearchRequest { filter, order_by, view, max_results: 1000, page_token: String::new() };
            let (all, token) = search(&world, &request).await;
            assert_eq!((&all, token), (&expected, None), "{engine:?} {round}: {:?} by {:?}", request.filter, request.order_by);
            // the same in pages
            request.max_results = 1 + lots.next(20) as i64;
            let mut paged = Vec::new();
            loop {
                let (page, token) = search(&world, &request).await;
                assert!(page.len() as i64 <= request.max_results);
                paged.extend(page);
                let Some(token) = token else { break };
                request.page_token = token;
            }
            assert_eq!(
                paged, expected,
                "{engine:?} {round}: pages of {} of {:?} by {:?}",
                request.max_results, request.filter, request.order_by
            );
        }
        assert!(found_any > 200, "most searches find something: {found_any}");
        assert!(runs.iter().any(|run| run.info.stage == Stage::Deleted));
        world.end().await;
    }
}

#[tokio::test]
async fn whatever_is_accepted_runs_on_both_databases() {
    let words = [
        "metrics",
        "params",
        "tags",
        "attributes",
        "dataset",
        "run_id",
        "start_time",
        "end_time",
        "status",
        "name",
        ".k",
        ".`a b`",
        ".\"d\"",
        ".name",
        "'e'",
        "'%_'",
        "=",
        "!=",
        ">",
        "<=",
        "LIKE",
        "ilike",
        "IN",
        "NOT IN",
        "IS NULL",
        "IS NOT NULL",
        "AND",
        "and",
        "('a')",
        "('a', 'b')",
        "1",
        "-1.5",
        "1e999",
        ".5",
        "9223372036854775808",
        "-9223372036854775808",
        "'\u{10ffff}'",
    ];
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut lots = Lots(11);
        let runs = given_runs(&world, &mut lots, 5).await;
        let (mut accepted, mut tried) = (0, 0);
        while accepted < 150 && tried < 2_000_000 {
            tried += 1;
            let filter: Vec<&str> = (0..1 + lots.next(8)).map(|_| lots.pick(&words)).collect();
            let filter = filter.join(" ").replace(" .", ".");
            let Ok(clauses) = parse_filter(Subject::Runs, &filter) else { continue };
            accepted += 1;
            let order = parse_order(Subject::Runs, &[]).unwrap();
            let request = SearchRequest { filter, order_by: Vec::new(), view: View::All, max_results: 100, page_token: String::new() };
            assert_eq!(search(&world, &request).await.0, expected(&runs, View::All, &clauses, &order), "{engine:?} {}", request.filter);
        }
        assert_eq!(accepted, 150, "of {tried}");
        world.end().await;
    }
}

#[tokio::test]
async fn pages_survive_inserts_and_tokens_are_checked() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        let mut ids = Vec::new();
        for i in 0..6 {
            let id = door.run(json!({ "start_time": i })).await;
            door.post("runs/log-metric", json!({ "run_id": id, "key": "m", "value": i, "timestamp": 1 })).await;
            ids.push(id);
        }
        let body = |token: &str| json!({ "experiment_ids": ["0"], "order_by": ["metrics.m DESC"], "max_results": 2, "page_token": token });
        let found = |answer: &serde_json::Value| {
            answer["runs"].as_array().into_iter().flatten().map(|r| r["info"]["run_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let first = door.post("runs/search", body("")).await;
        // one that belongs before the first page, and one that is gone
        let new = door.run(json!({})).await;
        door.post("runs/log-metric", json!({ "run_id": new, "key": "m", "value": 99, "timestamp": 1 })).await;
        door.post("runs/delete", json!({ "run_id": ids[5] })).await;
        let second = door.post("runs/search", body(first["next_page_token"].as_str().unwrap())).await;
        let third = door.post("runs/search", body(second["next_page_token"].as_str().unwrap())).await;
        let seen = [found(&first), found(&second), found(&third)].concat();
        assert_eq!(seen, ids.iter().rev().cloned().collect::<Vec<_>>(), "{engine:?}");
        assert_eq!(third.get("next_page_token"), None);
        let token = first["next_page_token"].clone();
        for bad in [
            json!({ "experiment_ids": ["0"], "page_token": token }),
            json!({ "experiment_ids": ["0"], "page_token": "bm9uc2Vuc2U" }),
            json!({ "experiment_ids": ["0"], "max_results": 50_001 }),
            json!({ "experiment_ids": ["0"], "max_results": 0 }),
            json!({ "experiment_ids": ["0"], "run_view_type": "SOME" }),
            json!({ "experiment_ids": ["0"], "filter": "a".repeat(20_000) }),
            json!({ "experiment_ids": ["0"], "filter": "tags.a = 'x\u{0}'" }),
            json!({ "experiment_ids": [0] }),
        ] {
            assert_eq!(door.refused(400, "runs/search", bad).await.0, "INVALID_PARAMETER_VALUE");
        }
        assert_eq!(door.post("runs/search", json!({ "experiment_ids": [] })).await, json!({}));
        door.world.end().await;
    }
}

#[test]
fn a_text_test_takes_no_character_for_an_escape() {
    assert!(TextTest::Like("a\\%".to_owned()).holds("a\\b") && !TextTest::Like("a\\%".to_owned()).holds("a%"));
}
