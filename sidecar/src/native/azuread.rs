//! The `azuread:` block.

use contract::{Certificate, ClientId, Cloud, Identity, Settings, TenantId};

use super::{Language, quoted};

/// The block, and who knows all of its fields.
pub(super) struct AzureAd {
    /// The oldest Prometheus that does.
    pub(super) since: Version,
    /// The oldest prometheus-operator whose definition does.
    pub(super) operator: Version,
    pub(super) lines: Vec<String>,
}

/// A version of Prometheus, or of prometheus-operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u16, u16, u16);

const MANAGED_IDENTITY: Version = Version(2, 45, 0);
const SYSTEM_ASSIGNED: Version = Version(3, 5, 0);
const WORKLOAD_IDENTITY: Version = Version(3, 7, 0);
const SCOPE: Version = Version(3, 9, 0);
const CERTIFICATE: Version = Version(3, 13, 0);
/// Before it, the token's file had to be named.
const FEDERATED_TOKEN_FILE: Version = Version(3, 14, 0);

// <https://github.com/prometheus-operator/prometheus-operator/blob/main/CHANGELOG.md>
const OPERATORS_AZURE_AD: Version = Version(0, 69, 0);
const OPERATORS_NO_PROXY: Version = Version(0, 75, 0);
const OPERATORS_SYSTEM_ASSIGNED: Version = Version(0, 87, 0);
const OPERATORS_WORKLOAD_IDENTITY_AND_SCOPE: Version = Version(0, 88, 0);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl AzureAd {
    pub(super) fn of(settings: &Settings, language: Language) -> Self {
        let (mut since, authenticator) = authenticator(&settings.identity, language);
        let cloud = cloud(settings);
        let mut lines =
            vec![format!("{}:", language.key("azuread", "azureAd")), format!("  cloud: {cloud}")];
        let scoped = Some(&settings.audience) != cloud.audience().as_ref();
        if scoped {
            since = since.max(SCOPE);
            lines.push(format!("  scope: {}  # since {SCOPE}", quoted(settings.audience.scope())));
        }
        lines.extend(authenticator.into_iter().map(|line| format!("  {line}")));
        Self { since, operator: operator(settings, scoped), lines }
    }
}

/// The oldest prometheus-operator that knows what the entry says.
fn operator(settings: &Settings, scoped: bool) -> Version {
    let known = match settings.identity {
        Identity::WorkloadIdentity { .. } => OPERATORS_WORKLOAD_IDENTITY_AND_SCOPE,
        _ if scoped => OPERATORS_WORKLOAD_IDENTITY_AND_SCOPE,
        Identity::SystemAssigned => OPERATORS_SYSTEM_ASSIGNED,
        Identity::UserAssigned { .. } | Identity::AadApplication { .. } => OPERATORS_AZURE_AD,
    };
    if settings.proxy.is_some() { known.max(OPERATORS_NO_PROXY) } else { known }
}

/// The cloud that Prometheus is told: of those three that it knows, the one
/// whose authority is asked.
pub(super) fn cloud(settings: &Settings) -> Cloud {
    let known = [Cloud::AzurePublic, Cloud::AzureGovernment, Cloud::AzureChina];
    if known.contains(&settings.cloud) {
        return settings.cloud;
    }
    let authority = settings.identity.authority();
    let asked = known.into_iter().find(|cloud| cloud.authority().as_ref() == authority);
    asked.unwrap_or_default()
}

fn authenticator(identity: &Identity, language: Language) -> (Version, Vec<String>) {
    let managed = language.key("managed_identity", "managedIdentity");
    let client = language.key("client_id", "clientId");
    match identity {
        Identity::UserAssigned { client_id } => (
            MANAGED_IDENTITY,
            vec![
                format!("{managed}:  # since {MANAGED_IDENTITY}"),
                format!("  {client}: {}", quoted(client_id.as_str())),
            ],
        ),
        // The operator's definition refuses an empty client id.
        Identity::SystemAssigned if language == Language::Operator => (
            SYSTEM_ASSIGNED,
            vec![format!("{managed}: {{}}  # without a client id since {SYSTEM_ASSIGNED}")],
        ),
        Identity::SystemAssigned => (
            SYSTEM_ASSIGNED,
            vec![
                format!("{managed}:  # without a client id since {SYSTEM_ASSIGNED}"),
                format!("  {client}: ''"),
            ],
        ),
        Identity::AadApplication { client_id, tenant_id, certificate, .. } => {
            (CERTIFICATE, application(client_id, tenant_id, certificate))
        }
        Identity::WorkloadIdentity { client_id, tenant_id, token_file, .. } => {
            let workload = language.key("workload_identity", "workloadIdentity");
            let mut lines = vec![format!("{workload}:  # since {WORKLOAD_IDENTITY}")];
            lines.extend(principal(client_id, tenant_id, language));
            if language == Language::Operator {
                return (WORKLOAD_IDENTITY, lines);
            }
            lines.push(format!(
                "  # since {FEDERATED_TOKEN_FILE} it may be left out where AZURE_FEDERATED_TOKEN_FILE is set"
            ));
            lines.push(format!("  token_file_path: {}", quoted(&token_file.to_string_lossy())));
            (WORKLOAD_IDENTITY, lines)
        }
    }
}

fn application(
    client_id: &ClientId,
    tenant_id: &TenantId,
    certificate: &Certificate,
) -> Vec<String> {
    let mut lines = vec![format!("certificate:  # since {CERTIFICATE}")];
    lines.extend(principal(client_id, tenant_id, Language::Prometheus));
    lines.push(format!("  certificate_path: {}", quoted(&certificate.path.to_string_lossy())));
    if certificate.path.extension().is_some_and(|extension| extension == "crt") {
        let key = certificate.path.with_extension("key");
        lines.push("  # unless the key is in the same file".to_owned());
        lines.push(format!("  certificate_key_path: {}", quoted(&key.to_string_lossy())));
    }
    if let Some(file) = &certificate.password_file {
        lines.push(format!(
            "  # certificate_password: as it stands in {}",
            quoted(&file.to_string_lossy())
        ));
    }
    if certificate.send_chain {
        lines.push("  send_certificate_chain: true".to_owned());
    }
    lines
}

fn principal(client_id: &ClientId, tenant_id: &TenantId, language: Language) -> [String; 2] {
    let (client, tenant) =
        (language.key("client_id", "clientId"), language.key("tenant_id", "tenantId"));
    [
        format!("  {client}: {}", quoted(client_id.as_str())),
        format!("  {tenant}: {}", quoted(tenant_id.as_str())),
    ]
}
