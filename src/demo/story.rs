//! The story: upload, train, promote, predict, train again, drift, roll back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, answer, quoted};
use super::files::Files;
use super::traffic::{self, CSV, Load};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::time::Timestamp;

const MODEL: &str = "breast-cancer";
const PREDICT: &str = "/v1/models/breast-cancer:predict";
/// A promotion is served within a second; this is for machines that are busy with something else.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn tell(client: &Arc<Client>, files: &Files) -> Result<(), String> {
    upload(client, files).await?;
    let first = train(client, "2. Train a network of 30 → 64 → 64 → 1 through the job queue", json!({ "seed": 1 })).await?;
    promote(client, "3. Promote it", &first, "first model").await?;
    predict(client, files, &first).await?;
    let second = train(client, "5. Train a second version, with a penalty on large weights", json!({ "seed": 2, "l2": 0.001 })).await?;
    promote(client, "6. Promote the second version", &second, "regularised").await?;
    drift(client, files, &second).await?;
    roll_back(client, files, &first, &second).await
}

fn heading(text: &str) {
    println!("\n{text}");
}

async fn upload(client: &Client, files: &Files) -> Result<(), String> {
    heading("1. Upload a data set: Breast Cancer Wisconsin, 569 rows, 30 features");
    let path = "/api/v1/datasets/breast-cancer/versions?format=csv";
    client.show(path, &format!(" -H 'content-type: text/csv' --data-binary @{}", quoted(&files.data())));
    let request = client.request(Method::POST, path).header("content-type", "text/csv").body(CSV);
    let version = answer(request).await?;
    println!("  → version {} with {} rows, {}", version["version"], version["num_rows"], text(&version["digest"]));
    Ok(())
}

async fn train(client: &Client, title: &str, network: Value) -> Result<Value, String> {
    heading(title);
    let spec = json!({ "dataset": "breast-cancer", "target": "diagnosis", "register_as": MODEL, "experiment": "demo", "network": network });
    let job = client.post_shown("/api/v1/jobs", &spec).await?;
    let (job_id, run_id) = (text(&job["job_id"]), text(&job["run_id"]));
    let mut shown = 0;
    loop {
        let job = client.get(&format!("/api/v1/jobs/{job_id}")).await?;
        let run = client.get(&format!("/api/v1/runs/{run_id}")).await?;
        let done = job["progress"]["completed"].as_u64().unwrap_or(0);
        if done > shown {
            shown = done;
            let (m, total) = (&run["metrics"], &job["progress"]["total"]);
            println!(
                "  epoch {done:>2}/{total}  loss {:.4}  val_loss {:.4}  val_accuracy {:.3}",
                num(&m["loss"]),
                num(&m["val_loss"]),
                num(&m["val_accuracy"])
            );
        }
        match job["state"].as_str() {
            Some("PENDING" | "RUNNING") => tokio::time::sleep(Duration::from_millis(50)).await,
            Some("SUCCEEDED") => {
                let (m, version) = (&run_metrics(client, &run_id).await?, job["result"]["version"].clone());
                println!(
                    "  → version {version}: accuracy {:.3}, ROC AUC {:.4} on held-out rows",
                    num(&m["eval_accuracy"]),
                    num(&m["eval_roc_auc"])
                );
                client.show(&format!("/api/v1/runs/{run_id}"), "");
                return Ok(version);
            }
            _ => return Err(format!("the job ended as {}: {}", job["state"], job["message"])),
        }
    }
}

async fn run_metrics(client: &Client, run_id: &str) -> Result<Value, String> {
    Ok(client.get(&format!("/api/v1/runs/{run_id}")).await?["metrics"].clone())
}

async fn promote(client: &Client, title: &str, version: &Value, reason: &str) -> Result<(), String> {
    heading(title);
    let path = format!("/api/v1/models/{MODEL}/aliases/champion");
    let begun = Instant::now();
    client.post_shown(&path, &json!({ "version": version, "reason": reason })).await?;
    served(client, version).await?;
    println!("  → champion is version {version}, served after {} ms", begun.elapsed().as_millis());
    Ok(())
}

