//! The life of a model by the binary alone, on both databases.

use serde_json::Value;

use super::client::{Did, Here, did, fed};
use crate::faults::CSV;
use crate::support::db::ENGINES;

const TRAIN: &str = "
dataset = 'cells'
target = 'diagnosis'
register_as = 'cells'
experiment = 'tour'
log_every_n_steps = 0

[network]
epochs = 40
batch_size = 32
";

#[tokio::test(flavor = "multi_thread")]
async fn a_model_lives_its_life_by_the_binary_alone() {
    for engine in ENGINES {
        let here = Here::new(engine, "journey").await;
        std::fs::write(here.folder.join("cells.csv"), CSV).unwrap();
        std::fs::write(here.folder.join("train.toml"), TRAIN).unwrap();

        // the file goes in once, and comes out as it was
        assert_eq!(here.good(&["datasets", "upload", "cells", "cells.csv", "-o", "name"]), "1\n");
        assert_eq!(here.good(&["datasets", "upload", "cells", "cells.csv", "-o", "name"]), "1\n");
        let Did { code, out, err } = here.run(&["datasets", "download", "cells"]);
        assert_eq!((code, out.as_str()), (0, ""), "{err}");
        let digest = "sha256:7e115a871fc47b0002ff74842ddb6b61b08baf51b137f171c34af4d053c0b081";
        assert_eq!(err, format!("cells-1.csv ({digest})\n"));
        assert_eq!(std::fs::read_to_string(here.folder.join("cells-1.csv")).unwrap(), CSV);
        let again = here.run(&["datasets", "download", "cells"]);
        assert_eq!((again.code, again.err.contains("cells-1.csv is there already")), (2, true), "{}", again.err);
        assert_eq!(here.good(&["datasets", "download", "cells", "1", "-O", "-", "-q"]), CSV);
        assert_eq!(here.json(&["datasets", "profile", "cells"]).as_array().unwrap().len(), 31);

        // trained, watched to the end, by a file and by flags
        let first = here.run(&["train", "-f", "train.toml", "--epochs", "3", "--seed", "1", "--watch", "-o", "json"]);
        assert_eq!(first.code, 0, "{}", first.err);
        assert!(first.err.contains("SUCCEEDED epoch 3/3") && first.err.contains("val_accuracy 0.9"), "{}", first.err);
        let first: Value = serde_json::from_str(&first.out).unwrap();
        assert_eq!((&first["state"], &first["result"]["version"]), (&"SUCCEEDED".into(), &1.into()));
        let (job, run) = (first["job_id"].as_str().unwrap(), first["run_id"].as_str().unwrap());
        let flags =
            "train --dataset cells --target diagnosis --register-as cells --layers 8:relu,1:sigmoid --epochs 2 --set network.l2=0.001";
        let flags = format!("{flags} -o name");
        let second = here.good(&flags.split(' ').collect::<Vec<_>>()).trim().to_owned();
        let second = here.json(&["jobs", "get", &second, "--watch"]);
        assert_eq!((&second["result"]["version"], &second["spec"]["network"]["layers"][0]["units"]), (&2.into(), &8.into()));
        let log = here.good(&["jobs", "logs", job, "--follow"]);
        assert!(
            log.lines().next().unwrap().contains("attempt 1 begins on ") && log.lines().last().unwrap().ends_with("attempt 1 succeeded"),
            "{log}"
        );
        assert!(log.contains("val_loss 0."), "{log}");
        assert_eq!(here.good(&["jobs", "attempts", job, "-o", "name"]), "1\n");
        let ended = here.run(&["jobs", "cancel", job]);
        assert_eq!((ended.code, ended.err.contains("(job_ended, request ")), (5, true), "{}", ended.err);
        // a job that fails is a failure of the command that watches it
        let bad = here.run(&["train", "--dataset", "cells", "--target", "mean radius", "--loss", "binary_crossentropy", "--watch"]);
        assert_eq!((bad.code, bad.err.contains("ended as FAILED: ")), (1, true), "{}{}", bad.out, bad.err);

        // runs are found, looked at and compared
        let found = ["runs", "ls", "--experiment", "tour", "--filter", "metrics.val_accuracy > 0.5 and params.seed = '1'", "-o", "name"];
        assert_eq!(here.good(&found), format!("{run}\n"));
        let all = here.json(&["runs", "ls", "--order-by", "metrics.val_loss ASC", "--limit", "2"]);
        let losses: Vec<f64> = all.as_array().unwrap().iter().map(|run| run["metrics"]["val_loss"].as_f64().unwrap()).collect();
        assert!(losses.len() == 2 && losses[0] <= losses[1], "{losses:?}");
        assert_eq!(all[0]["start_time"].as_str().unwrap().len(), 24);
        let table = here.good(&["runs", "ls", "--metrics", "eval_roc_auc", "--params", "seed"]);
        assert!(table.lines().next().unwrap().ends_with("eval_roc_auc  seed"), "{table}");
        let differences = here.json(&["runs", "compare", run, second["run_id"].as_str().unwrap()]);
        let keys: Vec<&str> =
            differences.as_array().unwrap().iter().filter(|line| line["of"] == "param").map(|line| line["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["epochs", "l2", "layers", "seed"]);
        let points = here.json(&["runs", "metrics", run, "val_loss"]);
        assert_eq!(points.as_array().unwrap().len(), 3);
        assert_eq!(here.run(&["runs", "metrics", run, "nothing"]).code, 3);
        assert!(here.good(&["runs", "artifacts", "ls", run, "-o", "name"]).lines().any(|path| path == "model/model.onnx"));
        here.good(&["runs", "artifacts", "get", run, "model/signature.json", "-O", "signature.json"]);
        assert!(std::fs::read_to_string(here.folder.join("signature.json")).unwrap().contains("mean radius"));
        assert_eq!(here.run(&["runs", "end", run]).code, 5);
        // a run of somebody's own
        let own = here.good(&["runs", "create", "--experiment", "own", "--name", "by hand", "-o", "name"]).trim().to_owned();
        here.good(&["runs", "log", &own, "--metric", "loss=0.5", "--metric", "odd=NaN", "--step", "3", "--param", "seed=1"]);
        assert_eq!(here.run(&["runs", "log", &own, "--metric", "loss=much"]).code, 1);
        let ended = here.json(&["runs", "end", &own]);
        assert_eq!((&ended["status"], &ended["metrics"]), (&"FINISHED".into(), &serde_json::json!({ "loss": 0.5, "odd": "NaN" })));
        assert_eq!(here.json(&["runs", "metrics", &own, "loss"])[0]["step"], 3);

        // promoted, it answers; the file that it was trained on will do
        here.good(&["models", "promote", "cells", "1", "--reason", "first", "--wait"]);
        let predicted = here.run(&["predict", "cells", "cells.csv", "--batch", "100", "-o", "json"]);
        assert_eq!((predicted.code, predicted.err.as_str()), (0, "not used: diagnosis\n"));
        let rows: Vec<Value> = serde_json::from_str(&predicted.out).unwrap();
        assert_eq!((rows.len(), &rows[568]["row"], &rows[0]["version"]), (569, &569.into(), &1.into()));
        let line = here.json(&["datasets", "preview", "cells", "--limit", "1"])["rows"][0].clone();
        let features = Value::from(line.as_array().unwrap()[..30].to_vec());
        let by_json = fed(here.command(&["predict", "cells", "--version", "1", "-o", "name"]), &format!("[{features}]"));
        assert_eq!((by_json.code, by_json.out.trim()), (0, rows[0]["prediction"].to_string().as_str()), "{}", by_json.err);
        let lines =
            fed(here.command(&["predict", "cells", "--format", "jsonl", "--alias", "champion"]), &format!("{features}\n\n{features}\n"));
        assert_eq!((lines.code, lines.out.lines().count()), (0, 3), "{}", lines.err);
        let unfit = fed(here.command(&["predict", "cells"]), "[[1, 2]]");
        assert_eq!((unfit.code, unfit.out.as_str(), unfit.err.contains("rows 1 to 1 were refused")), (1, "", true), "{}", unfit.err);

        // the second takes over and goes; of two that move it at once one is told
        here.good(&["models", "promote", "cells", "2", "--reason", "smaller", "--expected-revision", "1", "--wait"]);
        let late = here.run(&["models", "promote", "cells", "1", "--expected-revision", "1"]);
        assert_eq!((late.code, late.err.contains("(revision_conflict, request ")), (5, true), "{}", late.err);
        here.good(&["models", "rollback", "cells", "--reason", "drifts", "--wait"]);
        assert_eq!(here.json(&["predict", "cells", "cells.csv", "-q"])[0]["version"], 1);
        let history = here.json(&["models", "history", "cells"]);
        let moves: Vec<(&str, i64)> =
            history.as_array().unwrap().iter().map(|m| (m["kind"].as_str().unwrap(), m["to_version"].as_i64().unwrap())).collect();
        assert_eq!(moves, [("ROLLBACK", 1), ("PROMOTE", 2), ("PROMOTE", 1)]);
        here.good(&["models", "gates", "set", "cells", "--metric", "eval_accuracy>=1.5"]);
        let refused = here.run(&["models", "promote", "cells", "2"]);
        assert_eq!((refused.code, refused.err.contains("(gates_failed, request ")), (5, true), "{}", refused.err);
        assert!(refused.err.contains(", must be at least 1.500 ("), "{}", refused.err);
        here.good(&["models", "promote", "cells", "2", "--override-gates", "--reason", "known", "--alias", "canary"]);
        assert_eq!(here.good(&["models", "aliases", "ls", "cells", "-o", "name"]), "canary\nchampion\n");
        assert_eq!(here.good(&["models", "aliases", "get", "cells", "champion", "--at", "now", "-o", "name"]), "1\n");
        here.good(&["models", "aliases", "rm", "cells", "canary", "--yes"]);
        assert!(here.good(&["models", "replicas", "cells"]).contains("AVAILABLE"));
        assert!(here.good(&["models", "artifacts", "ls", "cells", "1", "-o", "name"]).contains("model.onnx"));
        assert_eq!(here.json(&["models", "status", "cells", "2", "deprecated"])["status"], "DEPRECATED");
        assert_eq!(here.run(&["models", "status", "cells", "1", "archived"]).code, 5);

        // what it saw is compared with what it was made from
        let report = here.good(&["monitor", "evaluate", "cells", "--version", "1", "--store"]);
        assert!(report.contains("mean radius") && report.contains("VERDICT"), "{report}");
        assert_eq!(here.good(&["monitor", "reports", "cells", "-o", "name"]).lines().count(), 1);
        assert_eq!(here.good(&["workers", "ls", "-o", "name"]).lines().count(), 1);
        let events = did(here.command(&["events", "follow", "--after", "0", "--count", "3", "-o", "name"]).output().unwrap());
        assert_eq!((events.code, events.out.as_str()), (0, "1\n2\n3\n"), "{}", events.err);
        here.end().await;
    }
}
