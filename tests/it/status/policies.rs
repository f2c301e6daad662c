//! A cluster in which policies inject, and no webhook.

use std::{fs, path::Path};

use kube::{Client, api::DeleteParams};
use serde_json::{Value, json};
use tests::{machine::folder, scene::Scene};

use super::{MONITORING, asking, pod, run, status};
use crate::chart::{
    objects::{self, text},
    trial::eventually,
};

const KIND: &str = "MutatingAdmissionPolicy";
const NAME: &str = "prom-remotewrite-policy.managed-identity";

/// The line of the pod that a policy injected.
fn by_policy(overview: &Value) -> &Value {
    let lines = overview["sidecars"].as_array().unwrap();
    lines.iter().find(|line| line["pod"] == "by-policy").unwrap()
}

/// Why a pod has no sidecar that was created before the policies.
fn of_away(overview: &Value) -> &str {
    let mut problems = overview["problems"].as_array().unwrap().iter();
    text(problems.find(|one| one["object"] == "Pod monitoring/away").unwrap(), "/message")
}

/// Nothing is missing once there are policies; then one is gone.
pub(super) async fn by_policies(kubeconfig: &Path, client: &Client, scene: &Scene) {
    let folder = folder::temporary("status-policies").unwrap();
    let file = folder.path().join("config.yaml");
    fs::write(&file, scene.configuration().to_string()).unwrap();
    let config = file.display().to_string();
    let arguments = ["policy", "--namespace", MONITORING, "--config", config.as_str()];
    let (code, printed) = run(kubeconfig, &arguments).await;
    assert_eq!(code, 0);
    let printed = objects::documents(&printed);
    for object in &printed {
        objects::apply(client, object).await.unwrap();
    }
    let asks = pod("by-policy", &asking(&scene.identity));
    eventually("a policy injects", async || {
        let made = objects::create_dry(client, MONITORING, &asks).await.ok()?;
        let injected = &made["metadata"]["annotations"]["prom-remotewrite/injected"];
        injected.as_str().filter(|text| text.contains("by=policy")).map(|_| ())
    })
    .await;
    objects::create(client, &asks).await.unwrap();
    let (_, overview) = status(kubeconfig, &[]).await;
    let mut problems = overview["problems"].as_array().unwrap().iter();
    assert!(!problems.any(|one| text(one, "/object") == "cluster"), "{overview:#}");
    let line = by_policy(&overview);
    assert_eq!(
        (&line["settings"], &line["profile"]),
        (&json!("current"), &json!("managed-identity"))
    );
    let of_kind = |kind: &str| {
        let mut all = printed.iter().filter(|it| text(it, "/metadata/name") == NAME);
        all.find(|it| it["kind"] == kind).unwrap()
    };
    let mut policy = of_kind(KIND).clone();
    assert!(of_away(&overview).contains("it is older than the policy"), "{overview:#}");
    let selectors = &mut policy["spec"]["matchConstraints"]["namespaceSelector"];
    let selected = json!({"key": "pol", "operator": "In", "values": ["yes"]});
    selectors["matchExpressions"].as_array_mut().unwrap().push(selected);
    objects::apply(client, &policy).await.unwrap();
    let (_, overview) = status(kubeconfig, &[]).await;
    assert!(of_away(&overview).ends_with("namespaces with pol in (yes)"), "{overview:#}");
    without_parts(kubeconfig, client, of_kind).await;
}

/// What is missing of a policy is named, one after the other.
async fn without_parts<'a>(
    kubeconfig: &Path,
    client: &Client,
    of_kind: impl Fn(&str) -> &'a Value,
) {
    let binding = &format!("{KIND}Binding");
    for (gone, object, words) in [
        (KIND, format!("{binding} {NAME}"), format!("{KIND} {NAME} is missing")),
        ("ConfigMap", format!("{binding} {NAME}"), format!("ConfigMap {MONITORING}/{NAME} is")),
        (binding, format!("{KIND} {NAME}"), "its binding is missing".to_owned()),
    ] {
        let api = objects::api(client, of_kind(gone));
        api.delete(NAME, &DeleteParams::default()).await.unwrap();
        let (_, overview) = status(kubeconfig, &[]).await;
        assert_eq!(by_policy(&overview)["settings"], "invalid", "{overview:#}");
        for (object, words) in [
            (object.as_str(), words.as_str()),
            ("Pod monitoring/by-policy", "a pod that replaces it would be denied"),
        ] {
            let mut problems = overview["problems"].as_array().unwrap().iter();
            let is = |one: &&Value| text(one, "/object") == object;
            let found = problems.find(|one| is(one) && text(one, "/message").contains(words));
            assert!(found.is_some(), "{object} {words}: {overview:#}");
        }
        objects::apply(client, of_kind(gone)).await.unwrap();
    }
}
