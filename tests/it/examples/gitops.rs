//! The settings of Argo CD and Flux: this chart, its version, values that it takes, and
//! to leave alone what is another's.

use serde_json::Value;
use webhook::config::Config;

use super::read;
use crate::chart::{
    helm::Helm,
    objects::{self, of_kind, text},
};

/// The charts' place in the registry, as the release workflow pushes them.
const REGISTRY: &str = "ghcr.io/prom-remotewrite/charts";

#[tokio::test]
async fn they_install_this_chart_and_leave_the_certificate_alone() {
    const TEST: &str = "they_install_this_chart_and_leave_the_certificate_alone";
    let Some(helm) = Helm::find(TEST) else { return };
    let argo = objects::documents(&read("gitops/argo-cd.yaml")).remove(0);
    let flux = objects::documents(&read("gitops/flux.yaml"));
    let (source, release) = (of_kind(&flux, "OCIRepository"), of_kind(&flux, "HelmRelease"));
    for (version, from) in [
        (text(&argo, "/spec/source/targetRevision"), text(&argo, "/spec/source/repoURL")),
        (text(source, "/spec/ref/tag"), text(source, "/spec/url")),
    ] {
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        assert!(from.contains(REGISTRY), "{from}");
    }
    for values in [argo.pointer("/spec/source/helm/valuesObject"), release.pointer("/spec/values")]
    {
        let rendered = helm.template(("one", "two"), values.unwrap(), &[]).await.unwrap();
        let config = text(of_kind(&rendered, "ConfigMap"), "/data/config.yaml");
        assert!(Config::parse(config).unwrap().profiles.contains_key("default"));
        ignored_by_both(&argo, release, &rendered);
    }
}

/// Both name the one place that certs writes to.
fn ignored_by_both(argo: &Value, release: &Value, rendered: &[Value]) {
    let configuration = of_kind(rendered, "MutatingWebhookConfiguration");
    assert_eq!(configuration["webhooks"].as_array().unwrap().len(), 1);
    assert!(configuration.pointer("/webhooks/0/clientConfig/caBundle").is_none());
    let path = text(argo, "/spec/ignoreDifferences/0/jqPathExpressions/0");
    assert_eq!(path, ".webhooks[]?.clientConfig.caBundle");
    let path = text(release, "/spec/driftDetection/ignore/0/paths/0");
    assert_eq!(path, "/webhooks/0/clientConfig/caBundle");
}
