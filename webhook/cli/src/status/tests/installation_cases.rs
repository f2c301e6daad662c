//! A webhook with one thing wrong each.

use super::*;
use crate::{policy, status::sidecars::Freshness, yaml};

pub(super) const INSTALLATION: &[Case] = &[
    (
        "there is none",
        "webhook",
        |cluster| cluster.webhooks.clear(),
        &["so no pod gets a sidecar", "helm upgrade"],
    ),
    (
        "its configuration was deleted",
        "webhook",
        |cluster| cluster.webhooks[0].configuration = json!(null),
        &["cluster: there is no MutatingWebhookConfiguration"],
    ),
    (
        "scaled to nothing",
        "webhook",
        |cluster| {
            let deployment = cluster.webhooks[0].deployment.as_mut().unwrap();
            deployment["spec"]["replicas"] = json!(0);
            deployment["status"] = json!({});
        },
        &["0 of 1 replicas are ready"],
    ),
    (
        "two",
        "webhook",
        |cluster| {
            let mut another = super::cluster().webhooks.remove(0);
            another.configuration["metadata"]["name"] = json!("another");
            cluster.webhooks.push(another);
        },
        &["MutatingWebhookConfiguration another"],
    ),
    (
        "a replica is away",
        "webhook",
        |cluster| {
            cluster.webhooks[0].deployment.as_mut().unwrap()["status"]["readyReplicas"] = json!(1);
        },
        &["1 of 2 replicas are ready ->"],
    ),
    (
        "all are away",
        "webhook",
        |cluster| {
            cluster.webhooks[0].deployment.as_mut().unwrap()["status"] = json!({});
        },
        &["0 of 2 replicas are ready, so annotated pods are denied"],
    ),
    (
        "a configuration that cannot be used",
        "webhook",
        |cluster| {
            cluster.webhooks[0].file = Some(Err("1 error: profile".to_owned()));
        },
        &["cannot be used: 1 error: profile", "validate"],
    ),
    (
        "its certificate ends",
        "webhook",
        |cluster| {
            let text = format!(
                "prom_remotewrite_webhook_certificate_expiry_timestamp_seconds {}\n",
                NOW + 13 * 86_400
            );
            let mut replica = plain("replica", &[]);
            replica.figures = Some(Ok(Figures::parse(&text)));
            cluster.webhooks[0].replicas.push((replica, None));
        },
        &["Pod monitoring/replica", "expires in 13d"],
    ),
    (
        "the configuration was refused",
        "webhook",
        |cluster| {
            let mut replica = plain("replica", &[]);
            replica.figures =
                Some(Ok(Figures::parse("prom_remotewrite_webhook_config_current 0\n")));
            cluster.webhooks[0].replicas.push((replica, None));
        },
        &["continues with the previous one"],
    ),
    (
        "a profile that nobody uses",
        "unused-profile",
        |cluster| {
            *file(cluster) = config_file();
            file(cluster).config.profiles.retain(|name, _| name == "default" || name == "stack");
        },
        &["profile stack: no pod uses it", "config.profiles.stack"],
    ),
    (
        "something may not be seen",
        "not-seen",
        |cluster| {
            cluster.unseen.push("statefulsets cannot be listed: forbidden".to_owned());
        },
        &["statefulsets cannot be listed", "--rbac"],
    ),
];

/// What the command `policy` prints for one profile, as a cluster has it.
fn policy() -> FoundPolicy {
    let options = policy::Options { profiles: vec!["default".to_owned()], namespace: None };
    let text = policy::policy(crate::tests::CONFIG, &options).unwrap();
    let objects: Vec<Value> =
        yaml::documents(&text).into_iter().filter_map(|text| yaml::read(text).ok()).collect();
    let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).cloned();
    let policy = of("MutatingAdmissionPolicy");
    let name = policy.as_ref().unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
    let (binding, parameters) = (of("MutatingAdmissionPolicyBinding"), of("ConfigMap"));
    FoundPolicy { name, policy, binding, parameters }
}

/// A cluster in which policies inject, with one sidecar that is well.
fn by_policy(cluster: &mut FoundCluster, change: impl FnOnce(&mut FoundPolicy)) {
    let mut policy = policy();
    change(&mut policy);
    *cluster = FoundCluster { policies: vec![policy], ..FoundCluster::default() };
    let mut pod = injected("well", &[]);
    let injected = &mut pod.raw["metadata"]["annotations"]["prom-remotewrite/injected"];
    *injected = json!(injected.as_str().unwrap().replace(' ', " by=policy "));
    cluster.pods.push(pod);
}

pub(super) const POLICIES: &[Case] = &[
    (
        "a policy without its binding",
        "policy",
        |cluster| by_policy(cluster, |policy| (policy.binding, policy.parameters) = (None, None)),
        &[
            "MutatingAdmissionPolicy prom-remotewrite-policy.default",
            "has no MutatingAdmissionPolicyBinding, so pods of its profile get no sidecar",
            "kubectl prom-remotewrite policy --config",
        ],
    ),
    (
        "a policy without its parameters",
        "policy",
        |cluster| by_policy(cluster, |policy| policy.parameters = None),
        &["the ConfigMap that its binding names does not exist"],
    ),
    (
        "a binding without its policy",
        "policy",
        |cluster| by_policy(cluster, |policy| policy.policy = None),
        &["MutatingAdmissionPolicy prom-remotewrite-policy.default", "there is only its binding"],
    ),
    (
        "a policy with other settings",
        "outdated-settings",
        |cluster| {
            by_policy(cluster, |policy| {
                policy.parameters.as_mut().unwrap()["data"]["gracePeriods"] = json!("- 0123\n");
            });
        },
        &["Pod monitoring/well", "configuration has changed"],
    ),
    (
        "older than its policy, where the webhook is not asked",
        "no-sidecar",
        |cluster| {
            select(cluster, "namespaceSelector", "team", "In", &["apps"]);
            cluster.policies.push(policy());
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["older than the policy of its profile", "kubectl delete pod -n monitoring a"],
    ),
    (
        "older than its policy",
        "no-sidecar",
        |cluster| {
            by_policy(cluster, |_| {});
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["older than the policy of its profile", "kubectl delete pod -n monitoring a"],
    ),
    (
        "a profile without a policy",
        "no-sidecar",
        |cluster| {
            by_policy(cluster, |_| {});
            cluster.pods.push(plain("a", &[("inject", "true"), ("profile", "other")]));
        },
        &["no policy injects its profile"],
    ),
    (
        "the policies are gone",
        "webhook",
        |cluster| {
            by_policy(cluster, |_| {});
            cluster.policies.clear();
        },
        &["so no pod gets a sidecar"],
    ),
];

/// Policies inject, and no webhook is missing. The settings of their pods are those of
/// the parameters, which the same decision has written.
#[test]
fn policies_need_no_webhook() {
    let mut found = FoundCluster::default();
    by_policy(&mut found, |_| {});
    assert_eq!(Overview::new(&[found], NOW).sidecars[0].settings, Freshness::Current);
    assert_eq!(problems(|cluster| by_policy(cluster, |_| {})), []);
}
