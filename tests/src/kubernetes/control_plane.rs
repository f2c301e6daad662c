//! A real Kubernetes control plane without nodes: etcd, API server and
//! controller manager, as processes on loopback.
//!
//! Everything that admission, RBAC, garbage collection and the workload
//! controllers do is real. There is no node: pods are created, pass admission
//! and stay pending.

mod flags;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use self::flags::{Files, Ports};
use crate::{
    failure::{Context, Outcome},
    keys::secret,
    machine::{
        environment,
        process::{Process, Program},
    },
    say,
    tools::{self, KUBERNETES},
    warden,
};

/// From start to `/readyz`: 7 s on two idle cores.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// The controller manager makes a namespace's service account at once.
const SETTLED_WITHIN: Duration = Duration::from_mins(1);

/// A running control plane. Dropped, it is stopped.
#[derive(Debug)]
pub struct ControlPlane {
    kubeconfig: PathBuf,
    server: String,
    version: String,
    certificate_authority: String,
    folder: TempDir,
    // Last: the folder is theirs while they run.
    _processes: Vec<Process>,
}

/// Whether there can be a control plane here.
#[derive(Debug)]
pub enum Availability {
    /// There is one, shared by everyone in this process.
    Running(&'static ControlPlane),
    /// Neither its programs nor Go, which could build them, are installed.
    Missing(String),
}

impl ControlPlane {
    /// The one of this process, started when it is first asked for.
    ///
    /// Where it cannot be had, tests are skipped; with `CI` set that is an error, because
    /// there it would be seen by no one.
    pub async fn shared() -> Outcome<Availability> {
        static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
        Ok(match SHARED.get_or_try_init(Self::start_unless_missing).await? {
            Ok(plane) => Availability::Running(plane),
            Err(reason) => Availability::Missing(reason.clone()),
        })
    }

    /// One of a test's own, for what looks at a whole cluster; else why there is none,
    /// where tests may be skipped.
    pub async fn own() -> Outcome<Result<Self, String>> {
        Self::start_unless_missing().await
    }

    async fn start_unless_missing() -> Outcome<Result<Self, String>> {
        match Programs::find() {
            Ok(programs) => Self::start(&programs).await.map(Ok),
            Err(failure) if can_be_skipped() => Ok(Err(failure.to_string())),
            Err(failure) => Err(failure),
        }
    }

    async fn start(programs: &Programs) -> Outcome<Self> {
        let folder = TempDir::with_prefix("control-plane-").context("make a folder")?;
        // A shared one is never dropped.
        warden::sweep(folder.path());
        let files = Files::write(folder.path(), &secret::random_text::<32>())?;
        let ports = Ports::choose()?;
        let server = format!("https://127.0.0.1:{}", ports.api_server);
        let certificate_authority = files.certificate_authority.display().to_string();
        let kubeconfig = folder.path().join("admin.kubeconfig");
        write_kubeconfig(&kubeconfig, &server, &certificate_authority, &files.admin_token)?;

        let etcd = program("etcd", &programs.etcd, flags::etcd(&files, &ports)).start()?;
        let flags = flags::api_server(&files, &ports);
        let mut api_server = program("the API server", &programs.api_server, flags).start()?;
        let client = client(&kubeconfig).await?;
        api_server.until("it was ready", READY_WITHIN, async |_| ready(&client).await).await?;
        let flags = flags::controller_manager(&files, &ports, &kubeconfig);
        let mut manager =
            program("the controller manager", &programs.controller_manager, flags).start()?;
        manager
            .until("it made a service account", SETTLED_WITHIN, async |_| settled(&client).await)
            .await?;
        let version = client.apiserver_version().await.context("ask for the version")?;
        Ok(Self {
            kubeconfig,
            server,
            version: version.git_version.trim_start_matches('v').to_owned(),
            certificate_authority,
            folder,
            _processes: vec![manager, api_server, etcd],
        })
    }

    /// An administrator's client. It belongs to the runtime that first used
    /// it: a test makes its own.
    pub async fn client(&self) -> Outcome<Client> {
        client(&self.kubeconfig).await
    }

    /// An administrator's kubeconfig, for programs.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The API server's version: `1.37.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the API server is of Kubernetes 1.`minor` or newer.
    pub fn is_since(&self, minor: u32) -> bool {
        let own = self.version.split('.').nth(1).and_then(|own| own.parse().ok());
        own.is_some_and(|own: u32| own >= minor)
    }

    /// A kubeconfig with the token of a service account, as a pod would have it.
    pub async fn kubeconfig_of(&self, namespace: &str, account: &str) -> Outcome<PathBuf> {
        let what = || format!("get a token of service account {namespace}/{account}");
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let token = accounts
            .create_token_request(
                account,
                &kube::api::PostParams::default(),
                &flags::token_request(),
            )
            .await
            .context(what())?;
        let token = token.status.context(what())?.token;
        let file = self.folder.path().join(format!("{namespace}.{account}.kubeconfig"));
        write_kubeconfig(&file, &self.server, &self.certificate_authority, &token)?;
        Ok(file)
    }
}

struct Programs {
    etcd: PathBuf,
    api_server: PathBuf,
    controller_manager: PathBuf,
}

impl Programs {
    fn find() -> Outcome<Self> {
        let find = |name| tools::find(&KUBERNETES, name);
        Ok(Self {
            etcd: find("etcd")?,
            api_server: find("kube-apiserver")?,
            controller_manager: find("kube-controller-manager")?,
        })
    }
}

fn can_be_skipped() -> bool {
    environment::on_path("go").is_none() && environment::variable("CI").is_none()
}

fn program(name: &str, file: &Path, flags: Vec<String>) -> Program {
    Program::new(name, file).args(flags)
}

/// Whether the API server reports that it is ready.
async fn ready(client: &Client) -> Option<()> {
    let request = http::Request::get("/readyz").body(Vec::new()).ok()?;
    client.request_text(request).await.ok().map(|_| ())
}

/// Whether pods can be created: each needs its namespace's service account.
async fn settled(client: &Client) -> Option<()> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    accounts.get_opt("default").await.ok().flatten().map(|_| ())
}

/// A client of the cluster that a kubeconfig names.
pub async fn client(kubeconfig: &Path) -> Outcome<Client> {
    let read = Kubeconfig::read_from(kubeconfig).context("read the kubeconfig")?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    Client::try_from(config.context("use the kubeconfig")?).context("make a client")
}

/// JSON is YAML.
fn write_kubeconfig(file: &Path, server: &str, ca: &str, token: &str) -> Outcome<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": ca}}],
        "users": [{"name": "test", "user": {"token": token}}],
    });
    fs::write(file, config.to_string()).context(format!("write {}", file.display()))
}

/// Reports on standard error, past the capture of tests, that one was skipped.
pub fn say_skipped(test: &str, reason: &str) {
    say(format_args!("skipped {test}: {reason}"));
}
