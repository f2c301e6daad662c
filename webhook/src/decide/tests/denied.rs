//! Pods that cannot have a sidecar, or not the one that they ask for.

use super::*;

#[test]
fn every_error_is_in_one_denial() {
    let pod = prometheus(&[
        ("inject", "ture"),
        ("profil", "x"),
        ("identity-type", "userasigned"),
        ("ingestion-url", "dce.example"),
    ]);
    check(&pod, "deny", "bad_annotations", "4 errors: ");
    check(
        &pod,
        "deny",
        "bad_annotations",
        "prom-remotewrite/inject=\"ture\": expected one of true, false",
    );
    check(&pod, "deny", "bad_annotations", "(did you mean \"prom-remotewrite/profile\"?)");
    let elsewhere = Config::parse("image: a").unwrap();
    let both = prometheus(&[("inject", "true"), ("clientid", "x"), ("cpu-limit", "much")]);
    let Decision::Deny(denial) = decide(&elsewhere, Pod::new(&both)) else { panic!("{both}") };
    let (_, list) = denial.message.split_once("4 errors: ").unwrap();
    let names: Vec<&str> =
        list.split("; ").filter_map(|text| text.split(['=', ' ']).next()).collect();
    let expected = ["clientid", "cpu-limit", "ingestion-url", "identity-type"];
    assert_eq!(names, expected.map(|name| format!("prom-remotewrite/{name}")));
    let unknown_profile = prometheus(&[("inject", "true"), ("profile", "aplication")]);
    check(&unknown_profile, "deny", "bad_annotations", "(did you mean \"application\"?)");
    check(&unknown_profile, "deny", "bad_annotations", "1 error: ");
    let certificate = prometheus(&[
        ("inject", "true"),
        ("identity-type", "aadApplication"),
        ("tenant-id", "contoso.com"),
        ("certificate-secret", "Not_A_Name"),
    ]);
    check(&certificate, "deny", "bad_annotations", "1 error: prom-remotewrite/certificate-secret");
}

#[test]
fn missing_settings_of_an_identity_are_named() {
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
    assert!(denial.message.contains("2 errors: prom-remotewrite/ingestion-url is missing"));
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
    assert!(message.contains("2 errors: prom-remotewrite/image=\"evil\""), "{message}");
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

/// A pod whose required node affinity has these terms, each with these
/// expressions.
fn with_affinity(terms: &[&[(&str, &str, &[&str])]]) -> Value {
    let expression = |(key, operator, values): &(&str, &str, &[&str])| json!({"key": key, "operator": operator, "values": values});
    let term = |term: &&[(&str, &str, &[&str])]| json!({"matchExpressions": term.iter().map(expression).collect::<Vec<_>>()});
    let terms: Vec<Value> = terms.iter().map(term).collect();
    let required = json!({"nodeSelectorTerms": terms});
    small(
        &json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}}),
    )
}

#[test]
fn windows_is_also_known_by_affinity() {
    const OS: &str = "kubernetes.io/os";
    let windows: &[(&str, &str, &[&str])] = &[("pool", "In", &["a"]), (OS, "In", &["windows"])];
    let not_linux: &[(&str, &str, &[&str])] = &[(OS, "NotIn", &["linux"])];
    let linux: &[(&str, &str, &[&str])] = &[(OS, "In", &["linux"])];
    let both: &[(&str, &str, &[&str])] = &[(OS, "In", &["linux", "windows"])];
    for terms in [&[windows][..], &[not_linux], &[windows, not_linux]] {
        check(&with_affinity(terms), "deny", "windows_pod", "Windows pod");
    }
    for terms in [&[linux][..], &[both], &[windows, linux], &[]] {
        check(&with_affinity(terms), "inject", "asked_for", "");
    }
}

#[test]
fn impossible_pods_are_denied_with_all_that_is_wrong() {
    let windows = "Windows pod";
    check(&small(&json!({"spec": {"os": {"name": "windows"}}})), "deny", "windows_pod", windows);
    for (label, value) in [
        ("kubernetes.io/os", "windows"),
        ("beta.kubernetes.io/os", "Windows"),
        ("node.kubernetes.io/windows-build", "10.0.20348"),
    ] {
        let selector = json!({"spec": {"nodeSelector": {label: value}}});
        check(&small(&selector), "deny", "windows_pod", windows);
    }
    for options in [json!({"hostProcess": true}), json!({"runAsUserName": "ContainerUser"})] {
        let context = json!({"securityContext": {"windowsOptions": options}});
        check(&small(&json!({"spec": context})), "deny", "windows_pod", windows);
        let mut one = small(&json!({}));
        one["spec"]["containers"][0]["securityContext"] = context["securityContext"].clone();
        check(&one, "deny", "windows_pod", windows);
    }
    let nothing = json!({"spec": {"securityContext": {"windowsOptions": {}}}});
    check(&small(&nothing), "inject", "asked_for", "");
    let mut foreign = small(&json!({}));
    foreign["spec"]["containers"][0]["name"] = json!("prom-remotewrite");
    check(&foreign, "deny", "foreign_container", "rename it");
    foreign["metadata"]["annotations"]["prom-remotewrite/client-id"] = json!("x");
    check(&foreign, "deny", "bad_annotations", "; a container named \"prom-remotewrite\" exists");
}
