//! Searches over generated models, held against an evaluation of the same clauses in memory.

use std::cmp::Ordering;

use serde_json::json;
use slipway::domain::identity::Caller;
use slipway::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelPoint};
use slipway::domain::run::{MetricPoint, Number};
use slipway::domain::search::{
    DatasetFilter, Direction, ModelAttribute, ModelClause, ModelOrder, ModelOrderField, OrderRequest, Whole, parse_model_filter,
    parse_model_order, rank,
};
use slipway::domain::tracking::Pair;
use slipway::service::{Batch, LoggedModelSearch, NewLoggedModel, NewTrackedRun};

use crate::mlflow::Door;
use crate::mlflow::search::Lots;
use crate::support::db::{ENGINES, World};

const TEXTS: [&str; 8] = ["", "a", "A", "ab", "a%b", "a_b", "ä", "it's"];
const KEYS: [&str; 3] = ["k", "my key", "a.b"];
const VALUES: [f64; 9] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 0.5, 5e-324];

/// Makes models with few different values, so that equal ones meet.
async fn given_models(world: &World, lots: &mut Lots, count: usize) -> Vec<LoggedModel> {
    let (app, me) = (&world.app, Caller::local());
    let mut runs = Vec::new();
    for _ in 0..3 {
        let new = NewTrackedRun { experiment_id: "0".to_owned(), ..NewTrackedRun::default() };
        runs.push(app.tracking().create_run(&me, &new).await.unwrap().info.run_id);
    }
    let mut models = Vec::new();
    for _ in 0..count {
        let pairs = |lots: &mut Lots| {
            let mut pairs = Vec::new();
            for key in KEYS {
                if lots.next(2) == 0 {
                    pairs.push(Pair { key: key.to_owned(), value: lots.pick(&TEXTS).to_owned() });
                }
            }
            pairs
        };
        let new = NewLoggedModel {
            experiment_id: "0".to_owned(),
            name: Some(lots.pick(&["one", "One", "two", "o_e"]).to_owned()),
            model_type: lots.pick(&["", "net", "tree"]).to_owned(),
            source_run_id: [String::new(), runs[lots.next(3)].clone()][lots.next(2)].clone(),
            params: pairs(lots),
            tags: pairs(lots),
        };
        let id = app.tracking().create_logged_model(&me, &new).await.unwrap().model_id;
        if lots.next(2) == 0 {
            world.clock.advance_ms(1);
        }
        let mut of_runs: Vec<Batch> = vec![Batch::default(); 3];
        for _ in 0..lots.next(6) {
            let run = lots.next(3);
            let point = MetricPoint {
                key: KEYS[lots.next(3)].to_owned(),
                value: Number(VALUES[lots.next(VALUES.len())]),
                timestamp: lots.next(3) as i64,
                step: lots.next(2) as i64,
            };
            of_runs[run].of_models.push(ModelPoint {
                model_id: id.clone(),
                run_id: runs[run].clone(),
                dataset_name: lots.pick(&["", "sea", "land"]).to_owned(),
                dataset_digest: lots.pick(&["", "1", "2"]).to_owned(),
                point,
            });
        }
        for (run, batch) in runs.iter().zip(&of_runs) {
            app.tracking().log_batch(&me, run, batch).await.unwrap();
        }
        if lots.next(2) == 0 {
            let status = [LoggedModelStatus::Ready, LoggedModelStatus::Failed][lots.next(2)];
            app.tracking().finalise_logged_model(&me, &id, status).await.unwrap();
        }
        let model = app.tracking().get_logged_model(&me, &id, false).await.unwrap();
        match lots.next(6) {
            0 => app.tracking().delete_logged_model(&me, &id).await.unwrap(),
            _ => models.push(model),
        }
    }
    models
}

fn text_of(model: &LoggedModel, attribute: ModelAttribute) -> &str {
    match attribute {
        ModelAttribute::ModelId => &model.model_id,
        ModelAttribute::ExperimentId => &model.experiment_id,
        ModelAttribute::Name => &model.name,
        ModelAttribute::ArtifactLocation => &model.artifact_uri,
        ModelAttribute::Status => model.status.as_str(),
        ModelAttribute::ModelType => &model.model_type,
        _ => &model.source_run_id,
    }
}

