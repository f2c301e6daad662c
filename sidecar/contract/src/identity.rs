//! How the sidecar proves who it is.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::{AuthorityHost, ClientId, InvalidValue, TenantId, TokenProxy};

/// The kinds of identity, as `IDENTITY_TYPE` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityType {
    /// A user-assigned managed identity, through IMDS.
    UserAssigned,
    /// The system-assigned managed identity, through IMDS.
    SystemAssigned,
    /// An Entra application with a certificate.
    AadApplication,
    /// An Entra application or identity federated to a Kubernetes service account.
    WorkloadIdentity,
}

impl IdentityType {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Self; 4] =
        [Self::UserAssigned, Self::SystemAssigned, Self::AadApplication, Self::WorkloadIdentity];

    /// The name, as Microsoft's documentation writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserAssigned => "userAssigned",
            Self::SystemAssigned => "systemAssigned",
            Self::AadApplication => "aadApplication",
            Self::WorkloadIdentity => "workloadIdentity",
        }
    }

    /// Whether an authority issues its tokens, and not the platform.
    pub const fn has_authority(self) -> bool {
        matches!(self, Self::AadApplication | Self::WorkloadIdentity)
    }
}

impl FromStr for IdentityType {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| InvalidValue::one_of(text, &Self::ALL.map(Self::name)))
    }
}

impl fmt::Display for IdentityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who the sidecar is, with all that the kind needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A user-assigned managed identity.
    UserAssigned {
        /// Which identity of the node's.
        client_id: ClientId,
    },
    /// The node's own managed identity.
    SystemAssigned,
    /// An Entra application.
    AadApplication {
        /// Which application.
        client_id: ClientId,
        /// In which tenant.
        tenant_id: TenantId,
        /// Who issues its tokens: the cloud's authority unless another is given.
        authority: AuthorityHost,
        /// What it signs with.
        certificate: Certificate,
    },
    /// A federated application or identity.
    WorkloadIdentity {
        /// Which application or identity.
        client_id: ClientId,
        /// In which tenant.
        tenant_id: TenantId,
        /// Who issues its tokens: the cloud's authority unless another is given.
        authority: AuthorityHost,
        /// The projected service account token, read anew at each refresh.
        token_file: PathBuf,
        /// Who is asked in Entra's place, if the identity is used by an identity
        /// binding of AKS.
        token_proxy: Option<TokenProxy>,
    },
}

impl Identity {
    /// Which kind it is.
    pub const fn kind(&self) -> IdentityType {
        match self {
            Self::UserAssigned { .. } => IdentityType::UserAssigned,
            Self::SystemAssigned => IdentityType::SystemAssigned,
            Self::AadApplication { .. } => IdentityType::AadApplication,
            Self::WorkloadIdentity { .. } => IdentityType::WorkloadIdentity,
        }
    }

    /// The client id, where the kind has one.
    pub const fn client_id(&self) -> Option<&ClientId> {
        match self {
            Self::UserAssigned { client_id }
            | Self::AadApplication { client_id, .. }
            | Self::WorkloadIdentity { client_id, .. } => Some(client_id),
            Self::SystemAssigned => None,
        }
    }

    /// Who is asked for tokens in the authority's place.
    pub const fn token_proxy(&self) -> Option<&TokenProxy> {
        match self {
            Self::WorkloadIdentity { token_proxy, .. } => token_proxy.as_ref(),
            _ => None,
        }
    }

    /// The tenant, where the kind asks an authority.
    pub const fn tenant_id(&self) -> Option<&TenantId> {
        match self {
            Self::AadApplication { tenant_id, .. } | Self::WorkloadIdentity { tenant_id, .. } => {
                Some(tenant_id)
            }
            Self::UserAssigned { .. } | Self::SystemAssigned => None,
        }
    }

    /// The authority, where the kind asks one.
    pub const fn authority(&self) -> Option<&AuthorityHost> {
        match self {
            Self::AadApplication { authority, .. } | Self::WorkloadIdentity { authority, .. } => {
                Some(authority)
            }
            Self::UserAssigned { .. } | Self::SystemAssigned => None,
        }
    }
}

/// An application's certificate with its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// A PFX (binary or base64 text) or PEM file, recognised by content.
    pub path: PathBuf,
    /// A file that holds the PFX's password; the empty password without it.
    pub password_file: Option<PathBuf>,
    /// Whether assertions carry the chain (`x5c`), for subject name and issuer
    /// authentication.
    pub send_chain: bool,
}
