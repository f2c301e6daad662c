//! Injection without a webhook, on a real API server: each pod goes to the chart's
//! webhook in one namespace and to the policies in another, and what comes out is
//! compared field by field.

mod answers;
pub(crate) mod compare;
mod edges;
mod pods;
mod random;

use std::{collections::BTreeMap, fs, time::Duration};

use http::Request;
use kube::{Client, api::DeleteParams, client::Body};
use serde_json::{Value, json};
use tests::{
    machine::{folder, process::Program},
    product::binaries::{self, CLI},
};

use crate::{
    chart::{
        helm::Helm,
        injected::sidecar,
        objects::{self, of_kind, text},
        trial::{Trial, config, eventually, values},
    },
    cluster::has,
};
use compare::{compared, refused_by_policy};

/// Where pods go to the webhook.
const WITH_WEBHOOK: &str = "policy-webhook";
/// Where they go to the policies, and where the parameters are.
const WITH_POLICY: &str = "policy-policies";
/// Where they go to both.
const WITH_BOTH: &str = "policy-both";
/// Where they go to neither.
const WITHOUT: &str = "policy-neither";
const RANDOM_PODS: usize = 320;
const UNTOUCHED_PODS: usize = 50;
const PATIENCE: Duration = Duration::from_mins(1);

/// What the command prints for the chart's values with this configuration.
async fn printed(config: &Value) -> Vec<Value> {
    let folder = folder::temporary("policy").unwrap();
    let file = folder.path().join("values.yaml");
    let mut values = values(WITH_POLICY, &[WITH_BOTH], &json!({}));
    values["config"] = config.clone();
    fs::write(&file, values.to_string()).unwrap();
    let print = async || {
        Program::new(CLI, binaries::find(CLI).unwrap())
            .args(["policy", "--namespace", WITH_POLICY, "--config"])
            .arg(file.display().to_string())
            .run(PATIENCE)
            .await
            .unwrap()
    };
    let text = print().await;
    assert_eq!(text, print().await, "the same values, the same text");
    objects::documents(&text)
}

/// Applies all of it without a warning of the API server.
async fn install(client: &Client, printed: &[Value]) {
    for object in printed {
        let path = objects::api(client, object).resource_url().to_owned();
        let request = Request::post(format!("{path}?dryRun=All&fieldValidation=Strict"))
            .header("content-type", "application/json")
            .body(Body::from(object.to_string().into_bytes()))
            .unwrap();
        let response = client.send(request).await.unwrap();
        let warnings: Vec<_> = response.headers().get_all("warning").iter().cloned().collect();
        assert!(warnings.is_empty(), "{warnings:?}: {}", object["metadata"]["name"]);
        objects::apply(client, object).await.unwrap();
    }
    for profile in
        ["application", "default", "federated", "federated-bound", "secret", "stack", "tenants"]
    {
        let asks = pods::prometheus(&[("inject", "true"), ("profile", profile)]);
        let webhook = objects::create_dry(client, WITH_WEBHOOK, &asks).await.unwrap();
        eventually(&format!("policy of profile {profile} is in force"), async || {
            let pod = objects::create_dry(client, WITH_POLICY, &asks).await.ok()?;
            (compared(&pod) == compared(&webhook)).then_some(())
        })
        .await;
    }
    let unclear = pods::prometheus(&[("inject", "perhaps")]);
    eventually("the refusing policy is in force", async || {
        let error = objects::create_dry(client, WITH_POLICY, &unclear).await.err()?.to_string();
        error.contains("expected true or false").then_some(())
    })
    .await;
    for policy in printed.iter().filter(|one| one["kind"] == "ValidatingAdmissionPolicy") {
        let checked = eventually("the types are checked", async || {
            let api = objects::api(client, policy);
            let found = api.get(text(policy, "/metadata/name")).await.unwrap();
            let status = found.data.get("status")?.clone();
            status.get("typeChecking").is_some().then_some(status)
        })
        .await;
        assert_eq!(checked["typeChecking"], json!({}), "{checked:#}");
    }
}