/// Waits until predictions name the version.
async fn served(client: &Client, version: &Value) -> Result<(), String> {
    let wanted = version.to_string();
    let begun = Instant::now();
    let row = traffic::rows(false);
    loop {
        let sent = client.request(Method::POST, PREDICT).json(&traffic::request(&row[..1])).send().await.map_err(|e| e.to_string())?;
        let by = sent.headers().get("x-slipway-model-version").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        if sent.status().is_success() && by == wanted {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("version {wanted} is not served: {} by version {by:?}", sent.status()));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn predict(client: &Client, files: &Files, version: &Value) -> Result<(), String> {
    heading("4. Predict, as TensorFlow Serving's clients do");
    let body = traffic::request(&traffic::two_rows());
    let answer = client.post_file_shown(PREDICT, &files.request(), &body).await?;
    println!("  → version {version} answers {}: how likely each is malignant", answer["predictions"]);
    let from = SystemClock.now();
    send(client, false).await?;
    evaluate(client, "usual", version, from).await
}

async fn drift(client: &Client, files: &Files, version: &Value) -> Result<(), String> {
    heading("7. Watch it: a scanner whose scale is off by 15 % sends what it measures");
    client.show(PREDICT, &format!(" -H 'content-type: application/json' -d @{}", quoted(&files.drifted())));
    let from = SystemClock.now();
    send(client, true).await?;
    evaluate(client, "drifted", version, from).await?;
    list_reports(client).await?;
    show_alert(client).await
}

/// Sends all rows in requests of 32.
async fn send(client: &Client, drifted: bool) -> Result<(), String> {
    for rows in traffic::rows(drifted).chunks(32) {
        client.post(PREDICT, &traffic::request(rows)).await?;
    }
    Ok(())
}

/// Compares what the version has seen since `from` with what it was made from.
async fn evaluate(client: &Client, name: &str, version: &Value, from: Timestamp) -> Result<(), String> {
    let body = json!({ "version": version, "from": from, "to": SystemClock.now().plus_ms(1), "store": true });
    let report = client.post_shown(&format!("/api/v1/models/{MODEL}/monitor/evaluate"), &body).await?;
    show_report(name, &report);
    Ok(())
}

async fn list_reports(client: &Client) -> Result<(), String> {
    let path = format!("/api/v1/models/{MODEL}/drift-reports");
    client.show(&path, "");
    let reports = client.get(&format!("{path}?page_size=4")).await?;
    for report in reports["items"].as_array().map(Vec::as_slice).unwrap_or_default() {
        println!(
            "  → {} to {}  version {}  {:>4} rows  {}",
            minute(&report["window_start"]),
            minute(&report["window_end"]),
            report["version"],
            report["num_rows"],
            text(&report["state"])
        );
    }
    Ok(())
}

/// Shows the newest alert among the events.
async fn show_alert(client: &Client) -> Result<(), String> {
    let path = "/api/v1/events?limit=1000";
    client.show(path, "");
    let (mut seen, mut alert) = (0, Value::Null);
    loop {
        let page = client.get(&format!("{path}&after={seen}")).await?;
        let events = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(last) = events.last() else { break };
        seen = last["seq"].as_i64().unwrap_or(i64::MAX);
        alert = events.iter().rfind(|event| event["kind"] == "drift.detected").cloned().unwrap_or(alert);
    }
    let columns = alert["payload"]["columns"].as_array().map_or(0, Vec::len);
    println!("  → event {}: {} of version {}, {columns} columns", alert["seq"], text(&alert["kind"]), alert["payload"]["version"]);
    Ok(())
}

/// The time of day of a window's edge, which is a whole minute.
fn minute(time: &Value) -> String {
    text(time).get(11..16).unwrap_or_default().to_owned()
}

fn show_report(name: &str, report: &Value) {
    let columns = report["report"]["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_drifted = |column: &&Value| matches!(column["verdict"].as_str(), Some("alert" | "severe"));
    let drifted: Vec<&Value> = columns.iter().filter(is_drifted).collect();
    println!(
        "  → {name} traffic: {} on {} rows; {} of {} columns drifted",
        text(&report["state"]),
        report["num_rows"],
        drifted.len(),
        columns.len()
    );
    for column in drifted.iter().take(5) {
        println!(
            "    {:<24} effect {:>6.3}  p {:.1e}  {}",
            text(&column["name"]),
            num(&column["effect"]),
            num(&column["p_adjusted"]),
            text(&column["verdict"])
        );
    }
}

async fn roll_back(client: &Arc<Client>, files: &Files, first: &Value, second: &Value) -> Result<(), String> {
    heading("8. Roll back while requests go on");
    let load = Arc::new(Load::default());
    let running: Vec<_> = (0..2).map(|_| tokio::spawn(load.clone().run(client.clone(), PREDICT.to_owned()))).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = Instant::now();
    let path = format!("/api/v1/models/{MODEL}/aliases/champion/rollback");
    client.post_shown(&path, &json!({ "to_version": first, "reason": "inputs drifted" })).await?;
    served(client, first).await?;
    let took = begun.elapsed().as_millis();
    tokio::time::sleep(Duration::from_millis(300)).await;
    load.stop();
    for task in running {
        task.await.map_err(|e| e.to_string())?;
    }
    let (answered, failed) = (load.answered.load(Ordering::Relaxed), load.failed.load(Ordering::Relaxed));
    println!("  → from version {second} back to version {first} in {took} ms; {answered} requests answered meanwhile, {failed} failed");
    let answer = client.post_file_shown(PREDICT, &files.request(), &traffic::request(&traffic::two_rows())).await?;
    println!("  → version {first} answers {}", answer["predictions"]);
    client.show(&format!("/api/v1/models/{MODEL}/aliases/champion/history"), "");
    if failed > 0 {
        return Err(format!("{failed} requests failed during the rollback"));
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn num(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}
