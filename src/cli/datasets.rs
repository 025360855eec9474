//! `slipway datasets`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Url;
use serde_json::{Value, json};

use super::failure::{Done, Failure, NOT_FOUND};
use super::output::{Form, View};
use super::session::{Common, Limit, Session};
use super::table::{Column, Kind};
use super::transfer::Target;
use crate::domain::schema::Format;

const DATASET: View = View {
    plural: "data sets",
    name: "name",
    columns: &[
        Column::new("NAME", "/name", Kind::Text),
        Column::new("VERSIONS", "/last_version", Kind::Number),
        Column::new("CREATED", "/created_at", Kind::Time),
        Column::new("BY", "/created_by", Kind::Text),
    ],
    more: &[Column::new("DESCRIPTION", "/description", Kind::Text)],
};

const VERSION: View = View {
    plural: "versions",
    name: "version",
    columns: &[
        Column::new("VERSION", "/version", Kind::Number),
        Column::new("STATE", "/state", Kind::State),
        Column::new("FORMAT", "/format", Kind::Text),
        Column::new("ROWS", "/num_rows", Kind::Number),
        Column::new("SIZE", "/size_bytes", Kind::Size),
        Column::new("DIGEST", "/digest", Kind::Short),
        Column::new("CREATED", "/created_at", Kind::Time),
        Column::new("BY", "/created_by", Kind::Text),
    ],
    more: &[Column::new("WHOLE DIGEST", "/digest", Kind::Text), Column::new("MESSAGE", "/message", Kind::Text)],
};

const SCHEMA: View = View {
    plural: "columns",
    name: "name",
    columns: &[
        Column::new("COLUMN", "/name", Kind::Text),
        Column::new("TYPE", "/type", Kind::Text),
        Column::new("NULLABLE", "/nullable", Kind::Text),
    ],
    more: &[],
};

const PROFILE: View = View {
    plural: "columns",
    name: "name",
    columns: &[
        Column::new("COLUMN", "/name", Kind::Text),
        Column::new("KIND", "/kind", Kind::Text),
        Column::new("ROWS", "/count", Kind::Number),
        Column::new("MISSING", "/nulls", Kind::Number),
        Column::new("DISTINCT", "/distinct", Kind::Number),
        Column::new("MIN", "/numeric/min", Kind::Metric),
        Column::new("MEAN", "/numeric/mean", Kind::Metric),
        Column::new("STD", "/numeric/std", Kind::Metric),
        Column::new("MAX", "/numeric/max", Kind::Metric),
        Column::new("MOST FREQUENT", "/categories/top/0/0", Kind::Text),
    ],
    more: &[],
};

const ROWS: View = View { plural: "rows", name: "", columns: &[], more: &[] };

/// Data sets: immutable versions of files, with schema and profile.
#[derive(Args)]
pub(super) struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

