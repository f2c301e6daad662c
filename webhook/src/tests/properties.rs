//! Any JSON: no panic, no patch that doesn't apply, nothing changed.

use contract::{Destinations, Settings};
use json_patch::PatchOperation;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{config, prometheus};
use crate::{
    decide::{Decision, decide},
    effective::{Destination, Effective},
    pod::Pod,
    review::{self, ReviewError},
};

/// Every way into a pod that the webhook reads or writes.
const PATHS: &[&str] = &[
    "/metadata",
    "/metadata/annotations",
    "/metadata/annotations/prom-remotewrite~1inject",
    "/metadata/annotations/prom-remotewrite~1profile",
    "/metadata/annotations/prom-remotewrite~1injected",
    "/metadata/annotations/prom-remotewrite~1listening-port",
    "/metadata/ownerReferences",
    "/metadata/name",
    "/spec",
    "/spec/containers",
    "/spec/containers/0",
    "/spec/containers/0/name",
    "/spec/containers/0/env",
    "/spec/containers/0/ports",
    "/spec/containers/0/ports/0",
    "/spec/containers/0/ports/0/containerPort",
    "/spec/initContainers",
    "/spec/initContainers/0",
    "/spec/volumes",
    "/spec/volumes/0",
    "/spec/imagePullSecrets",
    "/spec/hostNetwork",
    "/spec/os",
    "/spec/nodeSelector",
    "/spec/securityContext",
    "/spec/terminationGracePeriodSeconds",
];

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["", "true", "prom-remotewrite", "default", "/~0", "8081"])
            .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select(vec![
            "metadata",
            "spec",
            "annotations",
            "name",
            "containers",
            "prom-remotewrite/inject",
            "prom-remotewrite/profile",
            "volumes",
            "a/b~c",
            "",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|entries| {
                entries
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<Map<_, _>>()
                    .into()
            }),
        ]
    })
}

prop_compose! {
    /// The real pod, opted in, with parts of it replaced or removed.
    fn damaged_pods()(
        profile in prop::sample::select(vec![
            "default", "application", "secret", "federated", "stack",
            "default,tenants", "application, federated,tenants", "stack,secret,federated,default",
        ]),
        mode in prop::sample::select(vec!["native", "container"]),
        changes in prop::collection::vec((prop::sample::select(PATHS), prop::option::of(anything())), 0..5),
    ) -> Value {
        let mut pod = prometheus(&[("inject", "true"), ("profile", profile), ("sidecar-mode", mode)]);
        for (path, value) in changes {
            if let Some(value) = value {
                if let Some(place) = pod.pointer_mut(path) { *place = value }
            } else {
                let (parent, name) = path.rsplit_once('/').unwrap();
                let name = name.replace("~1", "/");
                if let Some(Value::Object(map)) = pod.pointer_mut(parent) { map.remove(&name); }
            }
        }
        pod
    }
}

/// `after` has all that `before` has, at the same place; null may have become
/// something, and lists and mappings may have become longer.
fn assert_kept(before: &Value, after: &Value, path: &str) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                assert_kept(value, &after[name], &format!("{path}/{name}"));
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert!(before.len() <= after.len(), "{path}");
            for (index, value) in before.iter().enumerate() {
                assert_kept(value, &after[index], &format!("{path}/{index}"));
            }
        }
        (Value::Null, _) => {}
        _ if path == "/metadata/annotations/prom-remotewrite/injected" => {}
        _ => assert_eq!(before, after, "{path}"),
    }
}

fn check(pod: &Value) {
    let config = config();
    let decision = decide(&config, Pod::new(pod));
    let patch = match review::patch_for(&decision, &mut pod.clone()) {
        Ok(patch) => patch,
        Err(ReviewError::NoPod(_)) => return,
        Err(error) => panic!("{error}: {pod}"),
    };
    let Some(patch) = patch else {
        assert!(!matches!(decision, Decision::Inject(_) | Decision::Repair(_)));
        return;
    };
    assert!(patch.0.iter().all(|operation| matches!(operation, PatchOperation::Add(_))));
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &patch).unwrap();
    assert_kept(pod, &patched, "");
    let again = decide(&config, Pod::new(&patched));
    assert_eq!(again.reason(), "already_injected", "{patched}");
    assert_unique_names(&patched);
    assert_restricted(&patched);
    if let Decision::Inject(injection) = decision {
        assert_understood(&patched, &injection.effective);
    }
}

