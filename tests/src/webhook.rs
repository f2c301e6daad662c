//! The webhook as a process, with a certificate that the certificate job
//! issued.

use std::{fs, time::Duration};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    admission::{self, Admitted},
    binaries,
    client::Client,
    failure::{Context, Outcome},
    folder,
    process::{Process, Program},
};

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
        let said = Program::new("the certificate job", binaries::find(binaries::CERTS)?)
            .args(["issue", "--dir", &folder.path().display().to_string(), "--dns-name", name])
            .run(STARTS_WITHIN)
            .await?;
        Ok(Self { folder, said })
    }

    /// The authority, as `caBundle` would carry it.
    fn roots(&self) -> Outcome<RootCertStore> {
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
    _certificate: IssuedCertificate,
    folder: TempDir,
}

impl Webhook {
    /// Starts it with a certificate and a configuration; JSON is YAML.
    pub async fn start(certificate: IssuedCertificate, configuration: &Value) -> Outcome<Self> {
        let folder = folder::temporary("the webhook")?;
        let file = folder.path().join(CONFIGURATION);
        fs::write(&file, format!("{configuration:#}")).context("write the webhook's config")?;
        let mut process = Program::new("the webhook", binaries::find(binaries::WEBHOOK)?)
            .args(["serve", "--config", &file.display().to_string()])
            .args(["--cert-dir", &certificate.folder.path().display().to_string()])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--shutdown-delay", "0s"])
            .start()?;
        let ports = |line: &str| Some((port(line, "address")?, port(line, "admin")?));
        let (port, admin) = process.line("it listened", STARTS_WITHIN, ports).await?;
        let client = Client::new(certificate.roots()?);
        Ok(Self { process, client, port, admin, _certificate: certificate, folder })
    }

    /// Replaces its configuration, which it looks at every two seconds.
    pub fn configure(&self, text: &str) -> Outcome<()> {
        let file = self.folder.path().join(CONFIGURATION);
        fs::write(file, text).context("write the webhook's config")
    }

    /// Where it takes reviews.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/mutate", self.port)
    }

    /// `host:port` of its own metrics.
    pub fn metrics_address(&self) -> String {
        format!("127.0.0.1:{}", self.admin)
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

/// The port in `name=127.0.0.1:PORT` of a log line.
fn port(line: &str, name: &str) -> Option<u16> {
    let start = format!("{name}=127.0.0.1:");
    line.split_whitespace().find_map(|field| field.strip_prefix(&start))?.parse().ok()
}
