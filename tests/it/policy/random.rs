//! Pods put together at random, each the same in every run. Most ask, and most can get
//! what they ask for.

use serde_json::{Value, json};

/// A source of choices (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % count
    }

    /// One time in so many.
    fn rarely(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// The pod of this number.
pub(crate) fn pod(number: usize) -> Value {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::try_from(number).unwrap() + 1));
    for _ in 0..8 {
        dice.below(2);
    }
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "annotations": {}, "labels": {"app": "prometheus"}},
        "spec": {"containers": [container(&mut dice, "prometheus")]},
    });
    asks(&mut dice, &mut pod["metadata"]["annotations"]);
    containers(&mut dice, &mut pod["spec"]);
    volumes(&mut dice, &mut pod["spec"]);
    resources(&mut dice, &mut pod["spec"]);
    mesh(&mut dice, &mut pod);
    rest(&mut dice, &mut pod["spec"]);
    if dice.rarely(12) {
        unusual(&mut dice, &mut pod["spec"]);
    }
    pod
}

fn asks(dice: &mut Dice, annotations: &mut Value) {
    let inject = match dice.below(20) {
        0 => *dice.one(&["false", "no", " Off ", "", "<no value>", "~", "'0'"]),
        1 => *dice.one(&["yes", "TRUE", " \"true\" ", "1", "Enabled", "\u{a0}true\u{2003}"]),
        2 if dice.rarely(2) => *dice.one(&["ture", "2", "perhaps"]),
        _ => "true",
    };
    annotations["prom-remotewrite/inject"] = json!(inject);
    let profiles = ["application", "secret", "federated", "stack", "tenants", "default", " stack "];
    match dice.below(40) {
        0 => annotations["prom-remotewrite/profile"] = json!(*dice.one(&["nobody", "", "Default"])),
        1 => annotations["prom-remotewrite/profile"] = json!("default, tenants"),
        2..12 => {}
        _ => annotations["prom-remotewrite/profile"] = json!(*dice.one(&profiles)),
    }
    if dice.rarely(25) {
        let (name, value) = *dice.one(&[
            ("listening-port", "9000"),
            ("sidecar-mode", "container"),
            ("log-level", "debug"),
            ("memory-limit", "64Mi"),
        ]);
        annotations[format!("prom-remotewrite/{name}")] = json!(value);
    }
    if dice.rarely(40) {
        annotations["prom-remotewrite/clientid"] = json!("x");
    }
    if dice.rarely(20) {
        annotations["prom-remotewrite/injected"] = json!("version=0.1.0 settings=000000000000");
    }
}

fn container(dice: &mut Dice, name: &str) -> Value {
    let mut container = json!({"name": name, "image": format!("registry.example/{name}:1")});
    match dice.below(8) {
        0 => container["ports"] = json!([{"containerPort": 9090, "name": "web"}]),
        1 if dice.rarely(3) => container["ports"] = json!([{"containerPort": 8081}]),
        2 => container["ports"] = json!([{"containerPort": 8081, "protocol": "UDP"}]),
        _ => {}
    }
    if dice.rarely(6) {
        container["env"] = json!([{"name": "INGESTION_URL", "value": "x"}]);
    }
    if dice.rarely(4) {
        container["securityContext"] = json!({"runAsUser": 1000});
    }
    container
}

