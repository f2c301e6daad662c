//! Answers of Prometheus' HTTP API.
//!
//! <https://prometheus.io/docs/prometheus/latest/querying/api/>

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Context, Outcome};

/// The samples of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// Its labels, without external ones.
    pub labels: BTreeMap<String, String>,
    /// Times in milliseconds since 1970, and values.
    pub samples: Vec<(i64, f64)>,
}

/// A series' value at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// What is scraped.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The job.
    #[serde(rename = "scrapePool")]
    pub job: String,
    /// `up`, `down` or `unknown`.
    pub health: String,
    /// Why it is down.
    pub last_error: String,
}

#[derive(Deserialize)]
struct Answer<T> {
    result: Vec<T>,
}

#[derive(Deserialize)]
struct Matrix {
    metric: BTreeMap<String, String>,
    /// Absent where a series holds histograms only.
    #[serde(default)]
    values: Vec<(f64, String)>,
}

#[derive(Deserialize)]
struct Vector {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

/// Reads the `data` of an answer to a query for a range.
pub fn ranges(data: &Value) -> Outcome<Vec<Range>> {
    let answer = Answer::<Matrix>::deserialize(data).context("read a range from Prometheus")?;
    let range = |matrix: Matrix| {
        let samples = matrix
            .values
            .into_iter()
            .map(|(time, value)| Ok((milliseconds(time), number(&value)?)));
        Ok(Range { labels: matrix.metric, samples: samples.collect::<Outcome<_>>()? })
    };
    answer.result.into_iter().map(range).collect()
}

pub(super) fn points(data: &Value) -> Outcome<Vec<Point>> {
    let answer = Answer::<Vector>::deserialize(data).context("read values from Prometheus")?;
    let point =
        |vector: Vector| Ok(Point { labels: vector.metric, value: number(&vector.value.1)? });
    answer.result.into_iter().map(point).collect()
}

/// The names in the selectors of a parsed expression.
pub(super) fn metrics(tree: &Value) -> BTreeSet<String> {
    let own = ["vectorSelector", "matrixSelector"]
        .contains(&tree.get("type").and_then(Value::as_str).unwrap_or_default())
        .then(|| tree.get("name").and_then(Value::as_str).unwrap_or_default().to_owned());
    let parts: Vec<&Value> = match tree {
        Value::Array(parts) => parts.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(parts.into_iter().flat_map(metrics)).collect()
}

pub(super) fn targets(data: &Value) -> Outcome<Vec<Target>> {
    let list = data.get("activeTargets").context("read targets from Prometheus")?;
    Vec::<Target>::deserialize(list).context("read targets from Prometheus")
}

/// Prometheus writes `+Inf` and `NaN` as Rust reads them.
fn number(text: &str) -> Outcome<f64> {
    text.parse().context(format!("read the number {text:?}"))
}

/// Prometheus counts milliseconds and writes seconds.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit for ages")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
