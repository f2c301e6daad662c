//! The rights that `status` and `check` need.

use std::path::Path;

use kube::Client;
use serde_json::{Value, json};
use tests::kubernetes::control_plane::ControlPlane;

use super::{BROKEN, MONITORING, found_all, one_line, pod_network::PodNetwork, run};
use crate::chart::{
    objects::{self, text},
    trial::eventually,
};

/// With these rights in one namespace, nothing is said of a webhook that cannot be seen.
async fn in_one_namespace(kubeconfig: &Path) {
    let arguments = ["status", "--namespace", MONITORING, "--output", "json"];
    let part = eventually("the rights are in use in a namespace", async || {
        let (_, status) = run(kubeconfig, &arguments).await;
        let overview: Value = serde_json::from_str(&status).ok()?;
        let line = overview.pointer("/sidecars/0/tokenExpiry")?.is_string();
        line.then_some(overview)
    })
    .await;
    let problems = part["problems"].as_array().unwrap();
    let of_kind =
        |kind: &str| problems.iter().filter(|one| one["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of_kind("webhook"), [&Value::Null; 0], "{problems:#?}");
    assert_eq!(part["sidecars"][0]["settings"], "unknown");
    let unseen = of_kind("not-seen");
    let [unseen] = unseen.as_slice() else { panic!("{unseen:#?}") };
    let kinds = "forbidden: mutatingadmissionpolicies, mutatingadmissionpolicybindings, mutatingwebhookconfigurations";
    assert_eq!(text(unseen, "/message"), kinds);
    let without = of_kind("no-sidecar");
    let is_open = |one: &&Value| text(one, "/message").contains("why is not known");
    assert!(!without.is_empty() && without.iter().all(is_open), "{without:#?}");
    assert_eq!(run(kubeconfig, &["check", "--namespace", MONITORING]).await.0, 0);
}

/// The rights that are printed are enough for all that is shown, and without each of
/// them something is missing.
pub(super) async fn rights(plane: &ControlPlane, network: &PodNetwork, client: &Client) {
    let account = plane.kubeconfig_of(MONITORING, "default").await.unwrap();
    let kubeconfig = network.through(&account);
    let (code, refused) = run(&kubeconfig, &["status"]).await;
    assert_eq!((code, refused.as_str()), (1, ""));
    let (code, role) = run(&kubeconfig, &["status", "--rbac"]).await;
    assert_eq!(code, 0);
    let role = objects::documents(&role).remove(0);
    objects::apply(client, &role).await.unwrap();
    let mut binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "status", "namespace": MONITORING},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": text(&role, "/metadata/name"),
        },
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": MONITORING}],
    });
    objects::apply(client, &binding).await.unwrap();
    in_one_namespace(&kubeconfig).await;
    binding["kind"] = json!("ClusterRoleBinding");
    binding["metadata"] = json!({"name": "status"});
    objects::apply(client, &binding).await.unwrap();
    let shown = async || {
        let (_, status) = run(&kubeconfig, &["status", "--output", "json"]).await;
        (serde_json::from_str::<Value>(&status).ok(), run(&kubeconfig, &["check"]).await)
    };
    let all = eventually("the rights are in use", async || {
        let (overview, checked) = shown().await;
        let overview =
            overview.filter(|it| it["problems"].as_array().unwrap().len() == BROKEN.len());
        overview.filter(|_| checked.0 == 0)
    })
    .await;
    found_all(&all);
    one_line(&all);
    for rule in 0..role["rules"].as_array().unwrap().len() {
        let mut less = role.clone();
        let removed = less["rules"].as_array_mut().unwrap().remove(rule);
        objects::apply(client, &less).await.unwrap();
        eventually(&format!("without {removed}"), async || {
            let (overview, checked) = shown().await;
            let is_same = overview.is_some_and(|it| it["problems"] == all["problems"]);
            (!is_same || checked.0 != 0).then_some(())
        })
        .await;
    }
}
