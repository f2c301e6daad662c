//! What the stand-in knows: tenants, identities, applications and rules.

use std::time::Duration;

use crate::keys::secret;

/// The audience of ingestion tokens in the public cloud, with and without the slash that
/// its name ends in: Azure accepts both.
pub const PUBLIC_AUDIENCES: [&str; 2] = ["https://monitor.azure.com/", "https://monitor.azure.com"];
/// A resource for which Entra issues tokens too, and which ingestion refuses.
pub const OTHER_RESOURCE: &str = "https://management.azure.com/";
/// The one stream that metrics go to.
pub const STREAM: &str = "Microsoft-PrometheusMetrics";

/// Everything that is registered. A test changes it while the stand-in runs
/// with [`super::Azure::change`].
#[derive(Clone, Debug)]
pub struct Setup {
    /// The tenant.
    pub tenant: String,
    /// Resources for which tokens are issued.
    pub resources: Vec<String>,
    /// Audiences that ingestion accepts, compared letter by letter.
    pub audiences: Vec<String>,
    /// The machine's own identity, if it has one.
    pub system_identity: Option<Principal>,
    /// Identities assigned to the machine.
    pub identities: Vec<Principal>,
    /// Applications registered in the tenant.
    pub applications: Vec<Application>,
    /// Data collection rules.
    pub rules: Vec<Rule>,
    /// Whether ingestion takes remote write 2.0. There is no evidence that Azure does.
    pub remote_write_2: bool,
    /// Whether the metadata service answers with a token it issued before, as
    /// the real one does until shortly before its end.
    pub metadata_cache: bool,
    /// Metrics for which ingestion refuses a whole batch, without naming them.
    pub poison: Vec<String>,
    /// Ingestion refuses a whole batch with a sample that is older.
    pub max_sample_age: Option<Duration>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            tenant: secret::uuid(),
            resources: PUBLIC_AUDIENCES
                .into_iter()
                .chain([OTHER_RESOURCE])
                .map(str::to_owned)
                .collect(),
            audiences: PUBLIC_AUDIENCES.map(str::to_owned).to_vec(),
            system_identity: None,
            identities: Vec::new(),
            applications: Vec::new(),
            rules: Vec::new(),
            remote_write_2: false,
            metadata_cache: true,
            poison: Vec::new(),
            max_sample_age: None,
        }
    }
}

impl Setup {
    /// One managed identity, one application with its certificate (DER), and a
    /// rule to which both may write.
    pub fn with_writers(identity: &Principal, application: &Principal, certificate: &[u8]) -> Self {
        Self {
            identities: vec![identity.clone()],
            applications: vec![Application {
                principal: application.clone(),
                certificates: vec![certificate.to_vec()],
                ..Application::default()
            }],
            rules: vec![Rule::new([&identity.client_id, &application.client_id])],
            ..Self::default()
        }
    }
}

/// Someone whom a token can speak of.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The client id, `appid` in a token.
    pub client_id: String,
    /// The object id, `oid` in a token.
    pub object_id: String,
    /// The resource id of a managed identity.
    pub resource_id: String,
}

impl Principal {
    /// One with ids of its own.
    pub fn new() -> Self {
        let name = secret::random_text::<6>();
        Self {
            client_id: secret::uuid(),
            object_id: secret::uuid(),
            resource_id: format!(
                "/subscriptions/{}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
                secret::uuid()
            ),
        }
    }
}

impl Default for Principal {
    fn default() -> Self {
        Self::new()
    }
}

/// An application with the ways in which it may prove who it is.
#[derive(Clone, Debug, Default)]
pub struct Application {
    /// Who it is.
    pub principal: Principal,
    /// Registered certificates, DER.
    pub certificates: Vec<Vec<u8>>,
    /// Federated credentials.
    pub federations: Vec<Federation>,
    /// Whose certificates are taken unseen, if the assertion brings the chain.
    pub issuers: Vec<SubjectTrust>,
}

/// Trust in every certificate with a subject that an authority signs: "subject
/// name and issuer" authentication.
#[derive(Clone, Debug)]
pub struct SubjectTrust {
    /// The certificate's common name.
    pub subject: String,
    /// The authority's certificate, DER.
    pub authority: Vec<u8>,
}

/// Trust in the tokens of another issuer: a cluster's service accounts.
#[derive(Clone, Debug)]
pub struct Federation {
    /// `iss` of its tokens.
    pub issuer: String,
    /// `sub` of the one account that is trusted.
    pub subject: String,
    /// The issuer's RSA public keys, PKCS#1 DER: those of its discovery
    /// document.
    pub keys: Vec<Vec<u8>>,
}

/// A data collection rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its immutable id, `dcr-` and 32 hexadecimal digits.
    pub id: String,
    /// Client ids with the role Monitoring Metrics Publisher on it.
    pub writers: Vec<String>,
}

impl Rule {
    /// A rule with its own id, to which `writers` may write.
    pub fn new(writers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let id = format!("dcr-{}", secret::uuid().replace('-', ""));
        Self { id, writers: writers.into_iter().map(Into::into).collect() }
    }
}
