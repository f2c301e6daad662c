//! The webhook as its pod runs it: two folders that change under it, one port
//! that stays.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tests::{
    machine::{
        ports,
        process::{Process, Program, Usage},
    },
    product::binaries,
};

/// From start to its first line, or to its end; each is some milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A webhook that can be stopped and started again.
pub(crate) struct Serving {
    folder: TempDir,
    port: u16,
    admin: String,
    process: Option<Process>,
}

impl Serving {
    /// One with a certificate, not yet started.
    pub(crate) async fn new(config: &str) -> Self {
        let serving = Self::bare(config);
        Program::new("the certificate tool", binaries::find(binaries::CERTS).unwrap())
            .args(["issue", "--dns-name", "localhost", "--dir"])
            .arg(serving.certificate_folder().display().to_string())
            .run(PATIENCE)
            .await
            .unwrap();
        serving
    }

    /// One whose certificate is still to come.
    pub(crate) fn bare(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), config).unwrap();
        Self { folder, port: ports::free().unwrap(), admin: String::new(), process: None }
    }

    /// One with the same certificate, not yet started.
    pub(crate) fn replica(&self) -> Self {
        let other = Self::bare(&fs::read_to_string(self.config()).unwrap());
        fs::create_dir(other.certificate_folder()).unwrap();
        for file in ["tls.crt", "tls.key", "ca.crt"] {
            let (from, to) = (self.certificate_folder(), other.certificate_folder());
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
        other
    }

    /// Where tls.crt and tls.key are.
    pub(crate) fn certificate_folder(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }

    /// Its configuration's file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    /// Where its admin port is, since it was started.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// The address for reviews.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/mutate", self.port)
    }

    /// Who signed its certificate, PEM.
    pub(crate) fn authority(&self) -> String {
        fs::read_to_string(self.certificate_folder().join("ca.crt")).unwrap()
    }

    pub(crate) async fn start(&mut self) {
        self.start_with(&[]).await;
    }

    /// The same, with more arguments.
    pub(crate) async fn start_with(&mut self, more: &[&str]) {
        let show = |path: &Path| path.display().to_string();
        let mut process = Program::new("the webhook", binaries::find(binaries::WEBHOOK).unwrap())
            .args(["serve", "--config", &show(&self.config())])
            .args(["--cert-dir", &show(&self.certificate_folder())])
            .args(["--listen", &format!("127.0.0.1:{}", self.port), "--admin", "127.0.0.1:0"])
            .args(["--shutdown-delay", "0s"])
            .args(more.iter().copied())
            .start()
            .unwrap();
        let admin = |line: &str| {
            let mut fields = line.split(' ').filter(|_| line.contains("listening"));
            fields.find_map(|field| field.strip_prefix("admin=")).map(str::to_owned)
        };
        self.admin = process.line("it listened", PATIENCE, admin).await.unwrap();
        self.process = Some(process);
    }

    pub(crate) async fn stop(&mut self) {
        self.process.take().unwrap().stop(PATIENCE).await.unwrap();
    }

    /// What it has used since it was started.
    pub(crate) fn usage(&self) -> Usage {
        self.process.as_ref().and_then(Process::usage).unwrap()
    }

    /// How often it has taken a new certificate.
    pub(crate) fn served(&self) -> usize {
        self.said().matches("loaded a new certificate").count()
    }

    /// What it has said since it was started.
    pub(crate) fn said(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }
}
