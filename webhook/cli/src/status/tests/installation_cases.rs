//! A webhook with one thing wrong each.

use super::*;

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
        &["0 of 2 replicas are ready, so pods that ask are refused"],
    ),
    (
        "a configuration that cannot be used",
        "webhook",
        |cluster| {
            cluster.webhooks[0].file = Some(Err("1 mistake: profile".to_owned()));
        },
        &["cannot be used: 1 mistake: profile", "validate"],
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
        &["goes on with the one before"],
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

/// Policies inject, and no webhook is missing.
#[test]
fn policies_need_no_webhook() {
    let found = problems(|cluster| {
        cluster.webhooks.clear();
        let annotations = &mut cluster.pods[0].raw["metadata"]["annotations"];
        annotations["prom-remotewrite/injected"] = json!("version=1 by=policy settings=0");
    });
    assert_eq!(found, []);
}