/// The sidecar reads from its container what the webhook meant, and each of its
/// files is mounted.
fn assert_understood(patched: &Value, effective: &Effective) {
    let sidecar = sidecar(patched);
    let variable = |name: &str| {
        let variables = sidecar["env"].as_array().unwrap();
        let found: Vec<_> = variables.iter().filter(|one| one["name"] == name).collect();
        assert!(found.len() < 2, "{name} is written twice");
        Some(found.first()?["value"].as_str()?.replace("$$", "$"))
    };
    assert_eq!(Settings::from_env(variable).as_ref(), Ok(&effective.settings));
    let all = sidecar["env"].as_array().unwrap().iter();
    let text = |one: &Value| one.as_str().unwrap().replace("$$", "$");
    let read = Destinations::from_env(all.map(|one| (text(&one["name"]), text(&one["value"]))));
    let read = read.unwrap();
    assert_eq!(read.len(), 1 + effective.further.len());
    for Destination { name, settings, .. } in &effective.further {
        let found = read.iter().find(|one| one.name.as_ref() == Some(name)).unwrap();
        assert_eq!(&found.settings, settings);
    }
    let mounts = sidecar["volumeMounts"].as_array().unwrap();
    let volumes = patched["spec"]["volumes"].as_array().unwrap();
    for mount in mounts {
        assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
    }
    let files = ["AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE", "SSL_CERT_FILE"];
    let names = files.iter().flat_map(|file| {
        let further = effective.further.iter().map(|one| one.name.variable(file));
        std::iter::once((*file).to_owned()).chain(further)
    });
    for file in names.filter_map(|name| variable(&name)) {
        let is_below = |mount: &Value| {
            let path = mount["mountPath"].as_str().unwrap_or_default().trim_end_matches('/');
            file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        };
        assert!(mounts.iter().any(is_below), "{file} is not mounted");
    }
}

/// Our container, wherever it stands.
fn sidecar(patched: &Value) -> &Value {
    let lists = ["/spec/containers", "/spec/initContainers"];
    lists
        .iter()
        .filter_map(|list| patched.pointer(list)?.as_array())
        .flatten()
        .find(|container| container["name"] == "prom-remotewrite" && container["env"].is_array())
        .unwrap()
}

/// No name twice where Kubernetes refuses that, unless it was there before.
fn assert_unique_names(patched: &Value) {
    let names = |list: &str| -> Vec<String> {
        let items = patched.pointer(list).and_then(Value::as_array);
        let name = |item: &Value| item.get("name")?.as_str().map(str::to_owned);
        items.into_iter().flatten().filter_map(name).collect()
    };
    for (lists, prefix) in [
        (["/spec/volumes", ""], "prom-remotewrite"),
        (["/spec/containers", "/spec/initContainers"], "prom-remotewrite"),
    ] {
        let mut ours: Vec<String> = lists.into_iter().flat_map(names).collect();
        ours.retain(|name| name.starts_with(prefix));
        let count = ours.len();
        ours.sort();
        ours.dedup();
        assert_eq!(ours.len(), count, "{ours:?}");
    }
}

/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
fn assert_restricted(patched: &Value) {
    let sidecar = sidecar(patched);
    let context = &sidecar["securityContext"];
    assert_eq!(context["allowPrivilegeEscalation"], json!(false));
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
    assert_eq!(context["runAsNonRoot"], json!(true));
    assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
    assert_ne!(context["runAsUser"], json!(0));
}

/// The seed corpus of fuzzing, with its findings.
#[test]
fn the_corpus_is_survived() {
    let mut bodies = 0;
    for file in std::fs::read_dir("fuzz/corpus/review").unwrap() {
        let body = std::fs::read(file.unwrap().path()).unwrap();
        bodies += 1;
        let answered = review::answer(&config(), &body);
        assert!(!matches!(answered, Err(error) if error.is_ours()));
        if let Ok(review) = serde_json::from_slice::<Value>(&body) {
            check(review.pointer("/request/object").unwrap_or(&Value::Null));
        }
    }
    assert!(bodies >= 10, "the corpus has gone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damaged_pods_are_never_broken_further(pod in damaged_pods()) {
        check(&pod);
    }

    #[test]
    fn any_json_is_survived(object in anything()) {
        check(&object);
    }

    #[test]
    fn any_review_is_answered_or_refused(object in anything(), request in anything()) {
        let config = config();
        let wrapped = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "operation": "CREATE", "object": object,
                "resource": {"group": "", "version": "v1", "resource": "pods"},
            },
        });
        let bare = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request,
        });
        for body in [wrapped, bare] {
            let answered = review::answer(&config, body.to_string().as_bytes());
            prop_assert!(!matches!(answered, Err(error) if error.is_ours()));
        }
    }

    #[test]
    fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = review::answer(&config(), &body);
    }
}
