//! Every claim about admission, on a real API server with its controllers.

use contract::names;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use webhook::{config::Config, decide::decide, review};

use super::{
    injected::{self, sidecar},
    objects::{self, text},
    trial::{self, Trial},
};

#[tokio::test]
async fn pods_of_stateful_sets_are_what_the_goldens_say() {
    const TEST: &str = "pods_of_stateful_sets_are_what_the_goldens_say";
    let Some(trial) = Trial::new(TEST, "golden", &[], &json!({})).await else { return };
    let sets: &[(&str, &[(&str, &str)])] = &[
        ("user-assigned", &[]),
        ("user-assigned-container", &[("sidecar-mode", "container")]),
        ("application-csi", &[("profile", "application")]),
        ("application-secret", &[("profile", "secret")]),
        ("workload-identity", &[("profile", "federated")]),
        ("profile-only-keys", &[("profile", "stack")]),
        ("two-destinations", &[("profile", "default,tenants")]),
        ("three-destinations", &[("profile", "application, federated ,tenants")]),
    ];
    for (name, more) in sets {
        trial.stateful_set(name, &[&[("inject", "true")], *more].concat()).await;
    }
    trial.stateful_set("declined", &[("inject", "false")]).await;
    trial.stateful_set("silent", &[]).await;
    for (name, _) in sets {
        let pod = trial.wait_for(&format!("{name}-0")).await;
        injected::check(name, &pod);
        check_api_token(&pod);
    }
    for name in ["declined-0", "silent-0"] {
        let pod = trial.wait_for(name).await;
        assert!(sidecar(&pod).is_none(), "{name}");
        let spec = pod["spec"].to_string();
        assert!(!spec.contains("prom-remotewrite"), "{name}: {spec}");
    }
    // Pod Security is at work there: it admits the injected pods because of how they are,
    // not because it is asleep.
    let mut loose = trial.pod("loose", &[("inject", "true")]);
    loose["spec"]["securityContext"] = json!({});
    let error = objects::apply_dry(&trial.client, &loose).await.unwrap_err().to_string();
    assert!(error.contains("violates PodSecurity \"restricted"), "{error}");
    assert!(!error.contains("\"prom-remotewrite\""), "{error}");
}

/// Every order of two and of three profiles, and all of them: what an API server makes
/// of each pod is what the webhook says, and valid.
#[tokio::test]
async fn pods_of_several_profiles_are_what_the_webhook_says() {
    const TEST: &str = "pods_of_several_profiles_are_what_the_webhook_says";
    let Some(trial) = Trial::new(TEST, "lists", &[], &json!({})).await else { return };
    let mut config = trial::config();
    config["image"] = json!("ghcr.io/example/prom-remotewrite:1.0.0");
    let config = Config::parse(&config.to_string()).unwrap();
    let names: Vec<&str> = config.profiles.keys().map(String::as_str).collect();
    let mut lists: Vec<Vec<&str>> = vec![Vec::new()];
    for length in 1..=3 {
        let shorter: Vec<_> =
            lists.iter().filter(|list| list.len() + 1 == length).cloned().collect();
        for list in shorter {
            let others = names.iter().filter(|name| !list.contains(name));
            lists.extend(others.map(|name| [list.as_slice(), &[*name]].concat()));
        }
    }
    lists.retain(|list| list.len() > 1);
    lists.push(names);
    assert!(lists.len() > 150, "{}", lists.len());
    for list in lists {
        let list = list.join(",");
        let pod = trial.pod("one", &[("inject", "true"), ("profile", &list)]);
        let decision = decide(&config, webhook::pod::Pod::new(&pod));
        assert_eq!(decision.word(), "inject", "{list}");
        let mut expected = pod.clone();
        let patch = review::patch_for(&decision, &mut pod.clone()).unwrap().unwrap();
        json_patch::patch(&mut expected, &patch).unwrap();
        let admitted = objects::apply_dry(&trial.client, &pod).await;
        let admitted = admitted.unwrap_or_else(|error| panic!("{list}: {error}"));
        injected::check_against(&list, &expected, &admitted);
    }
}

/// The service account plugin runs again after the webhook: Prometheus has the
/// Kubernetes API token, the sidecar an empty folder in its place.
fn check_api_token(pod: &Value) {
    let mounted = |container: &Value| {
        let mounts = container["volumeMounts"].as_array().unwrap().clone();
        let there = |mount: &&Value| text(mount, "/mountPath") == names::API_TOKEN_MOUNT_PATH;
        mounts.iter().filter(there).map(|mount| text(mount, "/name").to_owned()).collect::<Vec<_>>()
    };
    let (_, sidecar) = sidecar(pod).unwrap();
    assert_eq!(mounted(sidecar), [names::NO_API_TOKEN_VOLUME]);
    let prometheus = mounted(&pod["spec"]["containers"][0]);
    assert!(prometheus[0].starts_with("kube-api-access-"), "{prometheus:?}");
}

