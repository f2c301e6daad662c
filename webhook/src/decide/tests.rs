use serde_json::{Value, json};

use super::*;
use crate::tests::{admit, config, prometheus, small};

/// Decision, reason, and a part of what is said.
fn check(pod: &Value, word: &str, reason: &str, said: &str) {
    let decision = decide(&config(), Pod::new(pod));
    assert_eq!((decision.word(), decision.reason()), (word, reason), "{decision:?}");
    let text = match &decision {
        Decision::Deny(denial) => denial.message.clone(),
        _ => decision.warnings().join("\n"),
    };
    assert!(text.contains(said), "{text:?} lacks {said:?}");
    assert!(said.is_empty() == text.is_empty(), "{text:?}");
    assert!(decision.warnings().iter().all(|warning| warning.chars().count() <= 256), "{text}");
}

#[test]
fn who_did_not_ask_is_left_alone() {
    check(&json!(null), "skip", "not_asked_for", "");
    check(&json!({}), "skip", "not_asked_for", "");
    check(&prometheus(&[]), "skip", "not_asked_for", "");
    check(&prometheus(&[("inject", "false")]), "skip", "opted_out", "");
    check(&prometheus(&[("inject", " false ")]), "skip", "opted_out", "");
    let off_and_wrong = prometheus(&[("inject", "false"), ("clientid", "x")]);
    check(&off_and_wrong, "skip", "opted_out", "");
    check(&prometheus(&[("profile", "default")]), "skip", "not_asked_for", "no effect without");
}

#[test]
fn who_asks_gets_one() {
    check(&prometheus(&[("inject", "true")]), "inject", "asked_for", "");
    check(&prometheus(&[("inject", " true")]), "inject", "asked_for", "");
    check(&small(&json!({})), "inject", "asked_for", "");
}

#[test]
fn what_has_one_keeps_it() {
    let config = config();
    let (_, injected) = admit(&config, &prometheus(&[("inject", "true")]));
    check(&injected, "skip", "already_injected", "");
    let mut stale = injected;
    stale["metadata"]["annotations"]["prom-remotewrite/log-level"] = json!("debug");
    check(&stale, "skip", "already_injected", "injected with other settings (version=1.0.0");
    let by_name = json!({"name": "prom-remotewrite", "image": "example/other", "env": [
        {"name": "INGESTION_URL", "value": "https://example.com"},
    ]});
    let by_microsoft = json!({"name": "rw", "image":
        "mcr.microsoft.com/azuremonitor/containerinsights/ciprod/prometheus-remote-write/images:prom-remotewrite-20230505.1",
    });
    let by_microsoft_until_2023 = json!({"name": "rw", "image":
        "mcr.microsoft.com/azuremonitor/prometheus/promdev/prom-remotewrite:prom-remotewrite-20221012.2",
    });
    let by_variables = json!({"name": "rw", "image": "registry.example/azure-monitor:1", "env": [
        {"name": "INGESTION_URL", "value": "https://example.com"},
        {"name": "IDENTITY_TYPE", "value": "userAssigned"},
    ]});
    let by_our_image =
        json!({"name": "prom-remotewrite", "image": "ghcr.io/example/prom-remotewrite@sha256:00"});
    for (container, name) in [
        (by_name, "prom-remotewrite"),
        (by_microsoft, "rw"),
        (by_microsoft_until_2023, "rw"),
        (by_variables, "rw"),
        (by_our_image, "prom-remotewrite"),
    ] {
        for list in ["containers", "initContainers"] {
            let mut pod = prometheus(&[("inject", "true")]);
            pod["spec"][list].as_array_mut().unwrap().push(container.clone());
            check(&pod, "skip", "hand_written", &format!("container {name:?} is a remote-write"));
        }
    }
}

#[test]
fn a_mirror_pod_cannot_be_changed() {
    let mut pod = prometheus(&[("inject", "true")]);
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("x");
    check(&pod, "skip", "mirror_pod", "static pod");
}

