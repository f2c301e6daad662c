//! Tokens by an identity binding: real service account tokens and rights at a real API
//! server, the rights as the chart gives them, and a stand-in for the proxy of AKS.

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use tests::{
    azure::{
        Service,
        token_proxy::{AUDIENCE, TokenProxy},
    },
    machine::process::Process,
};

use super::{PATIENCE, Stage, says};
use crate::{
    chart::{helm::Helm, objects, trial::eventually},
    cluster::control_plane,
    sidecar::few,
};

const NAME: &str = "identity-binding";
const SNI_NAME: &str = "a0b1c2.ests.aks";

/// Every step is well, that of the proxy included.
const ALL_OK: &str = "ok ok ok ok ok ok ok ok ok ok ok";
const NO_PROXY: &str = "ok ok ok ok ok ok ok failed skipped skipped skipped";
const NO_TOKEN: &str = "ok ok ok ok ok ok ok ok failed skipped skipped";

/// The real token of a service account, as a pod would have it.
async fn token(client: &Client, account: &str, audience: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAME);
    let spec = TokenRequestSpec { audiences: vec![audience.to_owned()], ..Default::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let made = accounts.create_token_request(account, &PostParams::default(), &request).await;
    made.unwrap().status.unwrap().token
}

/// A sidecar whose identity is used by a binding, which the cluster does not allow yet.
async fn stage(client: &Client) -> (Stage, TokenProxy) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}});
    objects::apply(client, &namespace).await.unwrap();
    for name in ["prometheus", "other"] {
        let metadata = json!({"name": name, "namespace": NAME});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
        objects::apply(client, &account).await.unwrap();
    }
    let mut stage = Stage::new().await;
    let proxy = TokenProxy::start(&stage.azure, &stage.application, client.clone(), SNI_NAME)
        .await
        .unwrap();
    stage.set("IDENTITY_TYPE", "workloadIdentity");
    stage.set("AZURE_CLIENT_ID", stage.application.client_id.clone());
    stage.set("AZURE_TENANT_ID", stage.azure.tenant());
    let file = |name| stage.file(name).to_str().unwrap().to_owned();
    let (token, ca) = (file("token"), file("cluster-ca.crt"));
    std::fs::write(&ca, proxy.trust()).unwrap();
    stage.set("AZURE_FEDERATED_TOKEN_FILE", token);
    stage.set("AZURE_KUBERNETES_TOKEN_PROXY", proxy.address());
    stage.set("AZURE_KUBERNETES_SNI_NAME", SNI_NAME);
    stage.set("AZURE_KUBERNETES_CA_FILE", ca);
    (stage, proxy)
}

/// What the chart renders for the right of one account to use the identity.
async fn give_right(helm: &Helm, client: &Client, identity: &str) {
    let accounts = [json!({"namespace": NAME, "name": "prometheus"})];
    let values = json!({"identityBindings": [{"clientId": identity, "serviceAccounts": accounts}]});
    let rendered = helm.template((NAME, NAME), &values, &[]).await.unwrap();
    let none = helm.template((NAME, NAME), &json!({}), &[]).await.unwrap();
    let is_new = |object: &&serde_json::Value| {
        none.iter().all(|one| one["metadata"]["name"] != object["metadata"]["name"])
    };
    let new: Vec<_> = rendered.iter().filter(is_new).collect();
    assert_eq!(new.len(), 2, "{new:#?}");
    for object in new {
        objects::apply(client, object).await.unwrap();
    }
}

#[tokio::test]
async fn an_identity_binding_gives_tokens_to_accounts_with_the_right() {
    const TEST: &str = "an_identity_binding_gives_tokens_to_accounts_with_the_right";
    let Some(helm) = Helm::find(TEST) else { return };
    let Some(plane) = control_plane(TEST).await else { return };
    let client = plane.client().await.unwrap();
    let (mut stage, mut proxy) = stage(&client).await;
    let identity = stage.application.client_id.clone();
    let file = stage.file("token");
    let write = |text: String| std::fs::write(&file, text).unwrap();

    write(token(&client, "prometheus", "api://AzureADTokenExchange").await);
    let expected = NO_TOKEN.replacen("ok ok failed", "warning ok failed", 1);
    let step = stage.expect(1, &expected, "token").await;
    says(&step, "remedy", "(401), saying \"Unauthorized\": it does not accept the service account");

    write(token(&client, "prometheus", AUDIENCE).await);
    let step = stage.expect(1, NO_TOKEN, "token").await;
    says(&step, "remedy", &format!("use-managed-identity for the resource {identity} of the API"));
    assert_eq!(proxy.relayed(), 0);

    give_right(&helm, &client, &identity).await;
    let stage_ref = &stage;
    eventually("the right is known", async || {
        (stage_ref.check(&[]).await.status == 0).then_some(())
    })
    .await;
    let step = stage.expect(0, ALL_OK, "token_proxy").await;
    says(
        &step,
        "detail",
        "answers as a0b1c2.ests.aks, with a certificate verified by AZURE_KUBERNETES_CA_FILE=",
    );
    write(token(&client, "other", AUDIENCE).await);
    stage.expect(1, NO_TOKEN, "token").await;
    write(token(&client, "prometheus", AUDIENCE).await);

    wrong_certificates(&mut stage, &mut proxy).await;
    goes_on(stage, &proxy).await;
}

/// Leaves the sidecar without the proxy's CA.
async fn wrong_certificates(stage: &mut Stage, proxy: &mut TokenProxy) {
    stage.set("AZURE_KUBERNETES_SNI_NAME", "localhost");
    let step = stage.expect(1, NO_PROXY, "token_proxy").await;
    says(&step, "remedy", "check AZURE_KUBERNETES_TOKEN_PROXY and AZURE_KUBERNETES_SNI_NAME");
    stage.set("AZURE_KUBERNETES_SNI_NAME", SNI_NAME);
    proxy.rotate().unwrap();
    let step = stage.expect(1, NO_PROXY, "token_proxy").await;
    says(
        &step,
        "remedy",
        "its certificate must be for AZURE_KUBERNETES_SNI_NAME=a0b1c2.ests.aks, and issued by a CA in AZURE_KUBERNETES_CA_FILE=",
    );
    std::fs::remove_file(stage.file("cluster-ca.crt")).unwrap();
    let step = stage.expect(1, NO_PROXY, "token_proxy").await;
    says(&step, "remedy", "cannot use the CA of the token proxy: read AZURE_KUBERNETES_CA_FILE=");
}

/// The running sidecar reads the CA again.
async fn goes_on(stage: Stage, proxy: &TokenProxy) {
    let mut rig = stage.start().await;
    let lacks = |line: &str| line.contains("cannot use the CA of the token proxy").then_some(());
    rig.process.line("what is missing", PATIENCE, lacks).await.unwrap();
    std::fs::write(rig.stage.file("cluster-ca.crt"), proxy.trust()).unwrap();
    let (client, url) = (rig.client.clone(), rig.url("/ready"));
    let ready = async |_: &Process| client.get(&url).await.ok()?.successful().ok();
    rig.process.until("it is ready", PATIENCE, ready).await.unwrap();
    let reply = rig.post(few(["up"])).await;
    assert!(reply.status.is_success(), "{reply:?}");
    // Nobody but the proxy has asked Entra.
    assert_eq!(rig.azure().requests(Service::Entra).len(), proxy.relayed());
    assert!(proxy.relayed() >= 3, "{}", proxy.relayed());
}