/// A version of a data set.
#[derive(Args)]
struct Which {
    /// Name of the data set.
    name: String,
    /// Number of the version; the last one when absent.
    version: Option<i64>,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists data sets by name.
    Ls {
        #[command(flatten)]
        limit: Limit,
    },
    /// Shows a data set, or one of its versions.
    Get(Which),
    /// Lists the versions of a data set, newest first.
    Versions {
        /// Name of the data set.
        name: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Uploads a file of any size as a new version. The same bytes again give the same version.
    Upload {
        /// Name of the data set; made when there is none.
        name: String,
        /// The file; `-` is standard input.
        file: PathBuf,
        /// How it is written, `csv`, `jsonl` or `parquet`; by the file's name when absent.
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
        /// Type of a column that should not be guessed, for instance `zip:string`; can be repeated.
        #[arg(long = "type", value_name = "COLUMN:TYPE")]
        types: Vec<String>,
    },
    /// Downloads a version as it was uploaded, and verifies it.
    Download {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        target: Target,
    },
    /// Shows the columns of a version.
    Schema(Which),
    /// Shows counts, moments and most frequent values of a version's columns.
    Profile(Which),
    /// Shows the first rows of a version.
    Preview {
        #[command(flatten)]
        which: Which,
        /// Rows, 1 to 100.
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
    /// Puts a version aside: it can't be trained on until it is restored.
    Archive {
        /// Name of the data set.
        name: String,
        /// Number of the version.
        version: i64,
    },
    /// Makes an archived version usable again, or a quarantined one once its bytes are found right.
    Restore {
        /// Name of the data set.
        name: String,
        /// Number of the version.
        version: i64,
    },
}

impl Command {
    pub(super) async fn run(self) -> Done {
        let session = self.common.open()?;
        match self.verb {
            Verb::Ls { limit } => session.list(session.client.v1(&["datasets"])?, &limit, &DATASET).await,
            Verb::Get(Which { name, version: None }) => session.show(session.client.v1(&["datasets", &name])?, &DATASET).await,
            Verb::Get(which) => session.show(of_version(&session, &which, &[]).await?, &VERSION).await,
            Verb::Versions { name, limit } => session.list(session.client.v1(&["datasets", &name, "versions"])?, &limit, &VERSION).await,
            Verb::Upload { name, file, format, types } => upload(&session, &name, &file, format.as_deref(), &types).await,
            Verb::Download { which, target } => {
                let about = session.client.get(of_version(&session, &which, &[]).await?).await?;
                let number = about["version"].to_string();
                let format = about["format"].as_str().unwrap_or_default();
                let url = session.client.v1(&["datasets", &which.name, "versions", &number, "content"])?;
                session.download(url, &target, &format!("{}-{number}.{format}", which.name), about["digest"].as_str()).await
            }
            Verb::Schema(which) => {
                let schema = session.client.get(of_version(&session, &which, &["schema"]).await?).await?;
                session.out.all(columns(&schema), &SCHEMA)
            }
            Verb::Profile(which) => {
                let profile = session.client.get(of_version(&session, &which, &["profile"]).await?).await?;
                session.out.all(columns(&profile), &PROFILE)
            }
            Verb::Preview { which, limit } => {
                let mut url = of_version(&session, &which, &["preview"]).await?;
                url.query_pairs_mut().append_pair("limit", &limit.to_string());
                preview(&session, &session.client.get(url).await?)
            }
            Verb::Archive { name, version } => change(&session, &name, version, "archive").await,
            Verb::Restore { name, version } => change(&session, &name, version, "restore").await,
        }
    }
}

fn columns(answer: &Value) -> &[Value] {
    answer["columns"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The address of something of a version; without a number the last one is meant.
async fn of_version(session: &Session, which: &Which, rest: &[&str]) -> Result<Url, Failure> {
    let number = match which.version {
        Some(number) => number,
        None => session.client.get(session.client.v1(&["datasets", &which.name])?).await?["last_version"].as_i64().unwrap_or(0),
    };
    if number == 0 {
        return Err(Failure::new(NOT_FOUND, format!("data set {:?} has no version", which.name)));
    }
    session.client.v1(&[&["datasets", &which.name, "versions", &number.to_string()][..], rest].concat())
}

async fn change(session: &Session, name: &str, version: i64, how: &str) -> Done {
    session.post(session.client.v1(&["datasets", name, "versions", &version.to_string(), how])?, &json!({}), &VERSION).await
}

async fn upload(session: &Session, name: &str, file: &std::path::Path, format: Option<&str>, types: &[String]) -> Done {
    let format = match format {
        Some(named) => Format::parse(named).ok_or_else(|| Failure::usage(format!("{named:?} is no format: say csv, jsonl or parquet")))?,
        None => match file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("csv" | "tsv") => Format::Csv,
            Some("jsonl" | "ndjson") => Format::Jsonl,
            Some("parquet" | "pq") => Format::Parquet,
            _ => return Err(Failure::usage(format!("the name of {} does not say how it is written: say --format", file.display()))),
        },
    };
    let mut url = session.client.v1(&["datasets", name, "versions"])?;
    url.query_pairs_mut().append_pair("format", format.as_str());
    if !types.is_empty() {
        url.query_pairs_mut().append_pair("types", &types.join(","));
    }
    let version = session.upload(url, file, format.media_type()).await?;
    session.out.one(&version, &VERSION)
}

fn preview(session: &Session, preview: &Value) -> Done {
    if session.out.form != Form::Table {
        return session.out.value(preview);
    }
    let schema = columns(&preview["schema"]);
    let numbers = |column: &Value| matches!(column["type"].as_str(), Some("long" | "double"));
    let shown = schema.iter().enumerate().map(|(at, column)| {
        let kind = if numbers(column) { Kind::Number } else { Kind::Text };
        Column::named(column["name"].as_str().unwrap_or_default(), format!("/{at}"), kind)
    });
    let mut list = session.out.list(&ROWS).with(shown);
    list.page(preview["rows"].as_array().map(Vec::as_slice).unwrap_or_default())?;
    list.end()
}
