//! The relabelling example, in a real Prometheus that scrapes what Azure would refuse
//! or drop: none of that is sent, and all else is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use prost::Message;
use serde_json::{Map, Value};
use tests::{
    azure::wire::WriteRequest,
    prometheus::{Options, Prometheus},
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use super::read;

const PATIENCE: Duration = Duration::from_secs(60);
/// After so many scrapes of a series, all of the first one has arrived: it was sent
/// before.
const SCRAPES: usize = 3;
/// The pairs of labels and the metrics are those that the example names.
const EXPOSED: &str = r#"
kept{pod="a"} 1
owned{"Microsoft.resourceid"="/subscriptions/1","microsoft.amwresourceid"="/2"} 1
cased{pod="a",Pod="b"} 1
http_requests_total 1
HTTP_Requests_Total 2
"#;

type Labels = BTreeMap<String, String>;
/// How often each series arrived, by where it was sent.
type Arrived = Arc<Mutex<BTreeMap<String, BTreeMap<Labels, usize>>>>;

fn exposed() -> String {
    let labels: Vec<_> = (0..70).map(|number| format!("label_{number}=\"x\"")).collect();
    format!("{EXPOSED}kube_pod_labels{{{}}} 1\n", labels.join(","))
}

async fn receive(
    State(arrived): State<Arrived>,
    Path(to): Path<String>,
    body: Bytes,
) -> StatusCode {
    let bytes = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let request = WriteRequest::decode(bytes.as_slice()).unwrap();
    let mut arrived = arrived.lock().unwrap();
    let series = arrived.entry(to).or_default();
    for one in request.timeseries {
        let labels = one.labels.into_iter().map(|label| (label.name, label.value));
        *series.entry(labels.collect()).or_default() += one.samples.len();
    }
    StatusCode::NO_CONTENT
}

/// As prometheus-operator passes them on: in snake case.
fn rules() -> Value {
    let values: Value =
        serde_saphyr::from_str(&read("kube-prometheus-stack/relabelling.yaml")).unwrap();
    let rules = values.pointer("/prometheus/prometheusSpec/remoteWrite/0/writeRelabelConfigs");
    let snake = |name: &str| match name {
        "sourceLabels" => "source_labels".to_owned(),
        other => other.to_owned(),
    };
    let rule = |rule: &Value| {
        let keys = rule.as_object().unwrap().iter();
        keys.map(|(name, value)| (snake(name), value.clone())).collect::<Map<_, _>>().into()
    };
    rules.unwrap().as_array().unwrap().iter().map(rule).collect::<Vec<Value>>().into()
}

/// The series of our target that arrived at least so often.
fn series(arrived: &Arrived, to: &str, times: usize) -> BTreeMap<String, Labels> {
    let arrived = arrived.lock().unwrap();
    let all = arrived.get(to).into_iter().flatten();
    let ours = all.filter(|(labels, count)| labels["job"] == "ours" && **count >= times);
    ours.map(|(labels, _)| (labels["__name__"].clone(), labels.clone())).collect()
}

#[tokio::test]
async fn series_with_names_that_azure_rejects_are_not_sent() {
    let arrived = Arrived::default();
    let routes = Router::new()
        .route("/metrics", get(async || exposed()))
        .route("/{to}", post(receive))
        .with_state(Arc::clone(&arrived));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async { axum::serve(listener, routes).await });
    let write = |to: &str| (to.to_owned(), format!("http://{address}/{to}"));
    let options = Options {
        targets: vec![("ours".into(), address.to_string())],
        remote_writes: vec![write("with"), write("without")],
        write_relabelling: BTreeMap::from([("with".to_owned(), rules())]),
        scrape_interval: Duration::from_millis(300),
        ..Options::default()
    };
    let _prometheus = Prometheus::start(&options).await.unwrap();
    let begun = Instant::now();
    let all =
        ["HTTP_Requests_Total", "cased", "http_requests_total", "kept", "kube_pod_labels", "owned"];
    let good = ["http_requests_total", "kept", "owned"];
    let here = |to: &str, names: &[&str]| {
        let series = series(&arrived, to, SCRAPES);
        names.iter().all(|name| series.contains_key(*name))
    };
    while !(here("without", &all) && here("with", &good)) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", arrived.lock().unwrap());
        sleep(Duration::from_millis(50)).await;
    }
    server.abort();
    let sent: BTreeMap<_, _> = series(&arrived, "with", 1)
        .into_iter()
        .filter(|(name, _)| name != "up" && !name.starts_with("scrape_"))
        .collect();
    assert_eq!(sent.keys().collect::<Vec<_>>(), good);
    for (name, labels) in &sent {
        let names: BTreeSet<_> = labels.keys().map(|label| label.to_lowercase()).collect();
        assert_eq!(names.len(), labels.len(), "{name}");
        assert!(!names.iter().any(|label| label.starts_with("microsoft.")), "{names:?}");
        assert!(names.len() <= 63, "{name}");
    }
    assert_eq!(sent["kept"]["pod"], "a");
    // Without the example, all of it would be sent.
    let unchanged = series(&arrived, "without", 1);
    assert!(unchanged["owned"].contains_key("Microsoft.resourceid"));
    assert!(unchanged["kube_pod_labels"].len() > 63);
}
