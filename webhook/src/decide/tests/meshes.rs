//! Pods that show a service mesh, and how the kubelet then checks the sidecar.

use super::*;

/// The sidecar that `pod` gets.
fn sidecar(pod: &Value, more: &str) -> Value {
    let config = Config::parse(&format!("{}{more}", crate::tests::CONFIG)).unwrap();
    let (decision, after) = admit(&config, pod);
    assert_eq!(decision.word(), "inject", "{decision:?}");
    let lists = ["initContainers", "containers"].map(|list| after["spec"][list].clone());
    let all = lists.iter().filter_map(Value::as_array).flatten();
    let sidecar = all.into_iter().find(|one| one["name"] == "prom-remotewrite").unwrap().clone();
    assert!(sidecar.get("startupProbe").is_none(), "{sidecar}");
    sidecar
}

fn exec() -> Value {
    json!({"command": ["/prom-remotewrite", "health"]})
}

fn is_exec(probe: &Value) -> bool {
    assert_ne!(probe.get("exec").is_some(), probe.get("httpGet").is_some(), "{probe}");
    probe.get("exec") == Some(&exec())
}

#[test]
fn pods_of_meshes_get_an_exec_probe() {
    for text in [
        include_str!("../../../testdata/pods/istio.yaml"),
        include_str!("../../../testdata/pods/istio-native.yaml"),
        include_str!("../../../testdata/pods/linkerd.yaml"),
    ] {
        let mut pod: Value = serde_saphyr::from_str(text).unwrap();
        assert!(is_exec(&sidecar(&pod, "")["livenessProbe"]), "{pod}");
        pod["metadata"]["annotations"]["prom-remotewrite/sidecar-mode"] = json!("container");
        assert!(is_exec(&sidecar(&pod, "")["livenessProbe"]), "{pod}");
        assert!(is_exec(&sidecar(&pod, "readinessProbe: http\n")["readinessProbe"]), "{pod}");
        for (annotation, expected) in [("http", false), ("exec", true)] {
            pod["metadata"]["annotations"]["prom-remotewrite/liveness-probe"] = json!(annotation);
            assert_eq!(is_exec(&sidecar(&pod, "")["livenessProbe"]), expected);
        }
        pod["metadata"]["annotations"]["prom-remotewrite/liveness-probe"] = json!("none");
        assert!(sidecar(&pod, "").get("livenessProbe").is_none());
    }
}

/// As Istio's injector leaves a pod when it is called second.
fn with_istio(mut pod: Value, list: &str, probe: Option<Value>) -> Value {
    let all = pod["spec"][list].as_array_mut().unwrap();
    let sidecar = all.iter_mut().find(|one| one["name"] == "prom-remotewrite").unwrap();
    if let Some(probe) = probe {
        sidecar["livenessProbe"]["httpGet"] = probe;
    }
    let proxy = json!({"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.31.0"});
    pod["spec"]["containers"].as_array_mut().unwrap().push(proxy);
    pod
}

#[test]
fn a_mesh_that_comes_later_gets_an_exec_probe() {
    let config = Config::parse(&format!("{}readinessProbe: http\n", crate::tests::CONFIG)).unwrap();
    let rewritten = json!({"path": "/app-health/prom-remotewrite/livez", "port": 15020});
    for (mode, list) in [("native", "initContainers"), ("container", "containers")] {
        for probe in [None, Some(rewritten.clone())] {
            let asks = |more| prometheus(&[("inject", "true"), ("sidecar-mode", mode), more]);
            let (_, pod) = admit(&config, &asks(("log-level", "info")));
            let pod = with_istio(pod, list, probe.clone());
            let (decision, after) = admit(&config, &pod);
            assert_eq!((decision.word(), decision.reason()), ("repair", "behind_mesh"));
            assert_eq!(decision.warnings(), [""; 0]);
            let all = after["spec"][list].as_array().unwrap();
            let sidecar = all.iter().find(|one| one["name"] == "prom-remotewrite").unwrap();
            assert!(is_exec(&sidecar["livenessProbe"]) && is_exec(&sidecar["readinessProbe"]));
            assert_eq!(sidecar["livenessProbe"]["timeoutSeconds"], 10, "not that of HTTP");
            let (decision, again) = admit(&config, &after);
            assert_eq!((decision.word(), again), ("skip", after));

            // Those who want it have it.
            let (_, pod) = admit(&config, &asks(("liveness-probe", "http")));
            let pod = with_istio(pod, list, probe);
            let (_, after) = admit(&config, &pod);
            let all = after["spec"][list].as_array().unwrap();
            let sidecar = all.iter().find(|one| one["name"] == "prom-remotewrite").unwrap();
            assert!(!is_exec(&sidecar["livenessProbe"]) && is_exec(&sidecar["readinessProbe"]));
        }
    }
}

#[test]
fn each_sign_of_a_mesh_is_enough() {
    let with = |path: &[&str], value: Value| {
        let nested = path.iter().rev().fold(value, |inner, name| json!({*name: inner}));
        is_exec(&sidecar(&small(&nested), "")["livenessProbe"])
    };
    let annotation =
        |name: &str, value: &str| with(&["metadata", "annotations", name], json!(value));
    let label = |name: &str, value: &str| with(&["metadata", "labels", name], json!(value));
    assert!(annotation("sidecar.istio.io/status", "{}"));
    assert!(annotation("linkerd.io/proxy-version", "edge-26.1.1"));
    assert!(
        label("sidecar.istio.io/inject", "true") && annotation("sidecar.istio.io/inject", "yes")
    );
    assert!(label("istio.io/rev", "asm-1-29"));
    assert!(
        annotation("linkerd.io/inject", "enabled") && annotation("linkerd.io/inject", "ingress")
    );
    assert!(annotation("consul.hashicorp.com/connect-inject", "true"));
    assert!(label("kuma.io/sidecar-injection", "enabled"));
    assert!(
        !label("sidecar.istio.io/inject", "false") && !annotation("linkerd.io/inject", "disabled")
    );
    assert!(!label("istio.io/dataplane-mode", "ambient"));
    for name in [
        "istio-init",
        "istio-validation",
        "istio-proxy",
        "linkerd-init",
        "linkerd-network-validator",
        "linkerd-proxy",
    ] {
        let container = json!([{"name": name, "image": "a"}]);
        assert!(with(&["spec", "initContainers"], container), "{name}");
    }
    assert!(!with(&["spec", "initContainers"], json!([{"name": "istio", "image": "a"}])));
}

#[test]
fn without_a_mesh_the_kubelet_asks_over_http() {
    let pod = small(&json!({}));
    let usual = sidecar(&pod, "");
    assert_eq!(usual["livenessProbe"]["httpGet"], json!({"path": "/health", "port": "rw-port"}));
    assert!(usual.get("readinessProbe").is_none());
    let ready = sidecar(&pod, "readinessProbe: http\n");
    assert_eq!(ready["readinessProbe"], usual["livenessProbe"]);
    assert!(is_exec(&sidecar(&pod, "readinessProbe: exec\n")["readinessProbe"]));
}

#[test]
fn the_program_of_the_probe_is_that_of_the_image() {
    let dockerfile = include_str!("../../../../manifests/images/Dockerfile");
    let entrypoint = format!("ENTRYPOINT [\"{}\"]", contract::names::PROGRAM);
    assert!(dockerfile.contains(&entrypoint));
}