#[test]
fn every_mistake_is_in_one_denial() {
    let pod = prometheus(&[
        ("inject", "yes"),
        ("profil", "x"),
        ("identity-type", "userasigned"),
        ("ingestion-url", "dce.example"),
    ]);
    check(&pod, "deny", "bad_annotations", "4 mistakes: ");
    check(
        &pod,
        "deny",
        "bad_annotations",
        "prom-remotewrite/inject=\"yes\": expected one of true, false",
    );
    check(&pod, "deny", "bad_annotations", "(did you mean \"prom-remotewrite/profile\"?)");
    let elsewhere = Config::parse("image: a").unwrap();
    let both = prometheus(&[("inject", "true"), ("clientid", "x"), ("cpu-limit", "much")]);
    let Decision::Deny(denial) = decide(&elsewhere, Pod::new(&both)) else { panic!("{both}") };
    let (_, list) = denial.message.split_once("4 mistakes: ").unwrap();
    let names: Vec<&str> =
        list.split("; ").filter_map(|text| text.split(['=', ' ']).next()).collect();
    let expected = ["clientid", "cpu-limit", "ingestion-url", "identity-type"];
    assert_eq!(names, expected.map(|name| format!("prom-remotewrite/{name}")));
    let unknown_profile = prometheus(&[("inject", "true"), ("profile", "aplication")]);
    check(&unknown_profile, "deny", "bad_annotations", "(did you mean \"application\"?)");
    check(&unknown_profile, "deny", "bad_annotations", "1 mistake: ");
    let certificate = prometheus(&[
        ("inject", "true"),
        ("identity-type", "aadApplication"),
        ("tenant-id", "contoso.com"),
        ("certificate-secret", "Not_A_Name"),
    ]);
    check(
        &certificate,
        "deny",
        "bad_annotations",
        "1 mistake: prom-remotewrite/certificate-secret",
    );
}

#[test]
fn what_an_identity_lacks_is_named() {
    let lacking = |identity: &str, names: &[&str]| {
        let config = Config::parse("image: a").unwrap();
        let url = "https://dce.westeurope-1.metrics.ingest.monitor.azure.com/x";
        let pod =
            prometheus(&[("inject", "true"), ("ingestion-url", url), ("identity-type", identity)]);
        let Decision::Deny(denial) = decide(&config, Pod::new(&pod)) else {
            assert!(names.is_empty(), "{identity}");
            return;
        };
        for name in names {
            let text = format!("prom-remotewrite/{name} is missing");
            assert!(denial.message.contains(&text), "{text}: {}", denial.message);
        }
        assert_eq!(denial.message.matches("is missing").count(), names.len(), "{}", denial.message);
    };
    lacking("systemAssigned", &[]);
    lacking("userAssigned", &["client-id"]);
    lacking(
        "aadApplication",
        &["client-id", "tenant-id", "certificate-name", "secret-provider-class"],
    );
    lacking("workloadIdentity", &["client-id", "tenant-id"]);
    let nothing = Config::parse("image: a").unwrap();
    let Decision::Deny(denial) = decide(&nothing, Pod::new(&prometheus(&[("inject", "true")])))
    else {
        panic!("injected without an identity");
    };
    assert!(denial.message.contains("2 mistakes: prom-remotewrite/ingestion-url is missing"));
}

#[test]
fn policy_binds_annotations() {
    let policy = "policy: {overridable: [ingestion-url, client-id], ingestionHosts: [.ingest.monitor.azure.com, exact.example]}";
    let yaml = format!("{}\n{policy}\n", crate::tests::CONFIG);
    let config = Config::parse(&yaml).unwrap();
    let denied = |annotations: &[(&str, &str)]| {
        let pod = prometheus(&[&[("inject", "true")], annotations].concat());
        match decide(&config, Pod::new(&pod)) {
            Decision::Deny(denial) => Some(denial.message),
            _ => None,
        }
    };
    let to = |url: &str| denied(&[("ingestion-url", url)]);
    assert_eq!(to("https://a.ingest.monitor.azure.com/x"), None);
    assert_eq!(to("https://exact.example/x"), None);
    for foreign in [
        "https://evil.example/.ingest.monitor.azure.com",
        "https://a.ingest.monitor.azure.com.evil.example/",
        "https://a.exact.example/",
        "https://a.ingest.monitor.azure.us/",
        "http://127.0.0.1:9/",
    ] {
        let message = to(foreign).unwrap();
        assert!(message.contains("policy lets pods send to: .ingest"), "{message}");
    }
    let message = denied(&[("image", "evil"), ("log-level", "debug")]).unwrap();
    assert!(message.contains("2 mistakes: prom-remotewrite/image=\"evil\""), "{message}");
    assert!(message.contains("lets pods set ingestion-url, client-id"), "{message}");
    assert_eq!(denied(&[("profile", "stack")]), None, "a profile may say what a pod may not");
    let by_default = prometheus(&[("inject", "true"), ("image", "evil")]);
    check(&by_default, "deny", "bad_annotations", "prom-remotewrite/image=\"evil\"");
}

