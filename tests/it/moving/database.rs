//! MLflow's database as a source.

use std::path::Path;

use slipway::domain::identity::Caller;
use slipway::domain::run::RunStatus;
use slipway::domain::tracking::Stage;
use slipway::moving::{Progress, import};
use slipway::service::NewTrackedRun;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::{experiments, files, options, points, runs, take};
use crate::support::db::{ENGINES, Engine, World};

const FIRST: &str = "a0000000000000000000000000000001";

/// A database of MLflow's with files beside it.
struct Source {
    url: String,
    folder: std::path::PathBuf,
    drop_database: Option<(String, String)>,
}

impl Source {
    async fn new(engine: Engine) -> Self {
        let name = format!("slipway_mlflow_{}", uuid::Uuid::new_v4().simple());
        let folder = std::env::temp_dir().join(&name);
        let artifacts = folder.join("1").join(FIRST).join("artifacts");
        std::fs::create_dir_all(artifacts.join("model")).unwrap();
        std::fs::write(artifacts.join("note.txt"), "a note").unwrap();
        std::fs::write(artifacts.join("model/weights 100%.bin"), vec![7; 3_000_000]).unwrap();
        std::fs::write(artifacts.join("empty"), "").unwrap();
        let (url, drop_database) = match engine {
            Engine::Sqlite => {
                let file = folder.join("mlflow.db");
                std::fs::write(&file, "").unwrap();
                (format!("sqlite:///{}", file.display()), None)
            }
            Engine::Postgres => {
                let base = std::env::var("SLIPWAY_TEST_POSTGRES_URL").expect("`make test` sets SLIPWAY_TEST_POSTGRES_URL");
                let mut admin = PgConnection::connect(&base).await.unwrap();
                sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut admin).await.unwrap();
                let (server, _) = base.rsplit_once('/').unwrap();
                (format!("{}/{name}", server.replacen("postgres:", "postgresql+psycopg2:", 1)), Some((base, name)))
            }
        };
        let source = Self { url, folder, drop_database };
        source.run(&include_str!("mlflow.sql").replace("FILES", &source.folder.display().to_string())).await;
        source
    }

    async fn run(&self, sql: &str) {
        match &self.drop_database {
            None => {
                let mut conn = SqliteConnection::connect(&self.url.replacen(":///", ":", 1)).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.unwrap();
                conn.close().await.unwrap();
            }
            Some(_) => {
                let mut conn = PgConnection::connect(&self.url.replacen("postgresql+psycopg2", "postgres", 1)).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.unwrap();
                conn.close().await.unwrap();
            }
        }
    }

    async fn end(self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
        if let Some((base, name)) = self.drop_database {
            let mut admin = PgConnection::connect(&base).await.unwrap();
            sqlx::query(AssertSqlSafe(format!("drop database {name} with (force)"))).execute(&mut admin).await.unwrap();
        }
    }
}

