//! The flags of a control plane's programs, and the files they read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use certs::{
    directory::{self, Existing},
    issue::{Request, issue},
};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use rcgen::KeyPair;

use crate::{
    failure::{Context, Outcome},
    machine::{clock::Clock, ports},
};

/// Addresses that services get; nothing answers at them.
const SERVICE_RANGE: &str = "10.96.0.0/16";
const ISSUER: &str = "https://kubernetes.default.svc";

/// Ports on loopback.
pub(super) struct Ports {
    etcd: u16,
    etcd_peers: u16,
    pub(super) api_server: u16,
    controller_manager: u16,
}

impl Ports {
    pub(super) fn choose() -> Outcome<Self> {
        Ok(Self {
            etcd: ports::free()?,
            etcd_peers: ports::free()?,
            api_server: ports::free()?,
            controller_manager: ports::free()?,
        })
    }
}

/// Keys, certificates and tokens.
pub(super) struct Files {
    data: PathBuf,
    pub(super) certificate_authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    account_key: PathBuf,
    account_public_key: PathBuf,
    tokens: PathBuf,
    pub(super) admin_token: String,
}

impl Files {
    pub(super) fn write(folder: &Path, admin_token: &str) -> Outcome<Self> {
        let request = Request {
            dns_names: vec!["kubernetes.default.svc".to_owned()],
            addresses: vec![std::net::Ipv4Addr::LOCALHOST.into()],
            lifetime: "1d".parse().ok().context("say how long a run may take")?,
        };
        let issued = issue(&request, Clock::default().now()).context("issue a certificate")?;
        directory::write(issued.pem(), folder, Existing::Keep).context("write the certificate")?;
        let accounts = KeyPair::generate().context("make a key for tokens")?;
        let put = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).context(format!("write {}", file.display())).map(|()| file)
        };
        Ok(Self {
            data: folder.join("etcd"),
            certificate_authority: folder.join(directory::CA_FILE),
            certificate: folder.join(directory::CERTIFICATE_FILE),
            key: folder.join(directory::KEY_FILE),
            account_key: put("accounts.key", &accounts.serialize_pem())?,
            account_public_key: put("accounts.pub", &accounts.public_key_pem())?,
            tokens: put("tokens.csv", &format!("{admin_token},admin,1,system:masters\n"))?,
            admin_token: admin_token.to_owned(),
        })
    }
}

pub(super) fn etcd(files: &Files, ports: &Ports) -> Vec<String> {
    let clients = format!("http://127.0.0.1:{}", ports.etcd);
    let peers = format!("http://127.0.0.1:{}", ports.etcd_peers);
    vec![
        format!("--data-dir={}", files.data.display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
        // What a test writes need not outlive a power cut.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
    ]
}

pub(super) fn api_server(files: &Files, ports: &Ports) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        "--bind-address=127.0.0.1".to_owned(),
        // A loopback address cannot be an endpoint of the Service `kubernetes`.
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--secure-port={}", ports.api_server),
        format!("--tls-cert-file={}", files.certificate.display()),
        format!("--tls-private-key-file={}", files.key.display()),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        format!("--service-account-issuer={ISSUER}"),
        format!("--service-account-key-file={}", files.account_public_key.display()),
        format!("--service-account-signing-key-file={}", files.account_key.display()),
        format!("--token-auth-file={}", files.tokens.display()),
        "--authorization-mode=RBAC".to_owned(),
        // As OpenShift has it: anyone who sets owner references needs rights.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".to_owned(),
        "--allow-privileged=true".to_owned(),
    ]
}

pub(super) fn controller_manager(files: &Files, ports: &Ports, kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--authentication-kubeconfig={}", kubeconfig.display()),
        format!("--authorization-kubeconfig={}", kubeconfig.display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.controller_manager),
        format!("--cert-dir={}", files.data.with_file_name("controller-manager").display()),
        format!("--root-ca-file={}", files.certificate_authority.display()),
        format!("--service-account-private-key-file={}", files.account_key.display()),
        // There is one; to be elected takes seconds.
        "--leader-elect=false".to_owned(),
    ]
}

/// A token for the API server itself, valid for an hour.
pub(super) fn token_request() -> TokenRequest {
    let spec = TokenRequestSpec { audiences: vec![ISSUER.to_owned()], ..Default::default() };
    TokenRequest { spec, ..Default::default() }
}
