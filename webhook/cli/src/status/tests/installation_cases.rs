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
        "what injects may not be seen",
        "no-sidecar",
        |cluster| {
            cluster.webhooks.clear();
            cluster.hides_injectors = true;
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["Pod monitoring/a", "why is not known"],
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
        "what it needs is gone",
        "webhook",
        |cluster| {
            cluster.webhooks[0].missing.push("Service b/a".to_owned());
        },
        &["Service b/a: it does not exist", "-> `helm upgrade --install`"],
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
            replica.figures = Some(Figures::parse(&text));
            cluster.webhooks[0].replicas.push((replica, None));
        },
        &[
            "Pod monitoring/replica",
            "expires in 13d",
            "`kubectl logs -n monitoring -l app.kubernetes.io/component=certs`",
        ],
    ),
    (
        "the configuration was refused",
        "webhook",
        |cluster| {
            let mut replica = plain("replica", &[]);
            replica.figures = Some(Figures::parse("prom_remotewrite_webhook_config_current 0\n"));
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
            // Pods of theirs may use the other profiles.
            *file(cluster) = config_file();
            let reason = "statefulsets cannot be listed: forbidden".to_owned();
            cluster.unseen.push(Unread { reason, is_forbidden: true });
        },
        &["statefulsets cannot be listed", "--rbac"],
    ),
    (
        "several things may not be seen",
        "not-seen",
        |cluster| {
            cluster.unseen.extend(
                ["services", "deployments", "services"]
                    .map(|kind| Unread { reason: kind.to_owned(), is_forbidden: true }),
            );
            cluster.namespace = Some("monitoring".to_owned());
        },
        &["forbidden: deployments, services -> ask", "prints, in namespace monitoring"],
    ),
    (
        "something cannot be seen",
        "not-seen",
        |cluster| cluster.unseen.push("statefulsets: etcd is away".to_owned().into()),
        &["statefulsets: etcd is away -> correct its cause"],
    ),
];

/// The policy that the command `policy` prints for one profile.
fn default_policy() -> FoundPolicy {
    let options = policy::Options { profiles: vec!["default".to_owned()], namespace: None };
    let text = policy::policy(crate::tests::CONFIG, &options).unwrap();
    let objects = yaml::documents(&text).into_iter().filter_map(|text| yaml::read(text).ok());
    let objects: Vec<Value> = objects.collect();
    let of_kind = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    let selectors = [&of_kind("MutatingAdmissionPolicy")["spec"]["matchConstraints"], &Value::Null];
    FoundPolicy { parameters: of_kind("ConfigMap").clone(), selectors: selectors.map(Value::clone) }
}

/// A cluster in which policies inject, with one sidecar that is well.
fn by_policy(cluster: &mut FoundCluster) {
    let policies = vec![default_policy()];
    *cluster = FoundCluster { policies, webhooks: Vec::new(), ..super::cluster() };
    let mut pod = injected("well", &[]);
    let injected = &mut pod.raw["metadata"]["annotations"]["prom-remotewrite/injected"];
    *injected = json!(injected.as_str().unwrap().replace(' ', " by=policy "));
    cluster.pods.push(pod);
}

/// A `StatefulSet` without its pod, which has these annotations.
fn stateful_set(name: &str, annotations: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "monitoring"},
        "spec": {"replicas": 1, "template": plain(name, annotations).raw},
        "status": {"replicas": 0},
    })
}

/// As an event has it.
const DENIAL: &str = "ValidatingAdmissionPolicy 'prom-remotewrite-policy' denied request";

/// Pods that are to have no sidecar are not created.
pub(super) const OPTED_OUT: (&str, Change) = ("opted out, and not created", |cluster| {
    by_policy(cluster);
    cluster.objects.push(stateful_set("a", &[("inject", "false")]));
    cluster.refusals.push(("StatefulSet monitoring/a".to_owned(), "exceeded quota".to_owned()));
});

