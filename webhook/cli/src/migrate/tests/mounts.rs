//! Volumes of the container: what of their volumes goes and what stays.

use super::{
    shapes::{URL, application, has, prometheus, user_assigned},
    *,
};

#[test]
fn certificates_are_found_in_all_kinds_of_volumes() {
    let part = "    volumeMounts: [{name: a, mountPath: /etc/azure/cert.pfx, subPath: team.pfx}]\n  volumes: [{name: a, secret: {secretName: entra}}]\n";
    let migration = has(
        &application("/etc/azure/cert.pfx", part),
        &["certificateSecret: entra", "certificateName: team.pfx"],
    );
    assert!(!migration.text.contains("volumes"), "{}", migration.text);
    let keyed = "    volumeMounts: [{name: a, mountPath: /a}]\n  volumes:\n  - name: a\n    secret: {secretName: entra, items: [{key: team, path: x.pfx}], optional: true}\n";
    let migration = has(
        &application("/a/x.pfx", keyed),
        &["certificateSecret: entra", "certificateName: team"],
    );
    let said = report(&migration);
    assert!(said.contains("lost     volumes, \"a\", optional: the webhook's own"), "{said}");
    let template = "    volumeMounts: [{name: a, mountPath: /a}]\n  volumes:\n  - name: a\n    csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: '${CLASS}'}}\n";
    let migration = has(
        &application("/a/<CERT-NAME>", template),
        &["secretProviderClass: \"${CLASS}\"", "certificateName: \"<CERT-NAME>\""],
    );
    let rows = report(&migration);
    for written in ["/a/<CERT-NAME>", "secretProviderClass: ${CLASS}"] {
        let (_, comparison) = rows.split_once("# comparison\n").unwrap();
        assert!(comparison.contains(written), "{written} is not in {comparison}");
    }
}

/// Those of an operator's and a chart's own containers.
#[test]
fn a_volume_that_something_else_mounts_stays() {
    let own = "    volumeMounts: [{name: a, mountPath: /a}]\n  volumes: [{name: a, secret: {secretName: entra}}]\n";
    for (more, stays) in [
        ("  thanos: {volumeMounts: [{name: a, mountPath: /t}]}\n", true),
        ("  volumeMounts: [{name: a, mountPath: /p}]\n", true),
        ("  initContainers: [{name: i, volumeMounts: [{name: a, mountPath: /i}]}]\n", true),
        ("  thanos: {volumeMounts: [{name: b, mountPath: /t}]}\n", false),
    ] {
        let migration = migrated(&application("/a/team.pfx", &format!("{own}{more}")));
        assert!(migration.is_whole(), "{}", report(&migration));
        let volumes = read(&migration.text).unwrap()["spec"]["volumes"].is_array();
        assert_eq!(volumes, stays, "{more}");
    }
}

/// The webhook mounts the pod's own volume of the same class.
#[test]
fn a_volume_with_the_drivers_credentials_stays() {
    let rest = "    volumeMounts: [{name: a, mountPath: /a}]\n  volumes:\n  - name: a\n    csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: vault}, nodePublishSecretRef: {name: credentials}}\n";
    let migration = has(&application("/a/team", rest), &["secretProviderClass: vault"]);
    assert!(migration.is_whole(), "{}", report(&migration));
    assert!(migration.text.contains("nodePublishSecretRef: {name: credentials}"));
    let [_, after] = &migration.attempts[0].result.as_ref().unwrap().pods;
    let pod = read(after).unwrap();
    let names = |list: &Value| -> Vec<Value> {
        list.as_array().unwrap().iter().map(|it| it["name"].clone()).collect()
    };
    assert_eq!(names(&pod["spec"]["volumes"])[0], "a");
    let sidecar = &pod["spec"]["initContainers"][0];
    assert!(names(&sidecar["volumeMounts"]).contains(&"a".into()), "{after}");
}

#[test]
fn roots_are_carried_with_their_config_map() {
    let rest = "    volumeMounts: [{name: roots, mountPath: /roots}]\n  volumes: [{name: roots, configMap: {name: company, items: [{key: ca.crt, path: company.pem}]}}]\n";
    let text = user_assigned(&["SSL_CERT_FILE: value: /roots/company.pem"], rest);
    let migration = has(&text, &[r#"trustConfigMap: {"key":"ca.crt","name":"company"}"#]);
    assert!(migration.is_whole(), "{}", report(&migration));
}

#[test]
fn a_token_that_was_projected_by_hand_is_projected_by_the_webhook() {
    let url = format!("INGESTION_URL: value: '{URL}'");
    let variables = [
        url.as_str(),
        "IDENTITY_TYPE: value: workloadIdentity",
        "AZURE_CLIENT_ID: value: 33333333-0000-0000-0000-000000000000",
        "AZURE_TENANT_ID: value: 22222222-0000-0000-0000-000000000000",
        "AZURE_FEDERATED_TOKEN_FILE: value: /token/azure",
    ];
    let rest = "    volumeMounts: [{name: token, mountPath: /token}]\n  volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: azure, audience: 'api://AzureADTokenExchange'}}]}}]\n";
    let migration = has(&prometheus(&variables, rest), &["identityType: workloadIdentity"]);
    assert!(migration.is_whole() && !migration.text.contains("volumes"), "{}", report(&migration));
}