fn containers(dice: &mut Dice, spec: &mut Value) {
    for number in 0..dice.below(3) {
        let more = container(dice, &format!("more-{number}"));
        spec["containers"].as_array_mut().unwrap().push(more);
    }
    let count = dice.below(4).saturating_sub(1);
    if count > 0 {
        spec["initContainers"] = json!([]);
    }
    for number in 0..count {
        let mut init = container(dice, &format!("init-{number}"));
        if dice.rarely(3) {
            init["restartPolicy"] = json!("Always");
        }
        spec["initContainers"].as_array_mut().unwrap().push(init);
    }
    if dice.rarely(15) {
        let name = *dice.one(&["prom-remotewrite", "remote-write"]);
        let mut other = container(dice, name);
        match dice.below(4) {
            0 => {
                other["image"] = json!(
                    "mcr.microsoft.com/azuremonitor/containerinsights/ciprod/prometheus-remote-write/images:1"
                );
            }
            1 => {
                other["env"] = json!([
                    {"name": *dice.one(&["INGESTION_URL", "INGESTION_URL_A_B", "INGESTION_URL_a"]), "value": "x"},
                    {"name": "IDENTITY_TYPE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ]);
            }
            2 => {
                other["image"] = json!(*dice.one(&[
                    "ghcr.io/example/prom-remotewrite:0.9",
                    "ghcr.io/example/prom-remotewrite",
                    "ghcr.io/example/prom-remotewrite-fork:1",
                ]));
            }
            _ => other["ports"] = json!([{"containerPort": 8082, "name": "rw-port"}]),
        }
        spec["containers"].as_array_mut().unwrap().push(other);
    }
}

fn volumes(dice: &mut Dice, spec: &mut Value) {
    let mut volumes = Vec::new();
    let ours = ["cert", "token", "trust", "no-api-token"];
    let sources = [
        json!({"emptyDir": {}}),
        json!({"downwardAPI": {}}),
        json!({"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}}),
        json!({"secret": {"secretName": "prom-remotewrite-pfx"}}),
        json!({"secret": {"secretName": "prom-remotewrite-pfx", "defaultMode": 0o400}}),
        json!({"secret": {"secretName": "prom-remotewrite-pfx", "items": [{"key": "a", "path": "a"}]}}),
        json!({"csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"secretProviderClass": "azure-kvname-user-msi"}}}),
        json!({"csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "another"}}}),
        json!({"configMap": {"name": "private-roots", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}),
        json!({"projected": {"defaultMode": 0o440, "sources": [{"serviceAccountToken": {"audience": "api://AzureADTokenExchange", "expirationSeconds": 3600, "path": "azure-identity-token"}}]}}),
    ];
    for name in ours {
        if dice.rarely(5) {
            for suffix in ["", "-2", "-3"] {
                let mut volume = dice.one(&sources).clone();
                volume["name"] = json!(format!("prom-remotewrite-{name}{suffix}"));
                volumes.push(volume);
                if dice.rarely(2) {
                    break;
                }
            }
        }
    }
    if dice.rarely(3) {
        let mut volume = dice.one(&sources).clone();
        volume["name"] = json!("data");
        volumes.push(volume);
    }
    if !volumes.is_empty() || dice.rarely(2) {
        spec["volumes"] = json!(volumes);
    }
}

fn resources(dice: &mut Dice, spec: &mut Value) {
    let amounts = |dice: &mut Dice| {
        json!({
            "cpu": *dice.one(&["100m", "0.1", "1", "250m"]),
            "memory": *dice.one(&["64Mi", "128Mi", "134217728", "0.1Gi"]),
        })
    };
    let kind = dice.below(4);
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            let amounts = amounts(dice);
            container["resources"] = match kind {
                0 => json!({}),
                1 => json!({"limits": amounts}),
                2 => json!({"requests": amounts}),
                _ => {
                    json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": *dice.one(&["1Gi", "1024Mi"])}})
                }
            };
        }
    }
    if dice.rarely(3) {
        own_resources(dice, spec);
    }
}

/// Of the pod as a whole: as much as its containers request, or a little more.
fn own_resources(dice: &mut Dice, spec: &mut Value) {
    let mut count = 0;
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            count += 1;
            container["resources"] = json!({"requests": {"cpu": "100m", "memory": "64Mi"}});
        }
    }
    let own = json!({
        "cpu": format!("{}m", count * 100 + *dice.one(&[0, 9, 10, 11, 500])),
        "memory": format!("{}Mi", count * 64 + *dice.one(&[0, 31, 32, 33, 500])),
    });
    let limits =
        json!({"cpu": "8", "memory": format!("{}Mi", count * 64 + *dice.one(&[600, 6000]))});
    let without_requests = dice.rarely(3);
    if without_requests {
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                container["resources"] = json!({});
            }
        }
    }
    spec["resources"] = match dice.below(5) {
        0 | 1 if without_requests => json!({"limits": own, "requests": {"cpu": "10m"}}),
        2 if without_requests => json!({"limits": {"cpu": "0", "memory": own["memory"]}}),
        _ if without_requests => json!({"limits": own}),
        0 | 1 => json!({"requests": own}),
        2 => json!({"limits": own}),
        3 => json!({"requests": {"memory": own["memory"]}}),
        _ => json!({"requests": own, "limits": limits}),
    };
}

fn mesh(dice: &mut Dice, pod: &mut Value) {
    if !dice.rarely(3) {
        return;
    }
    let (name, value) = *dice.one(&[
        ("sidecar.istio.io/status", "{}"),
        ("sidecar.istio.io/inject", "true"),
        ("sidecar.istio.io/inject", "FALSE"),
        ("istio.io/rev", "default"),
        ("istio.io/rev", ""),
        ("linkerd.io/inject", "enabled"),
        ("linkerd.io/inject", "disabled"),
        ("linkerd.io/proxy-version", "2"),
        ("consul.hashicorp.com/connect-inject", "yes"),
        ("kuma.io/sidecar-injection", "Enabled"),
        ("kuma.io/sidecar-injection", "disabled"),
    ]);
    let place = if value.len() % 2 == 0 && !value.contains('{') { "labels" } else { "annotations" };
    pod["metadata"][place][name] = json!(value);
    if dice.rarely(3) {
        let name = *dice.one(&["istio-proxy", "linkerd-proxy", "consul-dataplane", "kuma-sidecar"]);
        let proxy = json!({"name": name, "image": "registry.example/proxy:1"});
        pod["spec"]["containers"].as_array_mut().unwrap().push(proxy);
    }
}

fn rest(dice: &mut Dice, spec: &mut Value) {
    match dice.below(5) {
        0 => spec["securityContext"] = json!({"runAsUser": 0}),
        1 => spec["securityContext"] = json!({"runAsUser": 1000, "fsGroup": 2000}),
        2 => spec["securityContext"] = json!({}),
        _ => {}
    }
    match dice.below(4) {
        0 => spec["automountServiceAccountToken"] = json!(false),
        1 => spec["automountServiceAccountToken"] = json!(true),
        _ => {}
    }
    match dice.below(4) {
        0 => spec["imagePullSecrets"] = json!([{"name": "registry"}, {"name": "other"}]),
        1 => spec["imagePullSecrets"] = json!([{"name": "other"}]),
        _ => {}
    }
    if dice.rarely(2) {
        let seconds = *dice.one(&[0, 1, 5, 6, 7, 29, 30, 60, 65, 66, 94, 95, 96, 600, 86_400]);
        spec["terminationGracePeriodSeconds"] = json!(seconds);
    }
    if dice.rarely(10) {
        spec["restartPolicy"] = json!("Never");
    }
    if dice.rarely(10) {
        spec["nodeSelector"] = json!({"kubernetes.io/os": "linux"});
    }
    if dice.rarely(15) {
        spec["hostNetwork"] = json!(true);
    }
}

/// Pods for other nodes.
fn unusual(dice: &mut Dice, spec: &mut Value) {
    let required = |expressions: Value| {
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": expressions,
        }}})
    };
    match dice.below(7) {
        0 => spec["nodeSelector"] = json!({"kubernetes.io/os": "windows"}),
        1 => spec["nodeSelector"] = json!({"node.kubernetes.io/windows-build": "10.0.20348"}),
        2 => {
            spec["affinity"] = required(json!([
                {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}]},
                {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "NotIn", "values": ["linux", "plan9"]}]},
            ]));
        }
        3 => {
            spec["affinity"] = required(json!([
                {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["windows", "linux"]}]},
            ]));
        }
        4 => {
            spec["affinity"] = required(json!([
                {"matchExpressions": [{"key": "node.kubernetes.io/windows-build", "operator": "Exists"}]},
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node"]}]},
            ]));
        }
        5 => spec["containers"][0]["securityContext"] = json!({"windowsOptions": {}}),
        _ => {
            spec["containers"][0]["securityContext"] =
                json!({"windowsOptions": {"runAsUserName": "ContainerUser"}});
        }
    }
}
