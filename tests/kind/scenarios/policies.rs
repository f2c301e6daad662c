//! Who reaches which port where network policies are enforced: the chart's, and those that
//! the examples recommend. Every port is also tried without policies, when all reach it.

use std::time::Duration;

use tests::{
    failure::{Context, Failure, Outcome},
    kubernetes::deployment::{self, Helm, IDENTITIES, MONITORING, RELEASE_NAMESPACE},
    machine::environment,
};

use super::nodes::restarts;
use crate::{
    account::Tolerance,
    probe::Probe,
    stack::{Stack, eventually},
};

/// kube-router follows a change within a second or two, on a busy machine within some more.
const ENFORCED_WITHIN: Duration = Duration::from_mins(1);
/// Two scrapes, and what the operator takes to name new targets.
const SCRAPED_WITHIN: Duration = Duration::from_mins(2);
/// A connection that is dropped; one that is rejected ends at once.
const GIVEN_UP_AFTER: &str = "3";
/// How curl ends where no connection comes about: rejected, or not in time.
const NOT_CONNECTED: [i32; 2] = [7, 28];
const WEBHOOK: &str = "deployment/prom-remotewrite-webhook";
/// The address that the example keeps pods from, and that no machine here has.
const METADATA: &str = "169.254.169.254";

/// A pod that tries: its namespace and name, as `manifests/kind/clients.yaml` has it.
type Client = (&'static str, &'static str);
/// What policies let in.
const ALLOWED: Client = (MONITORING, "client-allowed");
/// It lacks the label of Prometheus.
const UNLABELLED: Client = (MONITORING, "client-forbidden");
/// It has the label, in another namespace.
const ELSEWHERE: Client = ("elsewhere", "client-forbidden");

const CLIENTS: [Client; 3] = [ALLOWED, UNLABELLED, ELSEWHERE];

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Webhook,
    /// Metrics and probes of webhook and certs.
    Admin,
    Sidecar,
    Prometheus,
    /// An address outside of the pod network, in place of the metadata service's.
    Metadata,
}

/// What is in force, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    NoPolicy,
    Chart,
    ChartAndExamples,
}

impl Stage {
    /// Who reaches what.
    fn lets(self, client: Client, port: Port) -> bool {
        if self == Self::NoPolicy {
            return true;
        }
        let examples = self == Self::ChartAndExamples;
        match port {
            Port::Webhook => false,
            Port::Admin => client == ALLOWED,
            Port::Sidecar => !examples || client == ALLOWED,
            Port::Prometheus => true,
            Port::Metadata => !examples || client != UNLABELLED,
        }
    }
}

/// Pods are injected all the time, and no container is restarted.
pub(super) async fn enforced(stack: &Stack) -> Outcome<Tolerance> {
    let probe = Probe::start(stack.client())?;
    let before = restarts(stack)?;
    deployment::enforce_policies(&stack.cluster, &stack.nodes())?;
    let played = play(stack).await;
    let after = restarts(stack);
    let undone = undo(stack);
    let tried = played?;
    undone?;
    // Those of the clients are gone.
    let is_old = |line: &&str| before.lines().any(|old| old == *line);
    if after?.lines().filter(is_old).count() != before.lines().count() {
        return Err(Failure::new("containers were restarted"));
    }
    Ok(Tolerance::none(format!("{tried} connections tried; {}", probe.all_injected()?)))
}

async fn play(stack: &Stack) -> Outcome<usize> {
    let helm = Helm::find()?;
    helm.upgrade(&stack.cluster, &["networkPolicy.enabled=false"])?;
    let mut tried = all_are_right(stack, Stage::NoPolicy).await?;
    let [node, worker] = stack.nodes();
    let api_server = address(stack, &["get", "node", &node, "-o", NODE_ADDRESS])?;
    let prometheus = "networkPolicy.metricsFrom[0]";
    helm.upgrade(
        &stack.cluster,
        &[
            &format!("networkPolicy.webhookFrom[0].ipBlock.cidr={api_server}/32"),
            &format!(
                "{prometheus}.namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name={MONITORING}"
            ),
            &format!("{prometheus}.podSelector.matchLabels.app\\.kubernetes\\.io/name=prometheus"),
            // No policy ends connections, or keeps a node from its own pods: new webhooks,
            // away from the API server, have to be connected to.
            &format!("webhook.nodeSelector.kubernetes\\.io/hostname={worker}"),
        ],
    )?;
    stack.cluster.rolled_out(RELEASE_NAMESPACE, WEBHOOK)?;
    tried += all_are_right(stack, Stage::Chart).await?;
    helm.test(&stack.cluster)?;
    deployment::apply_yaml(&stack.cluster, &examples()?.replace(METADATA, &api_server))?;
    tried += all_are_right(stack, Stage::ChartAndExamples).await?;
    let scraped = async || all_are_scraped(stack).await;
    eventually("Prometheus scrapes all that policies let it", SCRAPED_WITHIN, scraped).await?;
    Ok(tried)
}

/// Whatever fails, the rest is undone.
fn undo(stack: &Stack) -> Outcome<()> {
    let file = example().display().to_string();
    let outcomes = [
        stack.kubectl(&["delete", "--ignore-not-found", "-f", &file]).map(drop),
        deployment::stop_enforcing(&stack.cluster, &stack.nodes()),
        Helm::find().and_then(|helm| helm.upgrade(&stack.cluster, &[])),
    ];
    outcomes.into_iter().collect()
}

