//! The Kubernetes API: two objects, each read, watched and applied by name.
//!
//! Every write names the version of the object that it was decided on, so the
//! API server refuses it if somebody else changed or deleted the object in
//! between. A Secret that does not exist has no version. It is created under a
//! field manager that no other process uses: if two create it at once, the
//! second is refused, since the fields belong to the first.

use std::time::{Duration, SystemTime};

use k8s_openapi::{
    api::{
        admissionregistration::v1::MutatingWebhookConfiguration,
        core::v1::{Secret, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::{OwnerReference, Preconditions},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

use super::{
    objects::{self, FIELD_MANAGER},
    observed::{Observed, Stored},
};
use crate::bundle::Bundle;

/// A request takes milliseconds. A write has the time of its decision, from
/// which waits count: one that takes longer is given up.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Which objects are managed.
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
    /// The `ServiceAccount` with which a new Secret will be deleted.
    pub owner: Option<String>,
}

/// Access to the two objects.
pub struct Cluster {
    pub(super) secrets: Api<Secret>,
    pub(super) configurations: Api<MutatingWebhookConfiguration>,
    accounts: Api<ServiceAccount>,
    pub(super) target: Target,
    /// Whether the owners of an existing Secret are left as they are.
    keep_owners: bool,
}

/// Both objects as they were read.
#[derive(Debug)]
pub struct Snapshot {
    /// The snapshot that the next step is decided on.
    pub observed: Observed,
    secret: Option<Secret>,
    configuration: Preconditions,
    /// The bundle as it was written.
    bundle: String,
    owner: Option<OwnerReference>,
}

/// Why an object was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else wrote in between.
    #[error("{0} was changed concurrently")]
    Conflict(String),
    /// The owner that was named does not exist.
    #[error("cannot find {0}, with which the Secret will be deleted")]
    NoOwner(String),
    /// No answer.
    #[error("cannot {verb} {object}: no answer in {REQUEST_LIMIT:?}")]
    Slow {
        /// What was tried.
        verb: &'static str,
        /// On what.
        object: String,
    },
    /// The API server refused, or could not be reached.
    #[error("cannot {verb} {object}")]
    Failed {
        /// What was tried.
        verb: &'static str,
        /// On what.
        object: String,
        /// What went wrong.
        source: Box<kube::Error>,
    },
}

impl Error {
    /// Whether the same request can succeed later, without anybody's help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Conflict(_) | Self::Slow { .. } => true,
            Self::NoOwner(_) => false,
            Self::Failed { .. } => self.status().is_none_or(|code| code == 429 || code >= 500),
        }
    }

    /// The API server's status code.
    fn status(&self) -> Option<u16> {
        match self {
            Self::Failed { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Cluster {
    /// Access to `target` through `client`.
    pub fn new(client: Client, target: Target) -> Self {
        let namespace = &target.namespace;
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            accounts: Api::namespaced(client.clone(), namespace),
            configurations: Api::all(client),
            target,
            keep_owners: false,
        }
    }

    /// Reads both objects.
    pub async fn observe(&self) -> Result<Snapshot, Error> {
        let target = &self.target;
        let configuration = bounded(
            "read",
            self.configuration_text(),
            self.configurations.get_opt(&target.configuration),
        );
        let configuration = configuration.await?;
        let secret = bounded("read", self.secret_text(), self.secrets.get_opt(&target.secret));
        let secret = secret.await?;
        let account = self.owner().await?;
        let (bundle, trust) = configuration
            .as_ref()
            .and_then(|configuration| {
                let webhook = objects::webhook(configuration, &target.webhook)?;
                Some((objects::bundle(webhook), objects::trust(configuration, webhook)))
            })
            .unzip();
        let stored = secret.as_ref().map(objects::stored).unwrap_or_default();
        let expected = account.as_ref().filter(|_| !self.keep_owners);
        let owner = secret.as_ref().map(|secret| objects::owner(secret, expected));
        Ok(Snapshot {
            observed: Observed::new(stored, owner, trust),
            secret,
            bundle: bundle.unwrap_or_default(),
            configuration: configuration
                .map(|found| objects::preconditions(&found.metadata))
                .unwrap_or_default(),
            owner: account,
        })
    }

    /// Makes the Secret hold `stored`, if it is still as in `snapshot`.
    ///
    /// `process` is a name that no other process has.
    pub async fn store(
        &mut self,
        snapshot: &Snapshot,
        stored: &Stored,
        process: &str,
    ) -> Result<(), Error> {
        let existing = snapshot.secret.as_ref();
        let params = match existing {
            Some(_) => PatchParams::apply(FIELD_MANAGER).force(),
            None => PatchParams::apply(&format!("{FIELD_MANAGER}-{process}")),
        };
        let owners = match existing {
            Some(secret) if self.keep_owners => {
                secret.metadata.owner_references.clone().unwrap_or_default()
            }
            _ => snapshot.owner.clone().into_iter().collect(),
        };
        let name = &self.target.secret;
        let secret = Patch::Apply(objects::secret_apply(name, stored, owners, existing));
        let written =
            bounded("write", self.secret_text(), self.secrets.patch(name, &params, &secret));
        match written.await {
            // OpenShift demands the right to delete an object from whoever
            // changes its owners. It is not worth having.
            Err(error)
                if existing.is_some() && !self.keep_owners && error.status() == Some(403) =>
            {
                tracing::warn!(reason = %super::chain(&error), "the Secret keeps its owners");
                self.keep_owners = true;
                Ok(())
            }
            written => written.map(|_| ()),
        }
    }

    /// Sets the bundle, if the configuration is still as in `snapshot`.
    pub async fn publish(
        &self,
        snapshot: &Snapshot,
        bundle: &Bundle,
        note: (SystemTime, &str),
    ) -> Result<(), Error> {
        let Target { configuration, webhook, .. } = &self.target;
        let version = &snapshot.configuration;
        // The same CAs stay as they are written: another text would be a conflict for Helm.
        let is_same = snapshot.observed.trust.as_ref().is_some_and(|it| it.bundle == *bundle);
        let text = if is_same { snapshot.bundle.clone() } else { bundle.pem() };
        let apply =
            Patch::Apply(objects::bundle_apply(configuration, webhook, &text, note, version));
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = self.configurations.patch(configuration, &params, &apply);
        bounded("write", self.configuration_text(), written).await.map(|_| ())
    }

    async fn owner(&self) -> Result<Option<OwnerReference>, Error> {
        let Some(name) = &self.target.owner else { return Ok(None) };
        let text = format!("ServiceAccount {}/{name}", self.target.namespace);
        let account = bounded("read", text.clone(), self.accounts.get_opt(name)).await?;
        account.map(|account| Some(objects::owner_reference(&account))).ok_or(Error::NoOwner(text))
    }

    fn secret_text(&self) -> String {
        format!("Secret {}/{}", self.target.namespace, self.target.secret)
    }

    fn configuration_text(&self) -> String {
        format!("MutatingWebhookConfiguration {}", self.target.configuration)
    }
}

/// Waits for an answer for at most [`REQUEST_LIMIT`].
pub(super) async fn bounded<T>(
    verb: &'static str,
    object: String,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(REQUEST_LIMIT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Err(Error::Conflict(object)),
        Ok(Err(source)) => Err(Error::Failed { verb, object, source: Box::new(source) }),
        Err(_) => Err(Error::Slow { verb, object }),
    }
}