#[tokio::test]
async fn everything_of_a_database_comes_over_and_only_what_is_new_the_second_time() {
    for (from, to) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let (source, world) = (Source::new(from).await, World::new(to).await);
        let report = take(&world.app, &source.url).await;
        assert!(report.is_good(), "{}", report.text());

        let found = experiments(&world.app).await;
        let shown: Vec<_> = found.iter().map(|e| (e.name.as_str(), e.stage, e.created_at.0, e.updated_at.0)).collect();
        assert_eq!(shown[1..], [("tides", Stage::Active, 2000, 2500), ("tides", Stage::Deleted, 3000, 3500)]);
        assert_eq!((found[0].id.as_str(), found[0].name.as_str()), ("0", "Default"));
        assert_eq!(found[1].tags.iter().map(|t| (t.key.as_str(), t.value.as_str())).collect::<Vec<_>>(), [("team", "sea")]);
        assert_eq!(found[1].artifact_location, format!("mlflow-artifacts:/{}", found[1].id));

        let all = runs(&world.app).await;
        let shown: Vec<_> =
            all.iter().map(|run| (run.info.run_id[31..].to_owned(), run.info.status, run.info.stage, run.info.end_time)).collect();
        assert_eq!(
            shown,
            [
                ("1".to_owned(), RunStatus::Finished, Stage::Active, Some(200)),
                ("2".to_owned(), RunStatus::Running, Stage::Active, None),
                ("3".to_owned(), RunStatus::Killed, Stage::Deleted, Some(170)),
                ("4".to_owned(), RunStatus::Failed, Stage::Deleted, Some(190)),
                ("6".to_owned(), RunStatus::Finished, Stage::Active, Some(2)),
            ]
        );
        let first = &all[0];
        assert_eq!((first.info.run_name.as_str(), first.info.user_id.as_str(), first.info.start_time), ("first", "ann", 100));
        assert_eq!(first.info.experiment_id, found[1].id);
        let pairs = |pairs: &[slipway::domain::tracking::Pair]| pairs.iter().map(|p| format!("{}={}", p.key, p.value)).collect::<Vec<_>>();
        assert_eq!(pairs(&first.params), ["empty=", "lr=0.01"]);
        assert_eq!(pairs(&first.tags), ["mlflow.runName=first", "mlflow.source.name=a.py"]);
        assert_eq!(pairs(&all[1].tags), [format!("mlflow.parentRunId={FIRST}")]);
        assert_eq!(first.inputs.len(), 1);
        let input = &first.inputs[0];
        assert_eq!((input.dataset.name.as_str(), input.dataset.source.as_str()), ("waves", "{\"uri\": \"x\"}"));
        assert_eq!((input.dataset.schema.as_deref(), input.dataset.profile.as_deref()), (Some("{}"), None));
        assert_eq!(pairs(&input.tags), ["mlflow.data.context=training"]);
        let loss = points(&world.app, FIRST, "loss").await;
        assert_eq!(loss[..2], [(0, 101, 1.5), (1, 102, 0.5)]);
        assert!(loss.len() == 3 && loss[2].0 == 2 && loss[2].2.is_nan());
        assert_eq!(points(&world.app, FIRST, "big").await, [(-2, 103, 0.1), (-2, 103, f64::MAX)]);
        let latest: Vec<_> = first.metrics.iter().map(|point| (point.key.as_str(), point.step)).collect();
        assert_eq!(latest, [("big", -2), ("loss", 2)]);
        let stored = files(&world.app, FIRST).await;
        assert_eq!(stored.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["empty", "model/weights 100%.bin", "note.txt"]);

        // the registry: numbers with gaps, a stage, an alias, files of the run
        let model = world.app.models().get(&Caller::local(), "tide").await.unwrap();
        let aliases: Vec<_> = model.aliases.iter().map(|(alias, version)| (alias.as_str(), *version)).collect();
        assert_eq!(aliases, [("Production", 2), ("champion", 4)]);
        assert_eq!((model.description.as_str(), model.last_version, model.created_at.0, model.updated_at.0), ("a model", 4, 500, 900));
        let second = world.app.models().get_version(&Caller::local(), "tide", 2).await.unwrap();
        assert_eq!((second.created_by.as_str(), second.created_at.0, second.updated_at.0), ("ann", 510, 520));
        assert_eq!((second.run_id.as_deref(), second.size_bytes, second.location.as_str()), (Some(FIRST), 3_000_000, ""));
        let fourth = world.app.models().get_version(&Caller::local(), "tide", 4).await.unwrap();
        assert_eq!((fourth.location.as_str(), fourth.tags["k"].as_str()), ("s3://bucket/elsewhere", "v"));
        assert!(world.app.models().get_version(&Caller::local(), "tide", 3).await.is_err());
        assert!(world.app.models().get(&Caller::local(), "foreign").await.is_err());

        // again: nothing is new
        let report = take(&world.app, &source.url).await;
        assert!(report.is_good(), "{}", report.text());
        let nouns = ["experiments", "runs", "items of runs", "files", "registered models", "model versions"];
        assert_eq!(nouns.map(|noun| report.count_new(noun)), [0; 6], "{}", report.text());
        assert_eq!(runs(&world.app).await, all);

        // what changes and comes at the source comes here
        source.run("update runs set status = 'FINISHED', end_time = 300 where run_uuid like '%2'").await;
        source.run("insert into metrics values ('loss', 0.25, 50, 'a0000000000000000000000000000002', 5, false)").await;
        source.run("insert into latest_metrics values ('loss', 0.25, 50, 5, false, 'a0000000000000000000000000000002')").await;
        source.run("update experiments set name = 'ebb', last_update_time = 2600 where experiment_id = 1").await;
        std::fs::write(source.folder.join("1").join(FIRST).join("artifacts/late.txt"), "late").unwrap();
        source.run("update registered_model_aliases set alias = 'other' where alias = 'champion'").await;
        source.run("update model_versions set current_stage = 'Archived', description = 'old' where version = 2").await;
        source.run("insert into model_versions select name, 5, creation_time, last_updated_time, 'new', user_id, 'Production', source, run_id, status, status_message, run_link, storage_location, workspace from model_versions where version = 2").await;
        let report = take(&world.app, &source.url).await;
        assert!(report.is_good(), "{}", report.text());
        let nouns = ["experiments", "runs", "files", "registered models", "model versions"];
        assert_eq!(nouns.map(|noun| report.count_new(noun)), [0, 1, 1, 1, 1], "{}", report.text());
        let model = world.app.models().get(&Caller::local(), "tide").await.unwrap();
        let aliases: Vec<_> = model.aliases.iter().map(|(alias, version)| (alias.as_str(), *version)).collect();
        assert_eq!(aliases, [("Production", 5), ("other", 4)]);
        assert_eq!(world.app.models().get_version(&Caller::local(), "tide", 2).await.unwrap().description, "old");
        let second = &runs(&world.app).await[1];
        assert_eq!((second.info.status, second.info.end_time, second.metrics.len()), (RunStatus::Finished, Some(300), 1));
        assert_eq!(experiments(&world.app).await[1].name, "ebb");
        assert_eq!(files(&world.app, FIRST).await.len(), 4);
        world.end().await;
        source.end().await;
    }
}