/// Waits until each client reaches what it is allowed to reach, and nothing else; how many
/// connections that is.
async fn all_are_right(stack: &Stack, stage: Stage) -> Outcome<usize> {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    let right = async || {
        // Each time: a former webhook may still be there at first.
        let ports = ports(stack)?;
        wrong = wrongs(stack, stage, &ports)?;
        tried = CLIENTS.len() * ports.len();
        Ok(wrong.is_empty())
    };
    let settled = eventually("all connections are as the policies say", ENFORCED_WITHIN, right);
    settled.await.context(format!("find {stage:?} enforced ({})", wrong.join("; ")))?;
    Ok(tried)
}

/// Connections that come about against the policies, or do not.
fn wrongs(stack: &Stack, stage: Stage, ports: &[(Port, String)]) -> Outcome<Vec<String>> {
    let mut wrongs = Vec::new();
    for client in CLIENTS {
        for ((port, url), reached) in ports.iter().zip(reached(stack, client, ports)?) {
            if reached != stage.lets(client, *port) {
                let how = if reached { "reaches" } else { "does not reach" };
                wrongs.push(format!("{}/{} {how} {port:?} at {url}", client.0, client.1));
            }
        }
    }
    Ok(wrongs)
}

/// Which of them a client connects to, whatever they then answer.
fn reached(stack: &Stack, client: Client, ports: &[(Port, String)]) -> Outcome<Vec<bool>> {
    let (namespace, pod) = client;
    let mut command = vec!["exec", "-n", namespace, pod, "--", "curl"];
    command.extend(["--silent", "--insecure", "--max-time", GIVEN_UP_AFTER]);
    command.extend(["--write-out", "%{exitcode}\n"]);
    // curl ends as the last one does: with one that always succeeds.
    for url in ports.iter().map(|(_, url)| url.as_str()).chain(["file:///dev/null"]) {
        command.extend(["--output", "/dev/null", url]);
    }
    let said = stack.kubectl(&command)?;
    let codes = said.lines().map(|line| line.trim().parse());
    let codes: Vec<i32> = codes.collect::<Result<_, _>>().context(format!("read {said:?}"))?;
    if codes.len() != ports.len() + 1 {
        return Err(Failure::new(format!("curl tried {} of {} ports", codes.len(), ports.len())));
    }
    let judge = |((_, url), code): (&(Port, String), i32)| match code {
        0 => Ok(true),
        code if NOT_CONNECTED.contains(&code) => Ok(false),
        code => Err(Failure::new(format!("curl ended with {code} at {url}"))),
    };
    ports.iter().zip(codes).map(judge).collect()
}

const NODE_ADDRESS: &str = "jsonpath={.status.addresses[?(@.type==\"InternalIP\")].address}";
const POD_ADDRESSES: &str = "jsonpath={.items[*].status.podIP}";

/// Every port of every pod of the product.
fn ports(stack: &Stack) -> Outcome<Vec<(Port, String)>> {
    let mut ports = Vec::new();
    let of_part = |part: &str| {
        let label = format!("app.kubernetes.io/component={part}");
        let running = "--field-selector=status.phase=Running";
        let get = ["get", "pods", "-n", RELEASE_NAMESPACE, "-l", &label, running];
        address(stack, &[&get[..], &["-o", POD_ADDRESSES]].concat())
    };
    for ip in of_part("webhook")?.split(' ') {
        ports.push((Port::Webhook, format!("https://{ip}:8443/mutate")));
        ports.push((Port::Admin, format!("http://{ip}:8080/metrics")));
    }
    ports.push((Port::Admin, format!("http://{}:8080/metrics", of_part("certs")?)));
    for identity in IDENTITIES {
        let get = ["get", "pod", &identity.pod(), "-n", MONITORING];
        let ip = address(stack, &[&get[..], &["-o", "jsonpath={.status.podIP}"]].concat())?;
        ports.push((Port::Sidecar, format!("http://{ip}:8081/metrics")));
        ports.push((Port::Prometheus, format!("http://{ip}:9090/-/ready")));
    }
    let [node, _] = stack.nodes();
    let ip = address(stack, &["get", "node", &node, "-o", NODE_ADDRESS])?;
    ports.push((Port::Metadata, format!("https://{ip}:6443/livez")));
    Ok(ports)
}

fn address(stack: &Stack, get: &[&str]) -> Outcome<String> {
    let said = stack.kubectl(get)?;
    let said = said.trim();
    if said.is_empty() {
        return Err(Failure::new(format!("kubectl {} names no address", get.join(" "))));
    }
    Ok(said.to_owned())
}

/// Whether a Prometheus scrapes the webhooks, certs and the three sidecars.
async fn all_are_scraped(stack: &Stack) -> Outcome<bool> {
    let [managed, ..] = IDENTITIES;
    let up = format!(
        "count(up{{namespace=\"{RELEASE_NAMESPACE}\"}} == 1) + count(up{{namespace=\"{MONITORING}\", container=\"prom-remotewrite\"}} == 1)"
    );
    let answer = stack.query((MONITORING, &managed.pod()), &up, stack.now()).await?;
    let count = answer.pointer("/result/0/value/1").and_then(|value| value.as_str());
    Ok(count == Some("6"))
}

fn example() -> std::path::PathBuf {
    environment::crate_folder().with_file_name("manifests").join("examples/network-policies.yaml")
}

fn examples() -> Outcome<String> {
    let file = example();
    let text = std::fs::read_to_string(&file).context(format!("read {}", file.display()))?;
    if text.contains(METADATA) {
        return Ok(text);
    }
    Err(Failure::new(format!("{} does not name {METADATA}", file.display())))
}