fn number_of(model: &LoggedModel, attribute: ModelAttribute) -> i64 {
    if attribute == ModelAttribute::CreationTime { model.created_at.0 } else { model.updated_at.0 }
}

fn counts(point: &ModelPoint, datasets: &[DatasetFilter]) -> bool {
    let is = |d: &DatasetFilter| d.name == point.dataset_name && d.digest.as_ref().is_none_or(|digest| *digest == point.dataset_digest);
    datasets.is_empty() || datasets.iter().any(is)
}

fn passes(model: &LoggedModel, clause: &ModelClause, datasets: &[DatasetFilter]) -> bool {
    let value = |pairs: &'_ [Pair], key: &str| pairs.iter().find(|pair| pair.key == key).map(|pair| pair.value.clone());
    match clause {
        ModelClause::Number(attribute, whole) => match whole {
            Whole::Is(op, bound) => op.holds(Some(number_of(model, *attribute).cmp(bound))),
            Whole::Always => true,
            Whole::Never => false,
        },
        ModelClause::Text(attribute, test) => test.holds(text_of(model, *attribute)),
        ModelClause::Metric { key, op, value } => {
            let points = model.metrics.iter().filter(|point| point.point.key == *key && counts(point, datasets));
            points.map(|point| point.point.value.0).any(|there| op.holds(there.partial_cmp(value)))
        }
        ModelClause::Param(key, test) => value(&model.params, key).is_some_and(|value| test.holds(&value)),
        ModelClause::Tag(key, test) => value(&model.tags, key).is_some_and(|value| test.holds(&value)),
    }
}

/// The latest value of the points that an order looks at; ties go to the run that was made first, then to the smallest bits.
fn latest(model: &LoggedModel, key: &str, name: Option<&str>, digest: Option<&str>, runs: &[String]) -> Option<f64> {
    let of = |point: &&ModelPoint| {
        point.point.key == key
            && name.is_none_or(|name| name == point.dataset_name)
            && digest.is_none_or(|digest| digest == point.dataset_digest)
    };
    let place = |point: &&ModelPoint| {
        let run = runs.iter().position(|run| *run == point.run_id).unwrap();
        let bits = point.point.value.0.to_bits().cast_signed();
        (-point.point.timestamp, -point.point.step, run, bits)
    };
    model.metrics.iter().filter(of).min_by_key(place).map(|point| point.point.value.0)
}

fn compare(a: &LoggedModel, b: &LoggedModel, ModelOrder { field, direction }: &ModelOrder, runs: &[String]) -> Ordering {
    let turned = |ordering: Ordering| if *direction == Direction::Ascending { ordering } else { ordering.reverse() };
    match field {
        ModelOrderField::Attribute(attribute) if attribute.is_number() => turned(number_of(a, *attribute).cmp(&number_of(b, *attribute))),
        ModelOrderField::Attribute(attribute) => turned(text_of(a, *attribute).cmp(text_of(b, *attribute))),
        ModelOrderField::Metric { key, dataset_name, dataset_digest } => {
            let of = |model| latest(model, key, dataset_name.as_deref(), dataset_digest.as_deref(), runs);
            let class = |value: Option<f64>| value.map_or(2, |value| i32::from(value.is_nan()));
            let (a, b) = (of(a), of(b));
            class(a).cmp(&class(b)).then_with(|| match (a, b) {
                (Some(a), Some(b)) if !a.is_nan() => turned(rank(a).cmp(&rank(b))),
                _ => Ordering::Equal,
            })
        }
    }
}

