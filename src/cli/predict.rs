//! `slipway predict`: rows from a file or standard input, predictions to standard output, a request of some rows at a time.

use std::io::{BufRead as _, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};

use super::failure::{Done, FAILED, Failure};
use super::input;
use super::output::{Listing, View};
use super::session::{Common, Session};
use super::table::{Column, Kind};

const PREDICTION: View = View {
    plural: "predictions",
    name: "prediction",
    columns: &[
        Column::new("ROW", "/row", Kind::Number),
        Column::new("VERSION", "/version", Kind::Number),
        Column::new("PREDICTION", "/prediction", Kind::Text),
    ],
    more: &[],
};

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// A header with the names of the columns; nothing between two separators is a missing value.
    Csv,
    /// One row a line, an object by the names of the columns or a list in their order.
    Jsonl,
    /// A list of rows, or a request of TensorFlow Serving's protocol.
    Json,
}

/// Predicts for the rows of a file.
///
/// CSV needs no preparation: columns that the model does not take are left out, so the file that a model was trained on will do.
#[derive(Args)]
pub(super) struct Command {
    /// Name of the model.
    model: String,
    /// The rows; `-` is standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// How they are written; by the file's name when absent, JSON from standard input.
    #[arg(long, value_enum)]
    format: Option<Rows>,
    /// Asks this version.
    #[arg(long, value_name = "N", conflicts_with = "alias")]
    version: Option<i64>,
    /// Asks the version that this alias points at; `champion` when nothing is said.
    #[arg(long)]
    alias: Option<String>,
    /// Rows a request.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    #[command(flatten)]
    common: Common,
}

/// Rows under way to the server.
struct Asking<'a> {
    session: &'a Session,
    url: Url,
    list: Listing<'a>,
    rows: Vec<Value>,
    batch: usize,
    answered: usize,
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        let verb = |name: &str| format!("{name}:predict");
        let url = match (&self.version, &self.alias) {
            (Some(version), _) => session.client.at(&["v1", "models", &self.model, "versions", &verb(&version.to_string())])?,
            (None, Some(alias)) => session.client.at(&["v1", "models", &self.model, "labels", &verb(alias)])?,
            (None, None) => session.client.at(&["v1", "models", &verb(&self.model)])?,
        };
        let batch = self.batch as usize;
        let mut asking = Asking { session: &session, url, list: session.out.list(&PREDICTION), rows: Vec::new(), batch, answered: 0 };
        match self.rows() {
            Rows::Json => match input::document(&self.file)? {
                Value::Array(rows) => {
                    for row in rows {
                        asking.add(row).await?;
                    }
                }
                Value::Object(mut fields) if fields.len() == 1 && fields.contains_key("instances") => match fields.remove("instances") {
                    Some(Value::Array(rows)) => {
                        for row in rows {
                            asking.add(row).await?;
                        }
                    }
                    _ => return Err(Failure::usage("\"instances\" must be a list of rows")),
                },
                request @ Value::Object(_) if request.get("inputs").is_some() || request.get("instances").is_some() => {
                    let (answer, _) = asking.ask(&request).await?;
                    return session.out.value(&answer);
                }
                row => asking.add(row).await?,
            },
            Rows::Jsonl => {
                for line in std::io::BufReader::new(open(&self.file)?).lines() {
                    let line = line.map_err(|e| unreadable(&self.file, &e))?;
                    if !line.trim().is_empty() {
                        let row = serde_json::from_str(&line);
                        asking.add(row.map_err(|e| Failure::usage(format!("{}: {e} in {line:?}", self.file.display())))?).await?;
                    }
                }
            }
            Rows::Csv => self.csv(&mut asking).await?,
        }
        asking.end().await
    }

    fn rows(&self) -> Rows {
        let extension = self.file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        self.format.unwrap_or(match extension.as_deref() {
            Some("csv" | "tsv") => Rows::Csv,
            Some("jsonl" | "ndjson") => Rows::Jsonl,
            _ => Rows::Json,
        })
    }

    async fn csv(&self, asking: &mut Asking<'_>) -> Done {
        let known = self.columns(asking.session).await?;
        let delimiter = if self.file.extension().is_some_and(|e| e == "tsv") { b'\t' } else { b',' };
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(open(&self.file)?);
        let unfit = |e: csv::Error| Failure::usage(format!("{}: {e}", self.file.display()));
        let header: Vec<String> = reader.headers().map_err(unfit)?.iter().map(str::to_owned).collect();
        let unused: Vec<&str> = header.iter().map(String::as_str).filter(|name| !known.contains_key(*name)).collect();
        if unused.len() == header.len() {
            return Err(Failure::usage(format!("{} has none of the columns that the model takes", self.file.display())));
        }
        if !unused.is_empty() {
            asking.session.out.note(&format!("not used: {}", unused.join(", ")));
        }
        for record in reader.records() {
            let record = record.map_err(unfit)?;
            let fields = header.iter().zip(&record).filter(|(_, text)| !text.is_empty());
            let row: Map<String, Value> =
                fields.filter_map(|(name, text)| Some((name.clone(), value(text, known.get(name)?.as_str()?)))).collect();
            asking.add(Value::Object(row)).await?;
        }
        Ok(())
    }

    /// The columns that the model takes, each with its type on the wire.
    async fn columns(&self, session: &Session) -> Result<Map<String, Value>, Failure> {
        let number = match self.version {
            Some(version) => version.to_string(),
            None => {
                let alias = self.alias.as_deref().unwrap_or("champion");
                let alias = session.client.get(session.client.v1(&["models", &self.model, "aliases", alias])?).await?;
                alias["version"].to_string()
            }
        };
        let version = session.client.get(session.client.v1(&["models", &self.model, "versions", &number])?).await?;
        let mut columns = Map::new();
        for input in version["signature"]["inputs"].as_array().into_iter().flatten() {
            let names = input["columns"].as_array().into_iter().flatten().filter_map(Value::as_str);
            columns.extend(names.map(|name| (name.to_owned(), input["datatype"].clone())));
        }
        Ok(columns)
    }
}

