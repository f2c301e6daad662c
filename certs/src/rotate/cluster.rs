//! The Kubernetes API: two objects, each read by name and applied by name.
//!
//! Every write says which version of which object it was decided on, so that
//! the API server refuses it if somebody else wrote or deleted in between. A Secret that is
//! not there has no version. It is created under a field manager that no other
//! run uses: of two runs that create it at once, the second is refused, since
//! the fields belong to the first.

use std::time::{Duration, SystemTime};

use k8s_openapi::{
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

use super::{
    objects::{self, Version},
    observed::{Held, Observed},
};
use crate::bundle::Bundle;

/// Owns the fields that are written here.
pub const FIELD_MANAGER: &str = "prom-remotewrite-certs";

/// Which objects are kept up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret that the webhook mounts.
    pub secret: String,
    /// The `MutatingWebhookConfiguration`.
    pub configuration: String,
    /// The webhook in it.
    pub webhook: String,
}

/// Access to the two objects.
pub struct Cluster {
    secrets: Api<Secret>,
    configurations: Api<MutatingWebhookConfiguration>,
    target: Target,
}

/// Both objects as they were read.
#[derive(Debug)]
pub struct Snapshot {
    /// What the next step is decided on.
    pub observed: Observed,
    secret_version: Option<Version>,
    configuration_version: Version,
    owner: OwnerReference,
}

/// Why an object was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else wrote in between: look again.
    #[error("{0} was changed by somebody else meanwhile")]
    Conflict(String),
    /// The object does not say that it is ours.
    #[error(
        "will not touch {0}: it has no label {label}={value}",
        label = objects::OWNED_LABEL,
        value = objects::OWNED_VALUE
    )]
    NotOurs(String),
    /// The configuration is not there, or has no webhook of that name.
    #[error("cannot find {0}: install it first")]
    Missing(String),
    /// The API server refuses.
    #[error("cannot {verb} {object}")]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// On what.
        object: String,
        /// What the API server says.
        source: Box<kube::Error>,
    },
    /// No answer to a write.
    #[error("cannot write: no answer in {0:?}")]
    Slow(Duration),
    /// The API server cannot be reached, or not now.
    #[error("cannot {verb} {object} now")]
    Unavailable {
        /// What was tried.
        verb: &'static str,
        /// On what.
        object: String,
        /// What went wrong.
        source: Box<kube::Error>,
    },
}

impl Cluster {
    /// Access to `target` through `client`.
    pub fn new(client: Client, target: Target) -> Self {
        let secrets = Api::namespaced(client.clone(), &target.namespace);
        Self { secrets, configurations: Api::all(client), target }
    }

    /// Reads both objects, and refuses those that are not ours.
    pub async fn observe(&self) -> Result<Snapshot, Error> {
        let configuration = self.read_configuration().await?;
        let secret = self.read_secret().await?;
        let webhook = objects::webhook(&configuration, &self.target.webhook)
            .ok_or_else(|| Error::Missing(self.webhook_text()))?;
        let held = secret.as_ref().map(objects::held).unwrap_or_default();
        let owner = objects::owner(&configuration);
        let owners = secret.as_ref().and_then(|secret| secret.metadata.owner_references.as_ref());
        let observed = Observed::new(
            held,
            owners.is_some_and(|owners| owners.contains(&owner)),
            objects::bundle(webhook),
            objects::noted(&configuration.metadata, objects::PUBLISHED),
        );
        Ok(Snapshot {
            observed,
            secret_version: secret.map(|secret| Version::of(&secret.metadata)),
            configuration_version: Version::of(&configuration.metadata),
            owner,
        })
    }

    /// Makes the Secret hold `held`, if it is still as in `snapshot`.
    ///
    /// `run` names this run among all others.
    pub async fn store(&self, snapshot: &Snapshot, held: &Held, run: &str) -> Result<(), Error> {
        let version = snapshot.secret_version.clone();
        let params = match version {
            Some(_) => PatchParams::apply(FIELD_MANAGER).force(),
            None => PatchParams::apply(&format!("{FIELD_MANAGER}-{run}")),
        };
        let name = &self.target.secret;
        let secret = objects::secret_apply(name, held, snapshot.owner.clone(), version);
        let result = self.secrets.patch(name, &params, &Patch::Apply(&secret)).await;
        result.map(|_| ()).map_err(|error| failed("write", self.secret_text(), error))
    }

    /// Sets the bundle, if the configuration is still as in `snapshot`.
    pub async fn publish(
        &self,
        snapshot: &Snapshot,
        bundle: &Bundle,
        now: SystemTime,
    ) -> Result<(), Error> {
        let Target { configuration, webhook, .. } = &self.target;
        let version = &snapshot.configuration_version;
        let apply = objects::bundle_apply(configuration, webhook, bundle, now, version);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let result = self.configurations.patch(configuration, &params, &Patch::Apply(&apply)).await;
        result.map(|_| ()).map_err(|error| failed("write", self.configuration_text(), error))
    }

    async fn read_secret(&self) -> Result<Option<Secret>, Error> {
        let secret = self.secrets.get_opt(&self.target.secret).await;
        let secret = secret.map_err(|error| failed("read", self.secret_text(), error))?;
        match secret {
            Some(secret) if !objects::is_owned(&secret.metadata) => {
                Err(Error::NotOurs(self.secret_text()))
            }
            secret => Ok(secret),
        }
    }

    async fn read_configuration(&self) -> Result<MutatingWebhookConfiguration, Error> {
        let found = self.configurations.get_opt(&self.target.configuration).await;
        let found = found.map_err(|error| failed("read", self.configuration_text(), error))?;
        match found {
            None => Err(Error::Missing(self.configuration_text())),
            Some(found) if !objects::is_owned(&found.metadata) => {
                Err(Error::NotOurs(self.configuration_text()))
            }
            Some(found) => Ok(found),
        }
    }

    fn secret_text(&self) -> String {
        format!("Secret {}/{}", self.target.namespace, self.target.secret)
    }

    fn configuration_text(&self) -> String {
        format!("MutatingWebhookConfiguration {}", self.target.configuration)
    }

    fn webhook_text(&self) -> String {
        format!("webhook {} in {}", self.target.webhook, self.configuration_text())
    }
}

fn failed(verb: &'static str, object: String, error: kube::Error) -> Error {
    let code = match &error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    };
    let source = Box::new(error);
    match code {
        Some(409) => Error::Conflict(object),
        // The API server is starting, overloaded, or leaves its etcd behind.
        Some(429 | 500..=599) | None => Error::Unavailable { verb, object, source },
        Some(_) => Error::Refused { verb, object, source },
    }
}
