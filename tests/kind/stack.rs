//! The running stack, and how it is asked: through the API server's proxy, which
//! reaches pods and services whatever is published on this machine.

use std::{sync::Arc, time::Duration};

use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use tests::{
    azure::{Labels, Report},
    failure::{Context, Failure, Outcome},
    kubernetes::{
        deployment::{self, AZURE, Identity, MONITORING},
        kind::Cluster,
    },
    machine::clock::{Clock, since_epoch},
    prometheus::{Range, ranges},
};
use tokio::time::{Instant, sleep, timeout};
use url::form_urlencoded;

/// A pod that was just recreated, a node whose kubelet is away: the proxy answers again
/// soon.
const PROXY_PATIENCE: Duration = Duration::from_secs(60);
/// One answer may hold megabytes; the client itself would wait for ever.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// The cluster with everything in it.
pub(crate) struct Stack {
    /// The cluster.
    pub(crate) cluster: Arc<Cluster>,
    name: String,
    client: Client,
    clock: Clock,
}

impl Stack {
    /// Where everything is installed and runs.
    pub(crate) async fn new(cluster: Arc<Cluster>, name: &str) -> Outcome<Self> {
        let client = tests::kubernetes::control_plane::client(cluster.kubeconfig()).await?;
        Ok(Self { cluster, name: name.to_owned(), client, clock: Clock::default() })
    }

    /// Milliseconds since 1970; the nodes have this machine's clock.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(since_epoch(self.clock.now()).as_millis()).unwrap_or(i64::MAX)
    }

    /// kubectl, for this cluster.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Outcome<String> {
        deployment::kubectl(&self.cluster, arguments)
    }

    /// Every sample that a Prometheus has of the times after `from` up to `to`.
    pub(crate) async fn held(&self, of: Identity, from: i64, to: i64) -> Outcome<Vec<Range>> {
        self.held_by((MONITORING, &of.pod()), from, to).await
    }

    /// The same of a pod, by its namespace and name.
    pub(crate) async fn held_by(
        &self,
        pod: (&str, &str),
        from: i64,
        to: i64,
    ) -> Outcome<Vec<Range>> {
        let selector = format!("{{__name__=~\".+\"}}[{}ms]", (to - from).max(1));
        let data = self.query(pod, &selector, to).await?;
        ranges(&data)
    }

    /// What a Prometheus answers.
    pub(crate) async fn query(
        &self,
        (namespace, pod): (&str, &str),
        expression: &str,
        at: i64,
    ) -> Outcome<Value> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", expression);
        form.append_pair("time", &format!("{}.{:03}", at / 1000, at % 1000));
        let path = format!("pods/{pod}:9090/proxy/api/v1/query?{}", form.finish());
        let text = self.ask(Method::GET, namespace, &path, Vec::new()).await?;
        let mut answer: Value = serde_json::from_str(&text).context("read Prometheus' answer")?;
        Ok(answer.get_mut("data").map(Value::take).unwrap_or_default())
    }

    /// What arrived at Azure.
    pub(crate) async fn report(&self, of: Identity, from: i64, to: i64) -> Outcome<Report> {
        let text = self.admin(Method::GET, &format!("samples/{}/{from}/{to}", of.rule), "").await?;
        serde_json::from_str(&text).context("read what was stored")
    }

    /// Lets a service of the stand-in misbehave.
    pub(crate) async fn misbehave(&self, service: &str, fault: &Value) -> Outcome<()> {
        self.admin(Method::PUT, &format!("faults/{service}"), &fault.to_string()).await.map(|_| ())
    }

    /// No fault from now on, and tokens of the usual life.
    pub(crate) async fn behave(&self) -> Outcome<()> {
        for service in ["imds", "entra", "ingestion"] {
            self.admin(Method::DELETE, &format!("faults/{service}"), "").await?;
        }
        self.tokens_live(Duration::from_mins(75)).await
    }

    /// For how long tokens are valid from now on.
    pub(crate) async fn tokens_live(&self, lifetime: Duration) -> Outcome<()> {
        let seconds = json!(lifetime.as_secs()).to_string();
        self.admin(Method::PUT, "lifetime", &seconds).await.map(|_| ())
    }

    /// Asks the stand-in's admin.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &str) -> Outcome<String> {
        let path = format!("services/admin:8081/proxy/{path}");
        self.ask(method, AZURE, &path, body.as_bytes().to_vec()).await
    }

    /// A sidecar's own metrics.
    pub(crate) async fn sidecar_metrics(&self, of: Identity) -> Outcome<String> {
        let path = format!("pods/{}:8081/proxy/metrics", of.pod());
        self.ask(Method::GET, MONITORING, &path, Vec::new()).await
    }

    /// Whether a sidecar holds a token.
    pub(crate) async fn sidecar_is_ready(&self, of: Identity) -> Outcome<bool> {
        let path = format!("/api/v1/namespaces/{MONITORING}/pods/{}:8081/proxy/ready", of.pod());
        let request = Request::get(path).body(Vec::new()).context("make a request")?;
        Ok(self.request(request).await.is_ok())
    }

    /// The administrator's client.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The node of the API server, and the other one.
    pub(crate) fn nodes(&self) -> [String; 2] {
        [format!("{}-control-plane", self.name), self.worker()]
    }

    /// The node that everything but the stand-in may run on.
    pub(crate) fn worker(&self) -> String {
        format!("{}-worker", self.name)
    }

    /// Asks something in a namespace through the API server's proxy, again while that
    /// cannot reach it.
    pub(crate) async fn ask(
        &self,
        method: Method,
        namespace: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Outcome<String> {
        let path = format!("/api/v1/namespaces/{namespace}/{path}");
        let start = Instant::now();
        loop {
            let request = Request::builder()
                .method(method.clone())
                .uri(&path)
                .header("content-type", "application/json")
                .body(body.clone())
                .context("make a request")?;
            match self.request(request).await {
                Ok(text) => return Ok(text),
                Err(_) if start.elapsed() < PROXY_PATIENCE => sleep(Duration::from_secs(1)).await,
                Err(failure) => return Err(failure).context(format!("{method} {path}")),
            }
        }
    }

    async fn request(&self, request: Request<Vec<u8>>) -> Outcome<String> {
        let answer = timeout(ANSWERS_WITHIN, self.client.request_text(request)).await;
        answer.context(format!("get an answer within {ANSWERS_WITHIN:?}"))?.context("get an answer")
    }

    /// Runs a program in a node's container.
    pub(crate) fn on_node(&self, node: &str, arguments: &[&str]) -> Outcome<String> {
        self.cluster.on_node(node, arguments)
    }
}

/// The labels that a Prometheus adds to whatever it sends.
pub(crate) fn external(of: Identity) -> Labels {
    Labels::from([
        ("cluster".to_owned(), "kind".to_owned()),
        ("prometheus".to_owned(), format!("{MONITORING}/{}", of.name)),
        ("prometheus_replica".to_owned(), of.pod()),
    ])
}

/// Waits until something holds, within a bound.
pub(crate) async fn eventually(
    what: &str,
    patience: Duration,
    mut holds: impl AsyncFnMut() -> Outcome<bool>,
) -> Outcome<()> {
    let start = Instant::now();
    while !holds().await? {
        if start.elapsed() > patience {
            return Err(Failure::new(format!("{what}: not within {patience:?}")));
        }
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}
