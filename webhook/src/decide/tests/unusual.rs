//! Pods with something that is rare, and what happens to it.

use super::*;

#[test]
fn unusual_pods_are_injected_with_a_warning() {
    let mut other = small(&json!({}));
    other["spec"]["containers"] = json!([{"name": "app", "image": "example.com:5000/app"}]);
    check(&other, "inject", "asked_for", "looks like Prometheus");
    other["spec"]["containers"] =
        json!([{"name": "p", "image": "example.com:5000/x/prometheus@sha256:0"}]);
    check(&other, "inject", "asked_for", "");
    let mut job = small(&json!({"spec": {"restartPolicy": "Never"}}));
    check(&job, "inject", "asked_for", "");
    job["metadata"]["annotations"]["prom-remotewrite/sidecar-mode"] = json!("container");
    check(&job, "inject", "asked_for", "will not terminate by itself");
    let logs = prometheus(&[
        ("inject", "true"),
        (
            "ingestion-url",
            "https://dce.westeurope-1.ingest.monitor.azure.com/dataCollectionRules/d/streams/s/api/v1/write?api-version=1",
        ),
    ]);
    check(&logs, "inject", "asked_for", "this is the endpoint for logs");
    let mut own = prometheus(&[("inject", "true"), ("profile", "application")]);
    own["spec"]["volumes"].as_array_mut().unwrap().push(json!({"name": "kv", "csi": {
        "driver": "secrets-store.csi.k8s.io", "readOnly": true,
        "volumeAttributes": {"secretProviderClass": "azure-kvname-user-msi"},
    }}));
    check(&own, "inject", "asked_for", "read from the pod's own volume \"kv\"");
    let (_, patched) = admit(&config(), &own);
    let names: Vec<&str> = patched["spec"]["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    assert!(!names.contains(&"prom-remotewrite-cert"), "{names:?}");
    check(&patched, "skip", "already_injected", "");
}

#[test]
fn azures_workload_identity_webhook_is_heard() {
    let mut pod = prometheus(&[("inject", "true"), ("identity-type", "workloadIdentity")]);
    pod["metadata"]["annotations"]["prom-remotewrite/profile"] = json!("stack");
    check(&pod, "deny", "bad_annotations", "2 errors: prom-remotewrite/client-id is missing");
    pod["metadata"]["labels"]["azure.workload.identity/use"] = json!("true");
    check(&pod, "deny", "bad_annotations", "under a name that sorts after azure-wi");
    pod["spec"]["containers"][0]["env"] = json!([
        {"name": "AZURE_CLIENT_ID", "value": "44445555-eeee-6666-ffff-7777aaaa8888"},
        {"name": "AZURE_TENANT_ID", "value": "aaaabbbb-0000-cccc-1111-dddd2222eeee"},
        {"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/secrets/azure/wi/token/azure-identity-token"},
        {"name": "AZURE_AUTHORITY_HOST", "value": "https://login.microsoftonline.us/"},
    ]);
    let (decision, patched) = admit(&config(), &pod);
    let Decision::Inject(injection) = decision else { panic!("{decision:?}") };
    let identity = &injection.effective.settings.identity;
    let client = identity.client_id().map(ToString::to_string);
    assert_eq!(client.as_deref(), Some("44445555-eeee-6666-ffff-7777aaaa8888"));
    let sidecar = patched["spec"]["containers"].as_array().unwrap().last().unwrap();
    let value = |name: &str| {
        let env = sidecar["env"].as_array().unwrap();
        env.iter().find(|variable| variable["name"] == name).map(|v| v["value"].clone())
    };
    assert_eq!(
        value("AZURE_FEDERATED_TOKEN_FILE"),
        Some(json!("/var/run/secrets/prom-remotewrite/token/azure-identity-token"))
    );
    assert_eq!(value("AZURE_AUTHORITY_HOST"), Some(json!("https://login.example")));
}

/// The variables of the sidecar in an admitted pod.
fn variables(pod: &Value) -> std::collections::BTreeMap<String, String> {
    let (decision, patched) = admit(&config(), pod);
    assert_eq!(decision.word(), "inject", "{decision:?}");
    let all = patched["spec"]["initContainers"].as_array().unwrap();
    let sidecar = all.iter().find(|one| one["name"] == "prom-remotewrite").unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let env = sidecar["env"].as_array().unwrap().iter();
    env.map(|one| (text(&one["name"]), text(&one["value"]))).collect()
}

#[test]
fn an_identity_binding_by_azures_webhook_is_respected() {
    let mut pod = prometheus(&[("inject", "true"), ("profile", "federated-bound")]);
    let own = variables(&pod);
    assert_eq!(own["AZURE_KUBERNETES_TOKEN_PROXY"], "https://kubernetes.default.svc");
    assert_eq!(own["AZURE_KUBERNETES_SNI_NAME"], "a0b1.ests.aks");
    let folder = "/var/run/secrets/prom-remotewrite/binding";
    assert_eq!(own["AZURE_KUBERNETES_CA_FILE"], format!("{folder}/ca.crt"));
    assert_eq!(own["AZURE_FEDERATED_TOKEN_FILE"], format!("{folder}/azure-identity-token"));
    pod["spec"]["containers"][0]["env"] = json!([
        {"name": "AZURE_FEDERATED_TOKEN_FILE", "value": "/var/run/secrets/azure/wi/token/azure-identity-token"},
        {"name": "AZURE_KUBERNETES_TOKEN_PROXY", "value": "https://proxy.example"},
        {"name": "AZURE_KUBERNETES_SNI_NAME", "value": "azures.ests.aks"},
        {"name": "AZURE_KUBERNETES_CA_FILE", "value": "/var/run/secrets/azure/wi/ca-cert/ca.crt"},
    ]);
    let heard = variables(&pod);
    assert_eq!(heard["AZURE_KUBERNETES_TOKEN_PROXY"], "https://proxy.example");
    assert_eq!(heard["AZURE_KUBERNETES_SNI_NAME"], "a0b1.ests.aks", "the profile's goes before");
    assert_eq!(heard["AZURE_KUBERNETES_CA_FILE"], own["AZURE_KUBERNETES_CA_FILE"]);

    let nameless = crate::tests::CONFIG.replace("    tokenProxySniName: a0b1.ests.aks\n", "");
    let nameless = Config::parse(&nameless).unwrap();
    let name = |pod: &Value| {
        let (decision, patched) = admit(&nameless, pod);
        let says = decision.warnings().iter().any(|one| one.contains("AZURE_KUBERNETES_SNI_NAME"));
        (patched.to_string().contains("\"azures.ests.aks\""), says)
    };
    assert_eq!(name(&pod), (true, false));
    let alone = prometheus(&[("inject", "true"), ("profile", "federated-bound")]);
    assert_eq!(name(&alone), (false, true), "admitted with a warning");
}

/// Azure's webhook adds what is absent, also if it is called later.
#[test]
fn a_profile_without_an_identity_binding_stays_without_one() {
    let mut pod = prometheus(&[("inject", "true"), ("profile", "federated")]);
    let plain = variables(&pod);
    assert!(!plain.keys().any(|name| name.starts_with("AZURE_KUBERNETES_")), "{plain:?}");
    pod["metadata"]["annotations"]["azure.workload.identity/use-identity-binding"] = json!("true");
    let asked = variables(&pod);
    for name in contract::TokenProxy::VARIABLES {
        assert_eq!(asked[name], "", "{name}");
    }
    pod["metadata"]["annotations"]["prom-remotewrite/profile"] = json!("federated-bound");
    let bound = variables(&pod);
    assert_eq!(bound["AZURE_KUBERNETES_CA_DATA"], "", "a CA beside its file is an error");
}

#[test]
fn an_identity_binding_needs_a_workload_identity() {
    let pod = prometheus(&[
        ("inject", "true"),
        ("profile", "federated-bound"),
        ("identity-type", "userAssigned"),
    ]);
    let Decision::Deny(denial) = decide(&config(), Pod::new(&pod)) else { panic!() };
    let said = "prom-remotewrite/identity-type=\"userAssigned\": expected workloadIdentity, since profile \"federated-bound\" has identityBinding";
    assert!(denial.message.contains(said), "{}", denial.message);
}

#[test]
fn another_source_for_the_certificate_is_not_the_profiles() {
    let with = |annotations: &[(&str, &str)]| {
        let pod = prometheus(&[&[("inject", "true")], annotations].concat());
        let (decision, _) = admit(&config(), &pod);
        match decision {
            Decision::Inject(injection) => {
                let effective = injection.effective;
                let Some(path) =
                    effective.settings.to_env().into_iter().find_map(|(name, value)| {
                        (name == "AZURE_CLIENT_CERTIFICATE_PATH").then_some(value)
                    })
                else {
                    panic!("no path")
                };
                path
            }
            other => format!("{other:?}"),
        }
    };
    assert_eq!(
        with(&[("profile", "application"), ("certificate-secret", "own")]),
        "/mnt/secrets-store/tls.crt"
    );
    assert_eq!(
        with(&[("profile", "application"), ("secret-provider-class", "own")]),
        "/mnt/secrets-store/prom-remotewrite-cert"
    );
    let other_way = with(&[("profile", "secret"), ("secret-provider-class", "own")]);
    assert!(other_way.contains("prom-remotewrite/certificate-name is missing"), "{other_way}");
    let both = with(&[
        ("profile", "secret"),
        ("secret-provider-class", "a"),
        ("certificate-secret", "b"),
        ("certificate-name", "c"),
    ]);
    assert!(both.contains("expected either this or certificate-secret"), "{both}");
    let overlapping = with(&[("profile", "secret"), ("mount-path", "/var/run/secrets")]);
    assert!(
        overlapping.contains("does not overlap /var/run/secrets/kubernetes.io"),
        "{overlapping}"
    );
    for path in ["/proc/secrets", "/dev", "/etc", "/etc/ssl/certs/"] {
        let hiding = with(&[("profile", "secret"), ("mount-path", path)]);
        assert!(hiding.contains("a path that does not overlap /"), "{path}: {hiding}");
    }
    let version = [("profile", "application"), ("certificate-name", "certificate/0")];
    assert_eq!(with(&version), "/mnt/secrets-store/certificate/0");
    let no_key = with(&[("profile", "secret"), ("certificate-name", "certificate/0")]);
    assert!(no_key.contains("a key of the Secret, which has no /"), "{no_key}");
    let beside = with(&[("profile", "secret"), ("mount-path", "/etc/ssl-of-azure")]);
    assert_eq!(beside, "/etc/ssl-of-azure/certificate.pfx");
}

#[test]
fn requests_above_limits_are_refused_before_kubernetes_does() {
    let pod =
        prometheus(&[("inject", "true"), ("memory-request", "1Gi"), ("memory-limit", "128Mi")]);
    check(
        &pod,
        "deny",
        "bad_annotations",
        "prom-remotewrite/memory-request=\"1Gi\": expected at most the limit, which is 128Mi",
    );
}

#[test]
fn a_volume_that_only_root_can_read_is_not_shared() {
    for (mode, shared) in [(json!(null), true), (json!(0o644), true), (json!(0o440), false)] {
        let mut pod = prometheus(&[("inject", "true"), ("profile", "secret")]);
        let volume = json!({"name": "own", "secret": {"secretName": "prom-remotewrite-pfx",
            "defaultMode": mode}});
        pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
        let (decision, _) = admit(&config(), &pod);
        let warned = decision.warnings().iter().any(|text| text.contains("own volume \"own\""));
        assert_eq!(warned, shared, "{mode}: {decision:?}");
    }
}

#[test]
fn no_dollar_is_lost_on_the_way() {
    let value = "a$$b$(HOME)";
    let yaml = crate::tests::CONFIG.replace("cluster: aks-1", &format!("cluster: {value}"));
    let config = Config::parse(&yaml).unwrap();
    let (_, pod) = admit(&config, &prometheus(&[("inject", "true")]));
    // As the kubelet expands: two dollars are one, a dollar and a bracket a name.
    let written = value.replace('$', "$$");
    assert!(pod.to_string().contains(&written), "{written} in {pod}");
}
