//! The webhook as a process, with a certificate that certs
//! issued.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use certs::{
    directory::{self, Existing},
    issue::issue,
    pair::Pem,
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    client::Client,
    failure::{Context, Outcome},
    machine::{
        clock::Clock,
        folder,
        process::{Process, Program},
    },
    product::{
        admission::{self, Admitted},
        binaries,
    },
};

/// Beyond the threshold at which a program begins to warn.
const LIFETIME: &str = "90d";
/// From start to its first line; it is a few milliseconds.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// It has nobody to wait for here.
const STOPS_WITHIN: Duration = Duration::from_secs(20);
const CONFIGURATION: &str = "config.yaml";

/// Files that `prom-remotewrite-certs issue` wrote.
pub struct IssuedCertificate {
    folder: TempDir,
    /// What it said it wrote.
    pub said: String,
}

impl IssuedCertificate {
    /// Has a certificate issued for `name`.
    pub async fn new(name: &str) -> Outcome<Self> {
        let folder = folder::temporary("certificates")?;
        let said = Program::new("certs", binaries::find(binaries::CERTS)?)
            .args(["issue", "--dir", &folder.path().display().to_string(), "--dns-name", name])
            .run(STARTS_WITHIN)
            .await?;
        Ok(Self { folder, said })
    }

    /// The same, issued by the library of certs: without the program being built.
    pub fn in_process(name: &str) -> Outcome<Self> {
        let folder = folder::temporary("certificates")?;
        let request = certs::issue::Request {
            dns_names: vec![name.to_owned()],
            addresses: Vec::new(),
            lifetime: LIFETIME.parse().ok().context("read a lifetime")?,
        };
        let issued = issue(&request, Clock::default().now()).context("issue a certificate")?;
        let files = directory::write(issued.pem(), folder.path(), Existing::Keep);
        let said = format!("{:?}", files.context("write the certificate")?);
        Ok(Self { folder, said })
    }

    /// Replaces its files with those of another one.
    pub fn replace_with(&self, other: &Self) -> Outcome<()> {
        let read = |file| {
            fs::read_to_string(other.folder.path().join(file)).context(format!("read {file}"))
        };
        let pem = Pem {
            ca: read(directory::CA_FILE)?,
            certificate: read(directory::CERTIFICATE_FILE)?,
            key: read(directory::KEY_FILE)?,
        };
        let files = directory::write(&pem, self.folder.path(), Existing::Replace);
        files.context("replace the certificate").map(|_| ())
    }

    /// The authority, for `caBundle`, PEM.
    pub fn authority(&self) -> Outcome<String> {
        let file = self.folder.path().join(directory::CA_FILE);
        fs::read_to_string(file).context("read ca.crt")
    }

    /// The files of the certificate chain and of its key, PEM.
    pub fn pair(&self) -> [PathBuf; 2] {
        [directory::CERTIFICATE_FILE, directory::KEY_FILE].map(|file| self.folder.path().join(file))
    }

    /// The authority, as a client would trust it.
    pub fn roots(&self) -> Outcome<RootCertStore> {
        let file = self.folder.path().join("ca.crt");
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&file).context("read ca.crt")? {
            roots.add(certificate.context("read ca.crt")?).context("trust ca.crt")?;
        }
        Ok(roots)
    }
}

/// A running webhook.
pub struct Webhook {
    process: Process,
    client: Client,
    port: u16,
    admin: u16,
    certificate: IssuedCertificate,
    folder: TempDir,
}

impl Webhook {
    /// Starts it with a certificate and a configuration; JSON is YAML.
    pub async fn start(certificate: IssuedCertificate, configuration: &Value) -> Outcome<Self> {
        let program = Program::new("the webhook", binaries::find(binaries::WEBHOOK)?);
        Self::start_as(program, certificate, configuration).await
    }

    /// The same as this program, which gets its arguments here.
    pub async fn start_as(
        program: Program,
        certificate: IssuedCertificate,
        configuration: &Value,
    ) -> Outcome<Self> {
        let folder = folder::temporary("the webhook")?;
        let file = folder.path().join(CONFIGURATION);
        fs::write(&file, format!("{configuration:#}")).context("write the webhook's config")?;
        let mut process = program.args(serve(&file, &certificate, 0, 0)).start()?;
        let ports = |line: &str| Some((port(line, "address")?, port(line, "admin")?));
        let (port, admin) = process.line("it listened", STARTS_WITHIN, ports).await?;
        let client = Client::new(certificate.roots()?);
        Ok(Self { process, client, port, admin, certificate, folder })
    }

    /// Replaces its configuration, which it looks at every two seconds.
    pub fn configure(&self, text: &str) -> Outcome<()> {
        let file = self.folder.path().join(CONFIGURATION);
        fs::write(file, text).context("write the webhook's config")
    }

    /// Its port for reviews.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its certificate.
    pub const fn certificate(&self) -> &IssuedCertificate {
        &self.certificate
    }

    /// The address for reviews.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/mutate", self.port)
    }

    /// `host:port` of its own metrics.
    pub fn metrics_address(&self) -> String {
        format!("127.0.0.1:{}", self.admin)
    }

    /// Its own metrics: each series as it is written, with its value.
    pub async fn metrics(&self) -> Outcome<BTreeMap<String, f64>> {
        Client::plain().metrics(&format!("http://{}/metrics", self.metrics_address())).await
    }

    /// A client that trusts it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Sends a pod for review over TLS, and applies the patch.
    pub async fn create(&self, pod: &Value) -> Outcome<Admitted> {
        admission::create(&self.client, &self.url(), pod).await
    }

    /// Stops it in order.
    pub async fn stop(&mut self) -> Outcome<()> {
        self.process.stop(STOPS_WITHIN).await.map(|_| ())
    }
}

/// Its arguments, with ports on loopback; 0 lets the system choose.
pub fn serve(
    config: &Path,
    certificate: &IssuedCertificate,
    port: u16,
    admin: u16,
) -> impl IntoIterator<Item = String> {
    let folder = certificate.folder.path();
    [
        "serve".to_owned(),
        format!("--config={}", config.display()),
        format!("--cert-dir={}", folder.display()),
        format!("--listen=127.0.0.1:{port}"),
        format!("--admin=127.0.0.1:{admin}"),
        "--shutdown-delay=0s".to_owned(),
    ]
}

/// The port in `name=127.0.0.1:PORT` of a log line.
fn port(line: &str, name: &str) -> Option<u16> {
    let start = format!("{name}=127.0.0.1:");
    line.split_whitespace().find_map(|field| field.strip_prefix(&start))?.parse().ok()
}
