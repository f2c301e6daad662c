use std::{fs, time::Duration};

use serde_json::json;

use super::*;

fn known() -> Vec<(String, String)> {
    vec![("A".into(), "1".into()), ("B".into(), "$(A)".into())]
}

#[test]
fn variables_are_expanded_as_kubernetes_does() {
    for (text, expected) in [
        ("plain", "plain"),
        ("x$(A)y", "x1y"),
        ("$(B)", "$(A)"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A $", "$A $"),
        ("$(A", "$(A"),
    ] {
        assert_eq!(expand(text, &known()), expected, "{text}");
    }
}

#[test]
fn paths_below_a_mount_move_with_it() {
    let places =
        vec![("/mnt".to_owned(), PathBuf::from("/t/a")), ("/mnt/b/".to_owned(), "/t/b".into())];
    for (text, expected) in [
        ("/mnt", "/t/a"),
        ("/mnt/cert", "/t/a/cert"),
        ("/mnt/b/cert", "/t/b/cert"),
        ("/mntx/cert", "/mntx/cert"),
        ("https://host/mnt", "https://host/mnt"),
    ] {
        assert_eq!(relocate(text, &places), expected);
    }
}

fn pod(container: &Value) -> Value {
    json!({
        "metadata": {"namespace": "monitoring"},
        "spec": {
            "initContainers": [
                {"name": "once"},
                container,
            ],
            "containers": [{"name": "prometheus"}],
            "volumes": [
                {"name": "cert", "csi": {
                    "driver": "secrets-store.csi.k8s.io", "readOnly": true,
                    "volumeAttributes": {"secretProviderClass": "class"},
                }},
                {"name": "trust", "configMap": {"name": "map", "items": [{"key": "a", "path": "b"}]}},
                {"name": "nothing", "emptyDir": {}},
            ],
        },
    })
}

fn kubelet() -> Kubelet {
    let mut kubelet = Kubelet::default();
    kubelet
        .provider_classes
        .insert("class".into(), Files::from([("cert".into(), b"pfx".to_vec())]));
    kubelet.config_maps.insert("map".into(), Files::from([("a".into(), b"ca".to_vec())]));
    kubelet
}

fn sidecar() -> Value {
    json!({
        "name": "sidecar", "restartPolicy": "Always", "args": ["-c", "cat $0 $1; env", "$(CERT)", "/ca/b"],
        "env": [{"name": "CERT", "value": "/mnt/cert"}],
        "volumeMounts": [
            {"name": "cert", "mountPath": "/mnt", "readOnly": true},
            {"name": "trust", "mountPath": "/ca"},
            {"name": "nothing", "mountPath": "/var/run/secrets"},
        ],
    })
}

#[tokio::test]
async fn a_container_gets_exactly_what_its_pod_says() {
    let prepared = kubelet().prepare(&pod(&sidecar()), "sidecar", Path::new("/bin/sh")).unwrap();
    let program = prepared.program.clone().env("PATH", "/bin:/usr/bin");
    let said = program.run(Duration::from_secs(10)).await.unwrap();
    assert!(said.starts_with("pfxca"), "{said}");
    let volume = &prepared.volumes["cert"];
    assert!(said.contains(&format!("CERT={}/cert\n", volume.path().display())), "{said}");
    assert!(
        fs::read_dir(prepared.volumes["nothing"].path())
            .unwrap()
            .all(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with("..") })
    );

    let file = volume.path().join("cert");
    let first = fs::canonicalize(&file).unwrap();
    volume.write(&Files::from([("cert".into(), b"new".to_vec())])).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert_ne!(fs::canonicalize(&file).unwrap(), first, "another file, behind the same link");
    assert!(!first.exists());
}

#[test]
fn unsupported_fields_are_errors() {
    let kubelet = kubelet();
    for (why, path, value) in [
        ("a command", "/command", json!(["sh"])),
        ("envFrom", "/envFrom", json!([])),
        ("valueFrom", "/env/0/valueFrom", json!({"fieldRef": {"fieldPath": "metadata.name"}})),
        ("a subPath", "/volumeMounts/0/subPath", json!("x")),
        ("a volume that is missing", "/volumeMounts/0/name", json!("other")),
        ("a container that ends", "/restartPolicy", json!("Never")),
    ] {
        let mut container = sidecar();
        let (parent, key) = path.rsplit_once('/').unwrap();
        container.pointer_mut(parent).unwrap()[key] = value;
        let prepared = kubelet.prepare(&pod(&container), "sidecar", Path::new("/bin/sh"));
        assert!(prepared.is_err(), "{why}");
    }
}