#[tokio::test]
async fn a_typo_is_an_event_with_our_whole_text() {
    const TEST: &str = "a_typo_is_an_event_with_our_whole_text";
    let Some(trial) = Trial::new(TEST, "typo", &[], &json!({})).await else { return };
    let annotations =
        [("inject", "ture"), ("listning-port", "9201"), ("client-id", "nobody"), ("cloud", "Azur")];
    trial.stateful_set("typo", &annotations).await;
    let event = trial.failed_create("typo").await;
    let denied = objects::apply_dry(&trial.client, &trial.pod("typo-0", &annotations)).await;
    let Err(kube::Error::Api(status)) = denied else { panic!("{denied:?}") };
    let denial = status.message.as_str();
    assert!(denial.starts_with("admission webhook \"pods.inject.prom-remotewrite\" denied"));
    assert!(event.contains(denial), "{event}\n\n{denial}");
    for part in ["4 errors", "ture", "listening-port", "client-id", "AzurePublic"] {
        assert!(event.contains(part), "{part}: {event}");
    }
    assert!(trial.find("typo-0").await.is_none());
}

#[tokio::test]
async fn without_a_webhook_only_pods_that_ask_wait() {
    const TEST: &str = "without_a_webhook_only_pods_that_ask_wait";
    let Some(mut trial) = Trial::new(TEST, "down", &[], &json!({})).await else { return };
    trial.serving.stop().await;
    trial.stateful_set("asks", &[("inject", "true")]).await;
    trial.stateful_set("silent", &[]).await;
    let event = trial.failed_create("asks").await;
    assert!(event.contains("failed calling webhook \"pods.inject.prom-remotewrite\""), "{event}");
    trial.wait_for("silent-0").await;
    assert!(trial.find("asks-0").await.is_none());
    trial.serving.start().await;
    injected::check("user-assigned", &trial.wait_for("asks-0").await);
}

#[tokio::test]
async fn pods_in_excluded_namespaces_are_never_seen() {
    const TEST: &str = "pods_in_excluded_namespaces_are_never_seen";
    let excluded = json!({"excludedNamespaces": ["excluded-other"]});
    let others = ["excluded-other", "kube-system", "kube-public"];
    let Some(mut trial) = Trial::new(TEST, "excluded", &others, &excluded).await else { return };
    objects::namespace(&trial.client, "excluded-other", "privileged").await;
    trial.serving.stop().await;
    for namespace in others {
        let mut pod = trial.pod("asks", &[("inject", "true")]);
        pod["metadata"]["namespace"] = json!(namespace);
        pod["spec"]["serviceAccountName"] = json!("default");
        let created = objects::apply_dry(&trial.client, &pod).await.unwrap();
        assert!(sidecar(&created).is_none(), "{namespace}");
    }
    let pod = trial.pod("asks", &[("inject", "true")]);
    let error = objects::apply_dry(&trial.client, &pod).await.unwrap_err();
    assert!(error.to_string().contains("failed calling webhook"), "{error}");
}

#[tokio::test]
async fn a_dry_run_shows_what_apply_and_create_then_do() {
    const TEST: &str = "a_dry_run_shows_what_apply_and_create_then_do";
    let Some(trial) = Trial::new(TEST, "dry", &[], &json!({})).await else { return };
    let pod = trial.pod("one", &[("inject", "true")]);
    let shown = objects::apply_dry(&trial.client, &pod).await.unwrap();
    injected::check("user-assigned", &shown);
    assert!(trial.find("one").await.is_none());
    let applied = objects::apply(&trial.client, &pod).await.unwrap();
    let created = objects::create(&trial.client, &trial.pod("two", &[("inject", "true")])).await;
    for made in [&applied, &created.unwrap()] {
        injected::check("user-assigned", made);
        assert_eq!(sidecar(&shown), sidecar(made));
    }
    // Applied again, as GitOps tools do all day, it is an update without a change.
    let again = objects::apply(&trial.client, &pod).await.unwrap();
    assert_eq!(again["spec"], applied["spec"]);
    assert_eq!(again["metadata"]["resourceVersion"], applied["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn later_changes_of_pods_are_not_reviewed() {
    const TEST: &str = "later_changes_of_pods_are_not_reviewed";
    let Some(mut trial) = Trial::new(TEST, "later", &[], &json!({})).await else { return };
    objects::create(&trial.client, &trial.pod("one", &[("inject", "true")])).await.unwrap();
    trial.serving.stop().await;
    let pods: Api<Pod> = Api::namespaced(trial.client.clone(), trial.namespace);
    let params = PatchParams::default();
    let label = json!({"metadata": {"labels": {"changed": "true"}}});
    pods.patch("one", &params, &Patch::Merge(label)).await.unwrap();
    // As `kubectl debug` does.
    let container = json!({"spec": {"ephemeralContainers": [{
        "name": "debugger",
        "image": "busybox",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
        },
    }]}});
    let patch = Patch::Strategic(container);
    let pod = pods.patch_ephemeral_containers("one", &params, &patch).await.unwrap();
    assert_eq!(pod.spec.unwrap().ephemeral_containers.unwrap().len(), 1);
    // And their end.
    pods.delete("one", &kube::api::DeleteParams::default().grace_period(0)).await.unwrap();
}