/// What happened to pods, by what is expected of them.
#[derive(Debug, Default)]
struct Tally {
    injected: usize,
    repaired: usize,
    unchanged: usize,
    refused_by_both: usize,
    no_pods: usize,
    only_with_webhook: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Sends a pod both ways.
    async fn add(&mut self, client: &Client, name: &str, pod: &Value) -> Option<Value> {
        let webhook = objects::create_dry(client, WITH_WEBHOOK, pod).await;
        let policy = objects::create_dry(client, WITH_POLICY, pod).await;
        match (webhook, policy) {
            (Ok(webhook), Ok(policy)) => {
                let (webhook, policy) = (compared(&webhook), compared(&policy));
                assert_eq!(policy, webhook, "{name}: {pod:#}");
                self.unchanged_or_not(client, name, pod, &policy).await;
                Some(policy)
            }
            (Ok(_), Err(error)) => {
                let error = error.to_string();
                let needs = pods::needs_webhook(pod);
                let (kind, text) = needs.unwrap_or_else(|| panic!("{name}: {error}: {pod:#}"));
                assert!(refused_by_policy(&error) && error.contains(text), "{name}: {error}");
                *self.only_with_webhook.entry(kind).or_default() += 1;
                None
            }
            (Err(webhook), Err(policy)) => {
                let (webhook, policy) = (webhook.to_string(), policy.to_string());
                // What is not a pod at all never comes to the refusing policy.
                if policy.contains(" is invalid: ") {
                    self.no_pods += 1;
                } else {
                    let both = webhook.contains("admission webhook") && refused_by_policy(&policy);
                    assert!(both, "{name}: {webhook}\n{policy}\n{pod:#}");
                    self.refused_by_both += 1;
                }
                None
            }
            (Err(error), Ok(_)) => panic!("{name}: the policy takes it: {error}: {pod:#}"),
        }
    }

    /// Counts it, and creates again what came out, which changes no more.
    async fn unchanged_or_not(&mut self, client: &Client, name: &str, pod: &Value, made: &Value) {
        let again = objects::create_dry(client, WITH_POLICY, made).await;
        let again = again.unwrap_or_else(|error| panic!("{name}: {error}: {made:#}"));
        assert_eq!(compared(&again), *made, "{name}: a second pass changes it");
        match (sidecar(pod), sidecar(made)) {
            (None, Some(_)) => self.injected += 1,
            (Some(_), Some(_)) if pods::lost(pod, made) => self.repaired += 1,
            _ => self.unchanged += 1,
        }
    }
}

#[tokio::test]
async fn pods_come_out_of_the_policies_as_from_the_webhook() {
    const TEST: &str = "pods_come_out_of_the_policies_as_from_the_webhook";
    let Some(trial) = Trial::new(TEST, WITH_WEBHOOK, &[WITH_BOTH], &json!({})).await else {
        return;
    };
    if !has(trial.plane, 36, TEST, "MutatingAdmissionPolicy v1") {
        return;
    }
    let client = &trial.client;
    for namespace in [WITH_WEBHOOK, WITH_POLICY, WITH_BOTH, WITHOUT] {
        objects::namespace(client, namespace, "privileged").await;
    }
    let policies = printed(&config()).await;
    install(client, &policies).await;

    let (mut tally, mut made) = (Tally::default(), Vec::new());
    let all = pods::golden().into_iter().chain(pods::meshes()).chain(pods::neighbours());
    for (name, pod) in all.chain(edges::pods()) {
        made.extend(tally.add(client, &name, &pod).await);
    }
    let all = (tally.refused_by_both, tally.no_pods, tally.injected + tally.repaired);
    assert_eq!(all, (0, 0, made.len()), "{tally:?}");
    assert!(made.len() > 9, "{tally:?}");
    for pod in &made {
        for (name, damaged) in pods::damaged(pod) {
            tally.add(client, name, &damaged).await;
        }
    }
    assert!(tally.repaired >= 20, "{tally:?}");

    let mut tally = Tally::default();
    for number in 0..RANDOM_PODS {
        tally.add(client, &format!("random pod {number}"), &random::pod(number)).await;
    }
    let few = tally.only_with_webhook.values().sum::<usize>();
    assert!(tally.injected >= 200 && few <= RANDOM_PODS / 10, "{tally:?}");
    for pod in pods::mirrors() {
        assert!(
            tally.add(client, "mirror pod", &pod).await.is_some_and(|it| sidecar(&it).is_none())
        );
    }
    assert!(tally.unchanged >= 10 && tally.refused_by_both >= 20, "{tally:?}");

    untouched(client).await;
    answers::refused(client).await;
    answers::forgotten(client).await;
    beside_the_webhook(client).await;
    in_a_meshs_namespace(client).await;
    configured_otherwise(&trial).await;
    without_parameters(client, &policies).await;
}

/// Pods that do not ask are as without any policy.
async fn untouched(client: &Client) {
    for number in 0..UNTOUCHED_PODS {
        let mut pod = random::pod(number);
        for name in ["inject", "injected"] {
            let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
            annotations.remove(&format!("{}{name}", contract::annotations::PREFIX));
        }
        let without = objects::create_dry(client, WITHOUT, &pod).await;
        let policy = objects::create_dry(client, WITH_POLICY, &pod).await;
        match (without, policy) {
            (Ok(without), Ok(policy)) => assert_eq!(compared(&policy), compared(&without)),
            (Err(_), Err(error)) => assert!(!refused_by_policy(&error.to_string()), "{error}"),
            (without, policy) => panic!("{without:?}\n{policy:?}"),
        }
    }
}