pub(super) const POLICIES: &[Case] = &[
    (
        "a policy with other settings",
        "outdated-settings",
        |cluster| {
            by_policy(cluster);
            cluster.policies[0].parameters["data"]["gracePeriods"] = json!("- 0123\n");
        },
        &["Pod monitoring/well", "configuration has changed"],
    ),
    (
        "older than its policy, where the webhook is not asked",
        "no-sidecar",
        |cluster| {
            select(cluster, "namespaceSelector", "team", "In", &["apps"]);
            cluster.policies.push(default_policy());
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["older than the policy of its profile", "kubectl delete pod -n monitoring a"],
    ),
    (
        "older than its policy",
        "no-sidecar",
        |cluster| {
            by_policy(cluster);
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["older than the policy of its profile", "kubectl delete pod -n monitoring a"],
    ),
    (
        "a namespace that its policy does not select",
        "no-sidecar",
        |cluster| {
            by_policy(cluster);
            let expressions =
                &mut cluster.policies[0].selectors[0]["namespaceSelector"]["matchExpressions"];
            let selected = json!({"key": "pol", "operator": "In", "values": ["yes"]});
            expressions.as_array_mut().unwrap().push(selected);
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &[
            "the policy of its profile is not for pods in its namespace, but for those in namespaces with pol in (yes)",
            "-> create it in a namespace",
            "webhook.namespaceSelector",
        ],
    ),
    (
        "a pod that the binding does not select, in a namespace without a webhook",
        "no-sidecar",
        |cluster| {
            select(cluster, "namespaceSelector", "team", "In", &["apps"]);
            cluster.policies.push(default_policy());
            cluster.policies[0].selectors[1] =
                json!({"objectSelector": {"matchLabels": {"pol": "yes"}}});
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["the webhook is not called for pods in its namespace", "-> create it in a namespace"],
    ),
    (
        "a pod that the binding does not select",
        "no-sidecar",
        |cluster| {
            by_policy(cluster);
            cluster.policies[0].selectors[1] =
                json!({"objectSelector": {"matchLabels": {"pol": "yes"}}});
            cluster.pods.push(plain("a", &[("inject", "true")]));
        },
        &["the policy of its profile is not for it, but for pods with pol in (yes)"],
    ),
    (
        "a profile without a policy",
        "no-sidecar",
        |cluster| {
            by_policy(cluster);
            cluster.pods.push(plain("a", &[("inject", "true"), ("profile", "other")]));
        },
        &["no policy injects its profile"],
    ),
    (
        "a policy denies the pods of a workload",
        "denied",
        |cluster| {
            by_policy(cluster);
            cluster.objects.push(stateful_set("a", &[("inject", "true"), ("log-level", "debug")]));
            cluster.refusals.push(("StatefulSet monitoring/a".to_owned(), DENIAL.to_owned()));
        },
        &["StatefulSet monitoring/a: 0 of 1 pods are created: ValidatingAdmissionPolicy"],
    ),
    (
        "a policy denies the pods of an operator's object",
        "denied",
        |cluster| {
            by_policy(cluster);
            let mut made =
                stateful_set("prometheus-a", &[("inject", "true"), ("log-level", "debug")]);
            let owner = json!({"controller": true, "kind": "Prometheus", "name": "a"});
            made["metadata"]["ownerReferences"] = json!([owner]);
            cluster.objects.extend([object("a", &json!({})), made]);
            let who = "StatefulSet monitoring/prometheus-a".to_owned();
            cluster.refusals.push((who, DENIAL.to_owned()));
        },
        &["Prometheus monitoring/a: 0 of 1 pods are created: ValidatingAdmissionPolicy"],
    ),
    (
        "the policy of a running pod's profile is gone",
        "denied",
        |cluster| {
            by_policy(cluster);
            cluster.policies[0].parameters["data"]["profile"] = json!("other");
        },
        &[
            "Pod monitoring/well: a pod that replaces it would be denied: no policy injects",
            "-> annotate it with another profile",
        ],
    ),
    (
        "a policy without its ConfigMap, and no webhook",
        "webhook",
        |cluster| {
            by_policy(cluster);
            cluster.policies.clear();
            let object = "MutatingAdmissionPolicyBinding a".to_owned();
            cluster.incomplete_policies.push((object, "ConfigMap b/a".to_owned()));
        },
        &[
            "MutatingAdmissionPolicyBinding a: ConfigMap b/a is missing, so it injects nothing",
            "-> apply all objects of `kubectl prom-remotewrite policy`",
        ],
    ),
    (
        "policies that could not be read",
        "not-seen",
        |cluster| {
            by_policy(cluster);
            cluster.policies.clear();
            cluster.hides_injectors = true;
            cluster.incomplete_policies.push(("a".to_owned(), "b".to_owned()));
            cluster.unseen.push("mutatingadmissionpolicies: forbidden".to_owned().into());
        },
        &["mutatingadmissionpolicies: forbidden"],
    ),
    (
        "the policies are gone",
        "webhook",
        |cluster| {
            by_policy(cluster);
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
    by_policy(&mut found);
    assert_eq!(Overview::new(&[found], NOW).sidecars[0].settings, Freshness::Current);
    assert_eq!(problems(by_policy), []);
}