fn draw_clause(lots: &mut Lots, models: &[LoggedModel]) -> String {
    let key = format!("`{}`", lots.pick(&KEYS));
    let op = lots.pick(&["<", "<=", "=", "!=", ">=", ">"]);
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let pattern = quoted(lots.pick(&["%", "a%", "%b", "_", "o_e", "O%", "%ä"]));
    let value = quoted(lots.pick(&TEXTS));
    let test = match lots.next(5) {
        0 => format!("= {value}"),
        1 => format!("!= {value}"),
        2 => format!("LIKE {pattern}"),
        3 => format!("ilike {pattern}"),
        _ => format!("{} ({value}, 'a',)", lots.pick(&["IN", "not in"])),
    };
    match lots.next(6) {
        0 | 1 => format!("metrics.{key} {op} {}", lots.pick(&["0", "-0.0", "1", "0.5", "1e999", "-1e999", "5e-324"])),
        2 => format!("params.{key} {test}"),
        3 => format!("tags.{key} {test}"),
        4 => {
            let model = &models[lots.next(models.len())];
            let name = lots.pick(&["creation_timestamp", "creation_time", "last_updated_timestamp"]);
            format!("{name} {op} {}", model.created_at.0)
        }
        _ => {
            let attribute = lots.pick(&["name", "attributes.status", "model_type", "source_run_id", "model_id", "artifact_location"]);
            let known = ["'one'", "'READY'", "'net'", "''"][lots.next(4)];
            [format!("{attribute} {test}"), format!("{attribute} {} {known}", lots.pick(&["=", "!="]))][lots.next(2)].clone()
        }
    }
}

fn draw_order(lots: &mut Lots) -> Vec<OrderRequest> {
    let mut columns = Vec::new();
    for _ in 0..lots.next(3) {
        let attribute = lots.pick(&["name", "status", "model_type", "creation_time", "last_updated_timestamp", "model_id"]).to_owned();
        let metric = lots.next(2) == 0;
        let given = |lots: &mut Lots, from: &[&str]| (metric && lots.next(2) == 0).then(|| lots.pick(from).to_owned());
        columns.push(OrderRequest {
            field_name: if metric { format!("metrics.{}", lots.pick(&KEYS)) } else { attribute },
            ascending: lots.next(2) == 0,
            dataset_name: given(lots, &["sea", "land"]),
            dataset_digest: given(lots, &["1", "2"]),
        });
    }
    columns
}

#[tokio::test]
async fn every_search_finds_what_an_evaluation_in_memory_finds() {
    for engine in ENGINES {
        let world = World::new(engine).await;
        let mut lots = Lots(5);
        let models = given_models(&world, &mut lots, 70).await;
        let me = Caller::local();
        let all = slipway::service::SearchRequest {
            filter: String::new(),
            order_by: vec!["start_time".to_owned(), "run_id".to_owned()],
            view: slipway::domain::tracking::View::All,
            max_results: 10,
            page_token: String::new(),
        };
        let (runs, _) = world.app.tracking().search_runs(&me, &["0".to_owned()], &all).await.unwrap();
        let runs: Vec<String> = runs.into_iter().map(|run| run.info.run_id).collect();
        let mut found_any = 0;
        for round in 0..300 {
            let filter = (0..lots.next(4)).map(|_| draw_clause(&mut lots, &models)).collect::<Vec<_>>().join(" AND ");
            let order_by = draw_order(&mut lots);
            let mut datasets = Vec::new();
            for _ in 0..[0, 0, 1, 2][lots.next(4)] {
                let digest = (lots.next(2) == 0).then(|| lots.pick(&["1", "2"]).to_owned());
                datasets.push(DatasetFilter { name: lots.pick(&["sea", "land"]).to_owned(), digest });
            }
            let clauses = parse_model_filter(&filter).unwrap_or_else(|e| panic!("{filter}: {e}"));
            let order = parse_model_order(&order_by).unwrap();
            let narrowed = clauses.iter().any(|clause| matches!(clause, ModelClause::Metric { .. }));
            let fits = |model: &&LoggedModel| {
                clauses.iter().all(|clause| passes(model, clause, &datasets))
                    && (narrowed || datasets.is_empty() || model.metrics.iter().any(|point| counts(point, &datasets)))
            };
            let mut expected: Vec<&LoggedModel> = models.iter().filter(fits).collect();
            expected.sort_by(|a, b| order.iter().map(|column| compare(a, b, column, &runs)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal));
            let expected: Vec<String> = expected.into_iter().map(|model| model.model_id.clone()).collect();
            found_any += usize::from(!expected.is_empty());
            let experiments = vec!["0".to_owned()];
            let mut request = LoggedModelSearch { experiments, filter, datasets, order_by, max_results: 1000, page_token: String::new() };
            let (all, token) = world.app.tracking().search_logged_models(&me, &request).await.unwrap();
            let ids = |found: Vec<LoggedModel>| found.into_iter().map(|model| model.model_id).collect::<Vec<_>>();
            assert_eq!((ids(all), token), (expected.clone(), None), "{engine:?} {round}: {request:?}");
            request.max_results = 1 + lots.next(15) as i64;
            let mut paged = Vec::new();
            loop {
                let (page, token) = world.app.tracking().search_logged_models(&me, &request).await.unwrap();
                assert!(page.len() as i64 <= request.max_results);
                paged.extend(ids(page));
                let Some(token) = token else { break };
                request.page_token = token;
            }
            assert_eq!(paged, expected, "{engine:?} {round}: {request:?}");
        }
        assert!(found_any > 130, "most searches find something: {found_any}");
        world.end().await;
    }
}

