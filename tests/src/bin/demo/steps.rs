//! The steps, each said as it is done.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::Value;
use tests::{
    failure::{Failure, Outcome},
    machine::ports,
    product::{
        binaries,
        sidecar::Sidecar,
        webhook::{IssuedCertificate, Webhook},
    },
    prometheus::{Options, Prometheus},
    scene::{CLUSTER, Scene},
    tools,
};

use super::{
    brief,
    screen::Screen,
    stage::{JOBS, Stage},
};

/// Builds what is not there yet; it may take minutes the first time.
pub(crate) fn build(screen: &Screen, optimised: bool) -> Outcome<PathBuf> {
    screen.step("Programs", "this workspace's own, and a real Prometheus");
    let find = if optimised { binaries::find_optimised } else { binaries::find };
    let sidecar = find(binaries::SIDECAR)?;
    screen.detail(&brief::path(&sidecar));
    screen.detail(&brief::path(&tools::find(&tools::PROMETHEUS, "prometheus")?));
    Ok(sidecar)
}

/// Starts the stand-in.
pub(crate) async fn azure(screen: &Screen) -> Outcome<Scene> {
    let scene = Scene::new().await?;
    screen.step("Azure", "a strict mock on loopback, with its own certificate authority");
    screen.detail(&format!("instance metadata  {}", scene.azure.metadata_host()));
    screen.detail(&format!("Entra              {}", scene.azure.authority_host()));
    let ingestion = scene.azure.ingestion_url("…");
    let (host, _) = ingestion.split_once("/dataC").unwrap_or((&ingestion, ""));
    screen.detail(&format!("ingestion          {host}"));
    Ok(scene)
}

/// Issues its certificate and starts it.
pub(crate) async fn webhook(screen: &Screen, scene: &Scene) -> Outcome<Webhook> {
    let certificate = IssuedCertificate::new("localhost").await?;
    screen.step("Certificate", "prom-remotewrite-certs issue --dns-name localhost");
    for line in certificate.said.lines() {
        screen.detail(line);
    }
    let webhook = Webhook::start(certificate, &scene.configuration()).await?;
    screen.step("Webhook", &format!("serves reviews at {}", webhook.url()));
    Ok(webhook)
}

/// Has the pod admitted, and once more.
pub(crate) async fn admit(screen: &Screen, webhook: &Webhook, scene: &Scene) -> Outcome<Value> {
    let pod = scene.pod_of_both(ports::free()?)?;
    let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    screen.step("Admission", name);
    let annotations = pod.pointer("/metadata/annotations").and_then(Value::as_object);
    for (name, value) in annotations.into_iter().flatten() {
        if name.starts_with(contract::annotations::PREFIX) {
            screen.detail(&format!("{name}: {value}"));
        }
    }
    let start = Instant::now();
    let admitted = webhook.create(&pod).await?;
    let took = start.elapsed().as_secs_f64() * 1000.0;
    if !admitted.allowed {
        return Err(Failure::new(format!("the webhook denied the pod: {}", admitted.message)));
    }
    if admitted.patch.is_empty() {
        return Err(Failure::new("the webhook did not change the annotated pod"));
    }
    screen.good(&format!("allowed in {took:.1} ms, with a patch that applies:"));
    for line in brief::patch(&admitted.patch) {
        screen.detail(&line);
    }
    if !webhook.create(&admitted.pod).await?.patch.is_empty() {
        return Err(Failure::new("a second pass over the patched pod changes it again"));
    }
    screen.good("a second pass over the patched pod changes nothing");
    Ok(admitted.pod)
}

/// Starts it from the patched pod.
pub(crate) async fn sidecar(
    screen: &Screen,
    scene: &Scene,
    pod: &Value,
    file: &Path,
) -> Outcome<Sidecar> {
    screen.step("Sidecar", "started with the command and variables of the patched pod");
    let sidecar = Sidecar::start(&scene.kubelet, pod, file).await?;
    screen.good(&format!("listening on port {}", sidecar.port()));
    Ok(sidecar)
}

/// Reports the tokens that were obtained; the proof reports if there are none.
fn tokens(screen: &Screen, scene: &Scene) {
    screen.step(
        "Tokens",
        "requested from the metadata service, and from Entra with a signed assertion",
    );
    for role in scene.roles() {
        let tokens = scene.azure.tokens().all().into_iter().map(|(_, minted)| minted);
        let own = tokens.filter(|minted| minted.principal.client_id == role.principal.client_id);
        for minted in own {
            let minutes = (minted.expires - minted.issued) / 60;
            screen.good(&format!(
                "as {}: token for {}, valid for {minutes} min",
                role.name, minted.audience
            ));
        }
    }
}

/// Starts Prometheus, which scrapes everything and writes to both destinations.
pub(crate) async fn prometheus(screen: &Screen, stage: &mut Stage, pod: &Value) -> Outcome<()> {
    let (scene, sidecar) = (&stage.scene, &stage.sidecar);
    let addresses = [stage.webhook.metrics_address(), sidecar.address()];
    let names = JOBS.iter().skip(1).map(|name| (*name).to_owned());
    let [first, further] = scene.roles().map(|role| role.profile);
    let of_pod = |name: &str| {
        let value = pod.pointer(&format!("/metadata/{name}")).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    // As an operator labels what it finds; the dashboard chooses by them.
    let labels = [("namespace", of_pod("namespace")), ("pod", of_pod("name"))];
    let labels = BTreeMap::from(labels.map(|(name, value)| (name.to_owned(), value)));
    let [own, _, of_sidecar] = JOBS.map(str::to_owned);
    let options = Options {
        target_labels: BTreeMap::from([(own, labels.clone()), (of_sidecar, labels)]),
        targets: names.zip(addresses).collect(),
        remote_writes: vec![
            (first.to_owned(), sidecar.write_url()),
            (further.to_owned(), sidecar.write_url_of(further)?),
        ],
        external_labels: BTreeMap::from([("cluster".to_owned(), CLUSTER.to_owned())]),
        ..Options::default()
    };
    let prometheus = Prometheus::start(&options).await?;
    tokens(screen, &stage.scene);
    screen.step(
        "Prometheus",
        "scrapes itself, the webhook and the sidecar, and writes to both destinations",
    );
    for (name, url) in &options.remote_writes {
        screen.detail(&format!("remote_write {name}: {url}"));
    }
    stage.prometheus = Some(prometheus);
    stage.begin_to_count();
    Ok(())
}

/// Stops everything in the order in which nothing is lost.
pub(crate) async fn summarize(screen: &Screen, stage: &mut Stage, optimised: bool) -> Outcome<()> {
    screen.step("Cost", "of the sidecar so far");
    match stage.cost() {
        None => screen.detail("not available on this system"),
        Some(cost) => {
            let mebibytes = to_mebibytes(cost.peak_memory);
            let per_request = cost.per_request.map_or_else(
                || "no request".to_owned(),
                |each| format!("{:.2} ms CPU per request", each.as_secs_f64() * 1000.0),
            );
            screen.line(&format!(
                "{mebibytes:.1} MiB peak memory, {per_request} over {} requests",
                cost.requests
            ));
            if !optimised {
                screen.detail(
                    "of a debug build; `cargo demo -- --optimised` measures what is shipped",
                );
            }
        }
    }
    screen.step("End", "Prometheus stops first, and sends its remaining samples");
    if let Some(prometheus) = &mut stage.prometheus {
        prometheus.stop().await?;
    }
    stage.sidecar.stop().await?;
    stage.webhook.stop().await
}

/// A process' memory is far below what a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
fn to_mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
