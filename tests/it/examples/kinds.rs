//! Objects, against the definitions of their kinds on a real API server.

use cli::{manifests::explain::explain, needs::Fit};
use serde_json::{Value, json};

use super::{list, read};
use crate::{
    chart::{
        foreign,
        objects::{self, text},
        trial::eventually,
    },
    cluster::control_plane,
};

const TEST: &str = "every_object_is_of_its_kind";
/// Whose definitions the examples need, besides Kubernetes' own.
const KINDS: &[&str] = &[
    "applications.argoproj.io",
    "helmreleases.helm.toolkit.fluxcd.io",
    "ocirepositories.source.toolkit.fluxcd.io",
    "prometheuses.monitoring.coreos.com",
    "secretproviderclasses.secrets-store.csi.x-k8s.io",
];

/// What kube-prometheus-stack makes of its values: `prometheusSpec` is copied
/// field by field.
fn prometheus(values: &Value) -> Value {
    assert_eq!(values.as_object().unwrap().len(), 1, "{values}");
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "kube-prometheus-stack", "namespace": "examples"},
        "spec": values["prometheus"]["prometheusSpec"],
    })
}

#[tokio::test]
async fn every_object_is_of_its_kind() {
    let Some(plane) = control_plane(TEST).await else { return };
    let Some(definitions) = foreign::definitions(TEST, KINDS) else { return };
    let client = plane.client().await.unwrap();
    for definition in &definitions {
        objects::apply(&client, definition).await.unwrap();
    }
    objects::namespace(&client, "examples", "restricted").await;
    let single =
        ["network-policies.yaml", "prometheus.yaml", "statefulset.yaml"].map(str::to_owned);
    let files = [list("gitops"), list("secret-provider-class"), single.to_vec()].concat();
    let examples = files.iter().flat_map(|file| {
        objects::documents(&read(file)).into_iter().map(move |object| (file.clone(), object))
    });
    let stacks = list("kube-prometheus-stack").into_iter().map(|file| {
        let values: Value = serde_saphyr::from_str(&read(&file)).unwrap();
        (file, prometheus(&values))
    });
    let mut checked = 0;
    for (file, mut object) in examples.chain(stacks) {
        object["metadata"]["namespace"] = json!("examples");
        // A definition is in use a moment after it was written.
        eventually(text(&object, "/kind"), async || {
            match objects::apply_dry(&client, &object).await {
                Err(kube::Error::Api(status)) if status.code == 404 => None,
                applied => Some(applied.unwrap_or_else(|error| panic!("{file}: {error}"))),
            }
        })
        .await;
        checked += 1;
    }
    assert!(checked >= 20, "{checked}");
}

/// The files that the chart's own examples name are those that classes deliver.
#[test]
fn every_class_delivers_the_certificate() {
    let config = super::config("application-key-vault");
    let pod = super::pods::annotated(&[]);
    let explained = explain(&config.into(), &pod.to_string()).unwrap();
    let need = &explained[0].needs[0];
    for file in list("secret-provider-class") {
        let class = objects::documents(&read(&file)).remove(0);
        assert_eq!(text(&class, "/metadata/name"), need.name, "{file}");
        let fit = need.judge(Some(&class));
        assert!(matches!(fit, Fit::Good), "{file}: {fit:?}");
    }
}