/// What a policy has injected, the webhook leaves; what it cannot do, the webhook does.
async fn beside_the_webhook(client: &Client) {
    let injected = async |annotations: &[(&str, &str)]| {
        let pod = objects::create_dry(client, WITH_BOTH, &pods::prometheus(annotations)).await;
        text(&pod.unwrap(), "/metadata/annotations/prom-remotewrite~1injected").to_owned()
    };
    assert!(injected(&[("inject", "true")]).await.contains(" by=policy "));
    for (name, value) in [("listening-port", "9000"), ("profile", "default,tenants")] {
        let text = injected(&[("inject", "true"), (name, value)]).await;
        assert!(text.starts_with("version=") && !text.contains("policy"), "{text}");
    }
}

/// A mesh's injector comes later, and its namespace says that it will.
async fn in_a_meshs_namespace(client: &Client) {
    let probe = async || {
        let asks = pods::prometheus(&[("inject", "true")]);
        let pod = objects::create_dry(client, WITH_POLICY, &asks).await.unwrap();
        sidecar(&pod).unwrap().1["livenessProbe"].clone()
    };
    assert!(probe().await.get("httpGet").is_some());
    for metadata in [
        json!({"labels": {"istio-injection": "enabled"}}),
        json!({"labels": {"kuma.io/sidecar-injection": "enabled"}}),
        json!({"annotations": {"linkerd.io/inject": "enabled"}}),
    ] {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": WITH_POLICY},
        });
        let mut with_mesh = namespace.clone();
        json_patch::merge(&mut with_mesh["metadata"], &metadata);
        objects::apply(client, &with_mesh).await.unwrap();
        eventually(&format!("{metadata}: the probe is a command"), async || {
            probe().await.get("exec").map(|_| ())
        })
        .await;
        objects::apply(client, &namespace).await.unwrap();
    }
    objects::namespace(client, WITH_POLICY, "privileged").await;
}

/// The same with a configuration that leaves out what the first one has, and has the rest;
/// what is there is replaced.
async fn configured_otherwise(trial: &Trial) {
    let mut config = config();
    json_patch::merge(
        &mut config,
        &json!({
            "imagePullPolicy": "Always",
            "imagePullSecrets": [],
            "readinessProbe": "http",
            "resources": {"requests": {"cpu": null, "memory": null}, "limits": {"memory": "64Mi"}},
            "sidecarMode": "container",
            "profiles": {
                "default": {"livenessProbe": "none", "listeningPort": 9201, "cpuRequest": "1m"},
                "application": {"mountPath": "/etc/certificate", "cpuLimit": "50m"},
                "secret": {"certificateName": null, "shutdownTimeout": "2m"},
                "federated": {"sidecarMode": "native", "shutdownTimeout": "1500ms"},
                "stack": {"memoryRequest": "16Mi", "memoryLimit": null, "cpuRequest": "5m"},
            },
        }),
    );
    let mut values = values(WITH_WEBHOOK, &[WITH_BOTH], &json!({}));
    values["config"] = config.clone();
    let helm = Helm::find("configured_otherwise").unwrap();
    let rendered = helm.template((WITH_WEBHOOK, WITH_WEBHOOK), &values, &[]).await.unwrap();
    let file = text(of_kind(&rendered, "ConfigMap"), "/data/config.yaml").to_owned();
    fs::write(trial.serving.config(), file).unwrap();
    let client = &trial.client;
    let asks = pods::prometheus(&[("inject", "true")]);
    eventually("the webhook has the other configuration", async || {
        let pod = objects::create_dry(client, WITH_WEBHOOK, &asks).await.unwrap();
        sidecar(&pod)?.1.get("readinessProbe").map(|_| ())
    })
    .await;
    install(client, &printed(&config).await).await;
    let mut tally = Tally::default();
    let all = pods::golden().into_iter().chain(pods::meshes());
    for (name, pod) in all.chain(edges::pods()) {
        if let Some(made) = tally.add(client, &name, &pod).await {
            for (name, damaged) in pods::damaged(&made) {
                tally.add(client, name, &damaged).await;
            }
        }
    }
    for number in RANDOM_PODS..RANDOM_PODS + 100 {
        tally.add(client, &format!("random pod {number}"), &random::pod(number)).await;
    }
    assert!(tally.injected >= 60, "{tally:?}");
}

/// A pod never starts without its sidecar, and others are created as before.
async fn without_parameters(client: &Client, printed: &[Value]) {
    let map = of_kind(printed, "ConfigMap");
    let profile = text(map, "/data/profile").to_owned();
    let name = text(map, "/metadata/name");
    objects::api(client, map).delete(name, &DeleteParams::default()).await.unwrap();
    let asks = pods::prometheus(&[("inject", "true"), ("profile", &profile)]);
    let error = eventually("the pod is refused", async || {
        objects::create_dry(client, WITH_POLICY, &asks).await.err()
    })
    .await
    .to_string();
    assert!(refused_by_policy(&error) && error.contains("its ConfigMap is missing"), "{error}");
    for annotations in [&[][..], &[("inject", "true"), ("profile", "secret")]] {
        objects::create_dry(client, WITH_POLICY, &pods::prometheus(annotations)).await.unwrap();
    }
}