#[test]
fn ports_are_shared_with_what_runs_beside_it() {
    let with = |list: &str, container: Value| small(&json!({"spec": {list: [container]}}));
    let named = |name: &str, more: Value| {
        let mut container = json!({"name": name, "ports": [{"containerPort": 8081}]});
        json_patch::merge(&mut container, &more);
        container
    };
    let text =
        "port 8081 is taken by container \"prometheus\": set prom-remotewrite/listening-port";
    check(&with("containers", named("prometheus", json!({}))), "deny", "port_taken", text);
    let udp = named("prometheus", json!({"ports": [{"containerPort": 8081, "protocol": "UDP"}]}));
    check(&with("containers", udp), "inject", "asked_for", "");
    check(&with("initContainers", named("init", json!({}))), "inject", "asked_for", "");
    let sidecar = named("mesh", json!({"restartPolicy": "Always"}));
    check(&with("initContainers", sidecar), "deny", "port_taken", "container \"mesh\"");
    let mut node = small(&json!({"spec": {"hostNetwork": true}}));
    check(&node, "inject", "asked_for", "hostNetwork");
    node["metadata"]["annotations"]["prom-remotewrite/listening-port"] = json!("10250");
    check(&node, "deny", "port_taken", "belongs to the node");
}

#[test]
fn impossible_pods_are_denied_with_all_that_is_wrong() {
    let windows = "Windows pod";
    check(&small(&json!({"spec": {"os": {"name": "windows"}}})), "deny", "windows_pod", windows);
    let selector = json!({"spec": {"nodeSelector": {"kubernetes.io/os": "windows"}}});
    check(&small(&selector), "deny", "windows_pod", windows);
    let mut foreign = small(&json!({}));
    foreign["spec"]["containers"][0]["name"] = json!("prom-remotewrite");
    check(&foreign, "deny", "foreign_container", "rename it");
    foreign["metadata"]["annotations"]["prom-remotewrite/client-id"] = json!("x");
    check(&foreign, "deny", "bad_annotations", "; a container named \"prom-remotewrite\" is there");
}

#[test]
fn what_is_unusual_is_said_and_done() {
    let mut other = small(&json!({}));
    other["spec"]["containers"] = json!([{"name": "app", "image": "example.com:5000/app"}]);
    check(&other, "inject", "asked_for", "looks like Prometheus");
    other["spec"]["containers"] =
        json!([{"name": "p", "image": "example.com:5000/x/prometheus@sha256:0"}]);
    check(&other, "inject", "asked_for", "");
    let mut job = small(&json!({"spec": {"restartPolicy": "Never"}}));
    check(&job, "inject", "asked_for", "");
    job["metadata"]["annotations"]["prom-remotewrite/sidecar-mode"] = json!("container");
    check(&job, "inject", "asked_for", "will not end by itself");
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
    check(&pod, "deny", "bad_annotations", "2 mistakes: prom-remotewrite/client-id is missing");
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
    let pod = prometheus(&[("inject", "true"), ("memory-request", "1Gi")]);
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
    let mut config = config();
    let proxy = contract::Proxy::new("http://user:pa$$word$(HOME)@proxy.example:3128", "").unwrap();
    let value = proxy.address().to_string();
    for profile in config.profiles.values_mut() {
        profile.proxy = Some(proxy.clone());
    }
    let (_, pod) = admit(&config, &prometheus(&[("inject", "true")]));
    // As the kubelet expands: two dollars are one, a dollar and a bracket a name.
    let written = value.replace('$', "$$");
    assert!(pod.to_string().contains(&written), "{written} in {pod}");
}