#[tokio::test]
async fn what_is_here_stays_and_what_is_in_the_way_is_told() {
    for engine in ENGINES {
        let (source, world) = (Source::new(engine).await, World::new(engine).await);
        let caller = Caller::local();
        let mine = world.app.tracking().create_experiment(&caller, "tides", "", &[]).await.unwrap();
        let new = NewTrackedRun { experiment_id: mine.clone(), name: "mine".to_owned(), ..NewTrackedRun::default() };
        let kept = world.app.tracking().create_run(&caller, &new).await.unwrap();
        // a run of that id that is not from there
        let sql = format!(
            "insert into runs (id, workspace, experiment_id, name, status, user_id, job_id, attempt_no, start_time, lifecycle_stage, row_version)
             values ('{FIRST}', 'default', '{mine}', 'taken', 'RUNNING', 'me', null, 0, 1, 'active', 1)"
        );
        match &world.db {
            slipway::store::Db::Postgres(pool) => drop(sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap()),
            slipway::store::Db::Sqlite { writer, .. } => drop(sqlx::raw_sql(AssertSqlSafe(sql)).execute(writer).await.unwrap()),
        }
        let report = take(&world.app, &source.url).await;
        assert!(!report.is_good());
        let told = format!("the run {FIRST} is here already and does not come from an import");
        assert!(report.text().contains(&told), "{}", report.text());
        let all = runs(&world.app).await;
        let mut names: Vec<&str> = all.iter().map(|run| run.info.run_name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["default", "gone", "mine", "of a deleted one", "second", "taken"]);
        assert_eq!(world.app.tracking().get_run(&caller, &kept.info.run_id).await.unwrap(), kept);
        assert!(points(&world.app, FIRST, "loss").await.is_empty(), "the run took nothing");
        // the active experiment of that name was joined
        let joined: Vec<_> = experiments(&world.app).await.into_iter().filter(|e| e.name == "tides" && e.stage == Stage::Active).collect();
        assert_eq!(joined.iter().map(|e| &e.id).collect::<Vec<_>>(), [&mine]);

        // a change here is told, and is not taken back
        let second = "a0000000000000000000000000000002";
        let tag = slipway::domain::tracking::Pair { key: "seen".to_owned(), value: "yes".to_owned() };
        world.app.tracking().set_tag(&caller, second, &tag).await.unwrap();
        let report = take(&world.app, &source.url).await;
        assert!(report.text().contains(&format!("run {second} differs from its source")), "{}", report.text());
        assert_eq!(world.app.tracking().get_run(&caller, second).await.unwrap().tags.len(), 2);
        world.end().await;
        source.end().await;
    }
}

#[tokio::test]
async fn a_source_that_is_none_is_told_and_nothing_is_made() {
    let world = World::new(Engine::Sqlite).await;
    let refused = async |from: &str| import(&world.app, &Caller::local(), &options(from), &Progress::default()).await.unwrap_err();
    assert!(refused("ftp://x").await.contains("sqlite: or postgresql:"));
    let missing = world.folder.join("none.db");
    assert!(refused(&format!("sqlite:///{}", missing.display())).await.contains("can't read the source"));
    assert!(!Path::new(&missing).exists());
    std::fs::write(&missing, "").unwrap();
    assert!(refused(&format!("sqlite:///{}", missing.display())).await.contains("not a database of MLflow"));
    world.end().await;
}

#[tokio::test]
async fn files_behind_a_server_need_a_name_for_it_or_stay() {
    let (source, world) = (Source::new(Engine::Sqlite).await, World::new(Engine::Sqlite).await);
    source.run("update runs set artifact_uri = 'mlflow-artifacts:/1/' || run_uuid || '/artifacts'").await;
    let caller = Caller::local();
    let told = import(&world.app, &caller, &options(&source.url), &Progress::default()).await.unwrap_err();
    assert!(told.contains("--artifacts"), "{told}");
    let mut stay = options(&source.url);
    stay.without_files = true;
    let report = import(&world.app, &caller, &stay, &Progress::default()).await.unwrap();
    assert!(report.is_good(), "{}", report.text());
    assert!(files(&world.app, FIRST).await.is_empty());
    let mut named = options(&source.url);
    named.artifacts = Some(source.folder.display().to_string());
    let report = import(&world.app, &caller, &named, &Progress::default()).await.unwrap();
    assert!(report.is_good(), "{}", report.text());
    assert_eq!(files(&world.app, FIRST).await.len(), 3);

    // a file of another content and the same size is found when it is looked into
    let note = source.folder.join("1").join(FIRST).join("artifacts/note.txt");
    std::fs::write(&note, "A NOTE").unwrap();
    let report = import(&world.app, &caller, &named, &Progress::default()).await.unwrap();
    assert_eq!(report.count_new("files"), 0);
    named.check_files = true;
    let report = import(&world.app, &caller, &named, &Progress::default()).await.unwrap();
    assert!(report.is_good() && report.count_new("files") == 1, "{}", report.text());
    world.end().await;
    source.end().await;
}