#[tokio::test]
async fn tokens_belong_to_their_search() {
    for engine in ENGINES {
        let door = Door::new(engine).await;
        for _ in 0..3 {
            door.model(json!({ "experiment_id": "0" })).await;
        }
        let first = door.post("logged-models/search", json!({ "experiment_ids": ["0"], "max_results": 1 })).await;
        let token = first["next_page_token"].clone();
        let more = door.post("logged-models/search", json!({ "experiment_ids": ["0"], "max_results": 9, "page_token": token })).await;
        assert_eq!((more["models"].as_array().unwrap().len(), more.get("next_page_token")), (2, None));
        for (body, message) in [
            (json!({ "experiment_ids": ["1"], "page_token": token }), "Experiment IDs in the page token do not match"),
            (
                json!({ "experiment_ids": ["0"], "filter": "name = 'a'", "page_token": token }),
                "Filter string in the page token does not match",
            ),
            (
                json!({ "experiment_ids": ["0"], "order_by": [{ "field_name": "name" }], "page_token": token }),
                "Order by in the page token does not match",
            ),
            (json!({ "experiment_ids": ["0"], "page_token": "bm9uc2Vuc2U" }), "Invalid page token"),
            (json!({ "experiment_ids": ["0"], "max_results": -1 }), "positive integer"),
            (json!({ "experiment_ids": ["0"], "max_results": 50_001 }), "at most"),
            (json!({ "experiment_ids": ["0"], "filter": "Foo" }), "Invalid filter string: 'Foo'"),
            (json!({ "experiment_ids": ["0"], "filter": "name = 'a' OR name = 'b'" }), "Invalid filter string"),
            (json!({ "experiment_ids": ["0"], "filter": "foo.bar = 'a'" }), "Invalid entity type: 'foo'"),
            (json!({ "experiment_ids": ["0"], "filter": "name > 'a'" }), "Invalid comparison operator for attributes.name: '>'"),
            (json!({ "experiment_ids": ["0"], "filter": "metrics.foo LIKE 0" }), "Invalid comparison operator"),
            (json!({ "experiment_ids": ["0"], "filter": "size = 'a'" }), "Invalid attribute key 'size'"),
            (json!({ "experiment_ids": ["0"], "order_by": [{ "field_name": "size" }] }), "Invalid order by field name: size"),
            (json!({ "experiment_ids": ["0"], "order_by": [{ "field_name": "params.a" }] }), "Only metrics are supported"),
            (json!({ "experiment_ids": ["0"], "order_by": [{ "field_name": "name", "ascending": "no" }] }), "ascending"),
            (json!({ "experiment_ids": ["0"], "datasets": [{}] }), "`dataset_name` in the `datasets` clause"),
        ] {
            let (code, told) = door.refused(400, "logged-models/search", body).await;
            assert_eq!(code, "INVALID_PARAMETER_VALUE");
            assert!(told.contains(message), "{told}");
        }
        door.world.end().await;
    }
}