/// A field of CSV as a column of that type takes it. What does not fit is left as it is: the server says what is wrong with it.
fn value(text: &str, datatype: &str) -> Value {
    let number = || text.trim().parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from);
    let integer = || text.trim().parse::<i64>().ok().map(Value::from);
    let truth = || text.trim().to_ascii_lowercase().parse::<bool>().ok();
    let read = match datatype {
        "BYTES" => None,
        "BOOL" => truth().map(Value::from),
        _ => integer().or_else(number).or_else(|| truth().map(|truth| Value::from(i64::from(truth)))),
    };
    read.unwrap_or_else(|| Value::from(text))
}

fn open(file: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    Ok(Box::new(std::fs::File::open(file).map_err(|e| unreadable(file, &e))?))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("can't read {}: {error}", file.display()))
}

impl Asking<'_> {
    async fn add(&mut self, row: Value) -> Done {
        self.rows.push(row);
        if self.rows.len() >= self.batch { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Done {
        let rows = std::mem::take(&mut self.rows);
        let (mut answer, version) = self.ask(&json!({ "instances": rows })).await.inspect_err(|e| {
            if e.code() == FAILED {
                let (first, last) = (self.answered + 1, self.answered + rows.len());
                self.session.out.note(&format!("rows {first} to {last} were refused; the message counts from the first of them, as row 0"));
            }
        })?;
        let Some(Value::Array(predictions)) = answer.get_mut("predictions").map(Value::take) else {
            return Err(Failure::new(FAILED, "the answer holds no predictions"));
        };
        let numbered = (self.answered + 1..).zip(predictions);
        let items: Vec<Value> =
            numbered.map(|(row, prediction)| json!({ "row": row, "version": version, "prediction": prediction })).collect();
        self.answered += items.len();
        self.list.page(&items)
    }

    /// Asks; returns the answer and the version that gave it.
    async fn ask(&self, request: &Value) -> Result<(Value, Option<i64>), Failure> {
        let client = &self.session.client;
        let answer = client.send(|| client.request(Method::POST, self.url.clone()).timeout(client.timeout()).json(request)).await?;
        let version = answer.headers().get("x-slipway-model-version").and_then(|v| v.to_str().ok()?.parse().ok());
        Ok((answer.json().await.map_err(|e| client.unreachable(&e))?, version))
    }

    async fn end(mut self) -> Done {
        if !self.rows.is_empty() {
            self.flush().await?;
        }
        self.list.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_csv_become_what_their_column_takes() {
        assert_eq!(value("01234", "BYTES"), json!("01234"));
        assert_eq!(value(" 1.5", "FP32"), json!(1.5));
        assert_eq!(value("7", "FP32"), json!(7));
        assert_eq!(value("TRUE", "FP32"), json!(1));
        assert_eq!(value("false", "BOOL"), json!(false));
        assert_eq!(value("high", "FP32"), json!("high"));
        assert_eq!(value("inf", "FP32"), json!("inf"));
    }
}
