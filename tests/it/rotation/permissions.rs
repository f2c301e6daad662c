//! The job's role is exactly what it needs.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::fixture::{CONFIGURATION_VERBS, Fixture, SECRET_VERBS, fixture};
use crate::cluster::control_plane;

#[tokio::test]
async fn without_any_one_of_its_permissions_it_fails() {
    let Some(plane) = control_plane("without_any_one_of_its_permissions").await else { return };
    let without = |verbs: &[&'static str], missing: &str| -> Vec<&str> {
        verbs.iter().copied().filter(|verb| *verb != missing).collect()
    };
    for verb in SECRET_VERBS {
        let test = format!("without-{verb}-secrets");
        let verbs = without(SECRET_VERBS, verb);
        let fixture = Fixture::new(plane, &test, &verbs, CONFIGURATION_VERBS).await;
        let refused = fixture.refused(&[], 1).await;
        assert!(refused.contains("forbidden") && refused.contains("secrets"), "{refused}");
    }
    for verb in CONFIGURATION_VERBS {
        let test = format!("without-{verb}-configurations");
        let verbs = without(CONFIGURATION_VERBS, verb);
        let fixture = Fixture::new(plane, &test, SECRET_VERBS, &verbs).await;
        let refused = fixture.refused(&[], 1).await;
        assert!(
            refused.contains("forbidden") && refused.contains("mutatingwebhookconfigurations"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn with_all_of_them_it_sees_nothing_else() {
    let Some(fixture) = fixture("with_all_of_them").await else { return };
    let kubeconfig = fixture.plane.kubeconfig_of(&fixture.name, &fixture.name).await.unwrap();
    let read = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
    let client = Client::try_from(config).unwrap();
    let refused = |result: Result<(), kube::Error>| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains("forbidden"), "{text}");
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &fixture.name);
    refused(secrets.get("another").await.map(|_| ()));
    refused(secrets.list(&ListParams::default()).await.map(|_| ()));
    refused(Api::<Secret>::namespaced(client, "default").get("webhook-tls").await.map(|_| ()));
}
