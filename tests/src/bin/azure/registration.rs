//! Who is registered: one tenant, and those who may write, each to its own rule.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, de::DeserializeOwned};
use tests::{
    azure::{Application, Federation, Principal, Rule, Setup},
    failure::{Context, Outcome},
};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    tenant: String,
    writers: Vec<Writer>,
}

/// Someone who may write.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Writer {
    client_id: String,
    /// The immutable id of a data collection rule.
    rule: String,
    identity: Identity,
}

/// How a writer proves who it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Identity {
    /// It runs on this machine: IMDS vouches for it.
    Managed,
    /// By one of the certificates in a PEM file.
    Certificate(PathBuf),
    /// By a token of this service account of the cluster.
    ServiceAccount(String),
}

/// Reads a YAML file.
pub(crate) fn read<T: DeserializeOwned>(file: &Path) -> Outcome<T> {
    let what = || format!("read {}", file.display());
    let text = fs::read_to_string(file).context(what())?;
    serde_saphyr::from_str(&text).map_err(|error| error.to_string()).context(what())
}

/// Certificates of a PEM text, DER.
pub(crate) fn certificates(pem: &[u8]) -> Outcome<Vec<Vec<u8>>> {
    let read = CertificateDer::pem_slice_iter(pem).map(|one| one.map(|der| der.to_vec()));
    read.collect::<Result<_, _>>().context("read certificates")
}

impl Registration {
    /// Whether anyone proves who it is by a token of the cluster.
    pub(crate) fn trusts_a_cluster(&self) -> bool {
        self.writers.iter().any(|writer| matches!(writer.identity, Identity::ServiceAccount(_)))
    }

    /// All of it as the stand-in knows it; the cluster's keys are not there yet.
    pub(crate) fn setup(&self) -> Outcome<Setup> {
        let mut setup = Setup { tenant: self.tenant.clone(), ..Setup::default() };
        for writer in &self.writers {
            let client_id = writer.client_id.clone();
            let principal = Principal { client_id: client_id.clone(), ..Principal::new() };
            setup.rules.push(Rule { id: writer.rule.clone(), writers: vec![client_id] });
            let mut application = Application { principal, ..Application::default() };
            match &writer.identity {
                Identity::Managed => {
                    setup.identities.push(application.principal);
                    continue;
                }
                Identity::Certificate(file) => {
                    let pem = fs::read(file).context(format!("read {}", file.display()))?;
                    application.certificates = certificates(&pem)?;
                }
                Identity::ServiceAccount(subject) => application.federations.push(Federation {
                    issuer: String::new(),
                    subject: subject.clone(),
                    keys: Vec::new(),
                }),
            }
            setup.applications.push(application);
        }
        Ok(setup)
    }
}
