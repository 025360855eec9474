//! Compiles clauses. A clause about something beside the row itself becomes an `exists`, which a probe of a primary key answers.

use super::sql::{Dialect, Sql, rank};
use crate::domain::search::{Attribute, Clause, DatasetField, KeyedTest, Op, TextTest, Whole, rank as rank_of};

/// Where runs keep their files.
pub(super) const ARTIFACT_URI: &str = "(select case when e.artifact_location = '' then 'mlflow-artifacts:/' || e.id \
     else e.artifact_location end from experiments e where e.id = r.experiment_id) || '/' || r.id || '/artifacts'";

/// Returns the expression of an attribute: runs are `r`, experiments `x`, registered models `m`, their versions `v`.
pub(super) fn column(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::RunId => "r.id",
        Attribute::RunName => "r.name",
        Attribute::Status => "r.status",
        Attribute::ArtifactUri => ARTIFACT_URI,
        Attribute::UserId => "r.user_id",
        Attribute::StartTime => "r.start_time",
        Attribute::EndTime => "r.end_time",
        Attribute::ExperimentId => "x.id",
        Attribute::Name => "x.name",
        Attribute::CreationTime => "x.created_at",
        Attribute::LastUpdateTime => "x.updated_at",
        Attribute::ModelName => "m.name",
        Attribute::ModelUpdated => "m.updated_at",
        Attribute::VersionNumber => "v.version",
        Attribute::VersionRun => "coalesce(v.run_id, '')",
        Attribute::VersionSource => "v.source",
        Attribute::VersionCreated => "v.created_at",
        Attribute::VersionUpdated => "v.updated_at",
    }
}

/// Appends `and …` for a clause about runs or experiments.
pub(super) fn push(sql: &mut Sql, clause: &Clause) {
    sql.push(" and ");
    match clause {
        Clause::Number(attribute, whole) => number(sql, column(*attribute), *whole),
        Clause::Text(attribute, test) => text(sql, &format!("({})", column(*attribute)), test),
        Clause::Metric { key, op, value } => {
            sql.exists("select 1 from metric_keys m where m.run_seq = r.seq and m.key = ").text(key).push(" and ");
            metric(sql, &rank("m"), *op, *value);
            sql.closed();
        }
        Clause::Param(key, test) => keyed(sql, "params k where k.run_seq = r.seq", key, test),
        Clause::Tag(key, test) => keyed(sql, "run_tags k where k.run_seq = r.seq", key, test),
        Clause::Dataset(field, test) => dataset(sql, *field, test),
    }
}

/// Appends `and …` for a clause about experiments.
pub(super) fn push_experiment(sql: &mut Sql, clause: &Clause) {
    push_tagged(sql, "experiment_tags k where k.experiment_id = x.id", clause);
}

/// Appends `and …` for a clause about registered models.
pub(super) fn push_model(sql: &mut Sql, clause: &Clause) {
    push_tagged(sql, "model_tags k where k.model_id = m.id", clause);
}

/// Appends `and …` for a clause about versions of registered models.
pub(super) fn push_version(sql: &mut Sql, clause: &Clause) {
    push_tagged(sql, "model_version_tags k where k.model_version_id = v.id", clause);
}

fn push_tagged(sql: &mut Sql, tags: &str, clause: &Clause) {
    match clause {
        Clause::Tag(key, test) => {
            sql.push(" and ");
            keyed(sql, tags, key, test);
        }
        other => push(sql, other),
    }
}

pub(super) fn number(sql: &mut Sql, column: &str, whole: Whole) {
    match whole {
        Whole::Is(op, value) => sql.push(column).push(" ").push(op.sign()).push(" ").number(value),
        Whole::Always => sql.push(column).push(" is not null"),
        Whole::Never => sql.push("1 = 0"),
    };
}

pub(super) fn keyed(sql: &mut Sql, from: &str, key: &str, test: &KeyedTest) {
    if *test == KeyedTest::Missing {
        sql.push("not ");
    }
    sql.exists("select 1 from ").push(from).push(" and k.key = ").text(key);
    if let KeyedTest::Value(test) = test {
        sql.push(" and ");
        text(sql, "k.value", test);
    }
    sql.closed();
}

fn dataset(sql: &mut Sql, field: DatasetField, test: &TextTest) {
    sql.exists("select 1 from logged_inputs i ");
    match field {
        DatasetField::Context => {
            sql.push(
                "join logged_input_tags t on t.run_seq = i.run_seq and t.dataset_seq = i.dataset_seq
                 where i.run_seq = r.seq and t.key = 'mlflow.data.context' and ",
            );
            text(sql, "t.value", test);
        }
        DatasetField::Name | DatasetField::Digest => {
            sql.push("join logged_datasets d on d.seq = i.dataset_seq where i.run_seq = r.seq and ");
            text(sql, if field == DatasetField::Name { "d.name" } else { "d.digest" }, test);
        }
    }
    sql.closed();
}

/// Compares the value of a rank with a double. NaN is ranked outside of the infinities, so that each comparison but
/// `!=` is a range that leaves it out; both zeros are one value.
pub(super) fn metric(sql: &mut Sql, rank: &str, op: Op, value: f64) {
    let (low, high) = if value == 0.0 { (rank_of(-0.0), rank_of(0.0)) } else { (rank_of(value), rank_of(value)) };
    let (least, greatest) = (rank_of(f64::NEG_INFINITY), rank_of(f64::INFINITY));
    let (from, to) = match op {
        Op::NotEqual => {
            sql.push("not (").push(rank).push(" between ").number(low).push(" and ").number(high).push(")");
            return;
        }
        Op::Equal => (low, high),
        // a bound beside an infinity makes an empty range, not a wrong one: ranks are far from the ends of i64
        Op::Less => (least, low - 1),
        Op::AtMost => (least, high),
        Op::AtLeast => (low, greatest),
        Op::Greater => (high + 1, greatest),
    };
    sql.push(rank).push(" >= ").number(from).push(" and ").push(rank).push(" <= ").number(to);
}

pub(super) fn text(sql: &mut Sql, column: &str, test: &TextTest) {
    match test {
        TextTest::Is(value) => sql.push(column).push(" = ").text(value),
        TextTest::IsNot(value) => sql.push(column).push(" != ").text(value),
        TextTest::In(values) => sql.push(column).push(" in ").texts(values.iter().map(String::as_str)),
        TextTest::NotIn(values) => sql.push(column).push(" not in ").texts(values.iter().map(String::as_str)),
        TextTest::Like(pattern) => like(sql, column, pattern),
        TextTest::ILike(pattern) => {
            let column = format!("lower({})", sql.dialect.bytewise(column));
            like(sql, &column, &pattern.to_ascii_lowercase())
        }
    };
}

/// SQLite's `like` takes upper and lower case as one, its `glob` does not. No character escapes another, on either engine.
fn like<'a>(sql: &'a mut Sql, column: &str, pattern: &str) -> &'a mut Sql {
    match sql.dialect {
        Dialect::Postgres => {
            let column = sql.dialect.bytewise(column);
            sql.push(&column).push(" like ").text(pattern).push(" escape ''")
        }
        Dialect::Sqlite => sql.push(column).push(" glob ").text(&glob(pattern)),
    }
}

fn glob(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '%' => text.push('*'),
            '_' => text.push('?'),
            '*' | '?' | '[' => {
                text.push('[');
                text.push(c);
                text.push(']');
            }
            other => text.push(other),
        }
    }
    text
}
