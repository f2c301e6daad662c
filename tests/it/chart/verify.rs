//! `helm test` tells the truth: its pod's program is run with its own arguments and its
//! own account, next to two replicas, as a release changes.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    failure::Outcome,
    kubernetes::control_plane::ControlPlane,
    machine::process::{Process, Program},
    product::binaries,
};

use super::{
    helm::Helm,
    objects::{self, of_kind, text},
    serving::Serving,
    trial::{self, Trial},
};

const NAME: &str = "helm-test";
/// Each round is some milliseconds, and replicas look at their files every 2 s.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where the chart mounts the configuration.
const MOUNTED: &str = "/etc/prom-remotewrite/config/config.yaml";

/// What differs from a node: files and addresses.
struct Pod {
    folder: TempDir,
    server: String,
    replicas: String,
}

impl Pod {
    async fn new(plane: &ControlPlane, replicas: &[&Serving]) -> Self {
        let account = format!("{NAME}-webhook-test");
        let kubeconfig = plane.kubeconfig_of(NAME, &account).await.unwrap();
        let kubeconfig: Value =
            serde_json::from_str(&fs::read_to_string(kubeconfig).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = text(&kubeconfig, "/clusters/0/cluster/certificate-authority");
        fs::copy(ca, folder.path().join("ca.crt")).unwrap();
        let token = text(&kubeconfig, "/users/0/user/token");
        fs::write(folder.path().join("token"), token).unwrap();
        let replicas = replicas.iter().map(|serving| serving.admin()).collect::<Vec<_>>();
        let server = plane.server().trim_start_matches("https://").to_owned();
        Self { folder, server, replicas: replicas.join(",") }
    }

    /// Starts the program with the arguments of the rendered pod.
    fn start(&self, rendered: &[Value], timeout: &str) -> Process {
        let config = self.folder.path().join("config.yaml");
        fs::write(&config, text(of_kind(rendered, "ConfigMap"), "/data/config.yaml")).unwrap();
        let pod = of_kind(rendered, "Pod");
        let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap().iter();
        let arguments = arguments.map(|argument| {
            let argument = argument.as_str().unwrap().replace(MOUNTED, &show(&config));
            match argument.split_once('=') {
                Some(("--replicas-at", _)) => format!("--replicas-at={}", self.replicas),
                Some(("--timeout", _)) => format!("--timeout={timeout}"),
                _ => argument,
            }
        });
        let (host, port) = self.server.split_once(':').unwrap();
        Program::new("helm test", binaries::find(binaries::WEBHOOK).unwrap())
            .args(arguments)
            .args(["--service-account", &show(self.folder.path())])
            .env("KUBERNETES_SERVICE_HOST", host.to_owned())
            .env("KUBERNETES_SERVICE_PORT", port.to_owned())
            .start()
            .unwrap()
    }

    /// Whether it succeeded, and what it said.
    async fn run(&self, rendered: &[Value], timeout: &str) -> (bool, String) {
        ended(self.start(rendered, timeout)).await
    }
}

async fn ended(mut process: Process) -> (bool, String) {
    let status = process.wait(PATIENCE).await.unwrap();
    (status.success(), process.output())
}

/// The release, with other values.
async fn rendered(helm: &Helm, more: &Value) -> Outcome<Vec<Value>> {
    let mut values = trial::values(NAME, &[], &json!({"replicas": 2}));
    json_patch::merge(&mut values, more);
    helm.template((NAME, NAME), &values, &[]).await
}

#[tokio::test]
async fn it_waits_for_every_replica_and_every_profile() {
    const TEST: &str = "it_waits_for_every_replica_and_every_profile";
    let Some((helm, plane)) = Helm::with_control_plane(TEST).await else { return };
    let Some(mut trial) = Trial::new(TEST, NAME, &[], &json!({"replicas": 2})).await else {
        return;
    };
    let release = rendered(&helm, &json!({})).await.unwrap();
    for hook in release.iter().filter(|object| objects::is_hook(object)) {
        if hook["kind"] != "Pod" {
            objects::apply(&trial.client, hook).await.unwrap();
        }
    }
    let mut second = trial.serving.replica();
    second.start().await;
    let pod = Pod::new(plane, &[&trial.serving, &second]).await;

    let (succeeded, said) = pod.run(&release, "10s").await;
    assert!(succeeded, "{said}");
    let profiles = trial::config()["profiles"].as_object().unwrap().clone();
    for profile in profiles.keys() {
        assert!(said.contains(&format!("profile {profile}: a pod is admitted")), "{said}");
    }
    assert!(said.contains("replicas: 2"), "{said}");
    assert!(said.contains("replicas: each admits a pod of every profile"), "{said}");
    a_replica_that_api_servers_would_not_trust(plane, &trial, &release).await;
    a_replica_that_serves_api_servers_only(plane, &trial, &release).await;

    // An upgrade adds a profile; it reaches one replica, the one that is asked.
    let new = json!({"ingestionUrl": "https://dce.example/x", "identityType": "systemAssigned"});
    let upgraded = rendered(&helm, &json!({"config": {"profiles": {"new": new}}})).await.unwrap();
    let (succeeded, said) = pod.run(&upgraded, "3s").await;
    assert!(!succeeded && said.contains("profile new: the API server rejects"), "{said}");
    let config = text(of_kind(&upgraded, "ConfigMap"), "/data/config.yaml");
    fs::write(trial.serving.config(), config).unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (succeeded, said) = pod.run(&upgraded, "5s").await;
    let other = format!("replica {} uses another configuration", second.admin());
    assert!(!succeeded && said.contains(&other), "{said}");
    assert!(!said.contains(&format!("replica {} ", trial.serving.admin())), "{said}");
    // It waits for the other one.
    let waiting = pod.start(&upgraded, "40s");
    tokio::time::sleep(Duration::from_secs(1)).await;
    fs::write(second.config(), config).unwrap();
    let (succeeded, said) = ended(waiting).await;
    assert!(succeeded && said.contains("profile new: a pod is admitted"), "{said}");

    second.stop().await;
    let (succeeded, said) = pod.run(&upgraded, "3s").await;
    assert!(!succeeded && said.contains("does not accept connections"), "{said}");
    trial.serving.stop().await;
    let (succeeded, said) = pod.run(&upgraded, "3s").await;
    assert!(!succeeded && said.contains("failed calling webhook"), "{said}");
    an_excluded_namespace_is_reported_at_once(&helm, &trial, &pod).await;
}

/// Waiting would not help: API servers would never ask about these pods.
async fn an_excluded_namespace_is_reported_at_once(helm: &Helm, trial: &Trial, pod: &Pod) {
    let more = json!({"webhook": {
        "excludedNamespaces": [NAME],
        "objectSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
    }});
    let release = rendered(helm, &more).await.unwrap();
    let configuration = of_kind(&release, "MutatingWebhookConfiguration");
    let configuration = trial::redirected(configuration, &trial.serving);
    objects::apply(&trial.client, &configuration).await.unwrap();
    let (succeeded, said) = pod.run(&release, "40s").await;
    assert!(!succeeded && !said.contains("gave up") && !said.contains("not yet"), "{said}");
    let namespace = format!("namespace {NAME} is excluded: API servers ask the webhook only");
    assert!(said.contains(&namespace) && said.contains(&format!("kube-node-lease,{NAME})")));
    assert!(said.contains("the test's pods are excluded") && said.contains("pods with app "));
}

/// API servers ask the other one only, and admit every pod.
async fn a_replica_that_api_servers_would_not_trust(
    plane: &ControlPlane,
    trial: &Trial,
    release: &[Value],
) {
    let config = text(of_kind(release, "ConfigMap"), "/data/config.yaml");
    let mut stranger = Serving::new(config).await;
    stranger.start().await;
    let pod = Pod::new(plane, &[&trial.serving, &stranger]).await;
    let (succeeded, said) = pod.run(release, "3s").await;
    let untrusted =
        format!("replica {} serves a certificate that API servers do not trust", stranger.admin());
    assert!(!succeeded && said.contains(&untrusted), "{said}");
    assert!(!said.contains(&format!("replica {} ", trial.serving.admin())), "{said}");
    stranger.stop().await;
}

async fn a_replica_that_serves_api_servers_only(
    plane: &ControlPlane,
    trial: &Trial,
    release: &[Value],
) {
    let mut guarded = trial.serving.replica();
    let authority = guarded.certificate_folder().join("ca.crt");
    guarded.start_with(&["--client-ca", &show(&authority)]).await;
    let pod = Pod::new(plane, &[&trial.serving, &guarded]).await;
    let (succeeded, said) = pod.run(release, "10s").await;
    assert!(succeeded && said.contains("replicas: 1 serve API servers only"), "{said}");
    guarded.stop().await;
}

/// Pods of profiles that are not complete, and of releases that select pods.
#[tokio::test]
async fn its_pods_are_those_that_the_release_selects() {
    const TEST: &str = "its_pods_are_those_that_the_release_selects";
    let Some(helm) = Helm::find(TEST) else { return };
    let more = json!({
        "webhook": {"objectSelector": {"matchLabels": {"app": "prometheus"}}},
        "test": {"podAnnotations": {"prom-remotewrite/client-id": "x"}, "namespace": "monitoring"},
    });
    let release = rendered(&helm, &more).await.unwrap();
    let pod = of_kind(&release, "Pod");
    let arguments = pod["spec"]["containers"][0]["args"].to_string();
    for part in [
        "--pod-label=app=prometheus",
        "--pod-annotation=prom-remotewrite/client-id=x",
        "--namespace=monitoring",
        "--replicas=2",
        "--configuration=helm-test",
    ] {
        assert!(arguments.contains(part), "{arguments}");
    }
    let is_test = |object: &&Value| object["kind"] == "Role" && objects::is_hook(object);
    let role = release.iter().find(is_test).unwrap();
    assert_eq!(role["metadata"]["namespace"], "monitoring");
}

fn show(path: &Path) -> String {
    path.display().to_string()
}
