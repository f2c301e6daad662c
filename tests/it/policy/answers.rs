//! What the API server answers in the policies' name: denials and warnings.

use http::Request;
use kube::{Client, client::Body};
use serde_json::{Value, json};

use super::{WITH_POLICY, pods};
use crate::chart::objects;

/// A denial lists all obstacles.
pub(super) async fn refused(client: &Client) {
    let mut pod = pods::prometheus(&[
        ("inject", "ture"),
        ("profile", "stak"),
        ("client-id", "x"),
        ("listening-port", "9000"),
        ("clientid", "secret"),
        ("Inject", "true"),
    ]);
    pod["spec"]["containers"][0]["name"] = json!("prom-remotewrite");
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"});
    let error = objects::create_dry(client, WITH_POLICY, &pod).await.unwrap_err().to_string();
    for part in [
        r#"prom-remotewrite/inject="ture": expected true or false; "#,
        "prom-remotewrite/client-id, prom-remotewrite/listening-port: only the webhook",
        "prom-remotewrite/Inject, prom-remotewrite/clientid: no such annotation",
        r#"prom-remotewrite/profile="stak": expected one of application, default, federated"#,
        "this is a Windows pod",
        "a container named \"prom-remotewrite\" exists",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    let mut pod = pods::prometheus(&[("inject", "true")]);
    pod["spec"]["containers"][1]["ports"] = json!([{"containerPort": 8081}]);
    let error = objects::create_dry(client, WITH_POLICY, &pod).await.unwrap_err().to_string();
    let part =
        "port 8081 is taken by container \"config-reloader\": set listeningPort of a profile";
    assert!(error.contains(part), "{error}");
    let long = "long\n".repeat(100);
    let pod = pods::prometheus(&[("inject", "true"), ("profile", &long)]);
    let error = objects::create_dry(client, WITH_POLICY, &pod).await.unwrap_err().to_string();
    assert!(error.contains("long long long"), "{error}");
}

/// Anyone who has annotations and no `inject` is warned, and gets no sidecar.
pub(super) async fn forgotten(client: &Client) {
    let pod = pods::prometheus(&[("injct", "true"), ("profile", "stack")]);
    let warnings = warnings(client, &pod).await;
    for part in ["prom-remotewrite/injct: no such annotation", "have no effect without prom-"] {
        assert!(warnings.contains(part), "{part} is not in {warnings}");
    }
    for annotations in [[("inject", "false")], [("inject", "true")], [("injected", "x")]] {
        let warnings = self::warnings(client, &pods::prometheus(&annotations)).await;
        assert!(!warnings.contains("prom-remotewrite-policy"), "{warnings}");
    }
}

/// The API server's warnings about a pod that would be created.
async fn warnings(client: &Client, pod: &Value) -> String {
    let path = format!("/api/v1/namespaces/{WITH_POLICY}/pods?dryRun=All");
    let mut pod = pod.clone();
    pod["metadata"]["namespace"] = json!(WITH_POLICY);
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(Body::from(pod.to_string().into_bytes())).unwrap();
    let response = client.send(request).await.unwrap();
    assert!(response.status().is_success(), "{response:?}");
    let all = response.headers().get_all("warning").into_iter();
    all.map(|warning| warning.to_str().unwrap()).collect::<Vec<_>>().join("\n")
}
