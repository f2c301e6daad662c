//! Who the sidecar is, and what that takes.

use std::{fmt, path::PathBuf};

use contract::{
    Audience, AuthorityHost, Certificate, ClientId, Identity, IdentityType, InvalidValue, Key,
    Overrides, SettingError, TenantId, TokenProxy, TokenProxyAuthority,
    names::{self, env},
};

use super::{CertificateSource, Merge};
use crate::config::IDENTITY_BINDING;

/// The certificate's file in a Secret of type kubernetes.io/tls; its key lies next to it
/// as `tls.key`.
const TLS_SECRET_FILE: &str = "tls.crt";
/// With this label, azure-workload-identity's webhook writes into a pod.
const AZURES_LABEL: &str = "azure.workload.identity/use";

/// Annotations over profile. A pod that names another source for its
/// certificate does not mean the profile's source, nor the file's name there.
pub(super) fn with_own_certificate(annotated: &Overrides, profile: &Overrides) -> Overrides {
    let mut merged = annotated.clone().or(profile);
    if annotated.has(Key::CertificateSecret) && profile.has(Key::SecretProviderClass) {
        merged.secret_provider_class.clone_from(&annotated.secret_provider_class);
        merged.certificate_name.clone_from(&annotated.certificate_name);
    }
    if annotated.has(Key::SecretProviderClass) && profile.has(Key::CertificateSecret) {
        merged.certificate_secret.clone_from(&annotated.certificate_secret);
        merged.certificate_name.clone_from(&annotated.certificate_name);
    }
    merged
}

impl Merge<'_> {
    pub(super) fn identity(&mut self) -> Option<Identity> {
        let one_of = fmt::from_fn(|f| {
            write!(f, "one of {}", IdentityType::ALL.map(IdentityType::name).join(", "))
        });
        let kind = self.required(self.merged.identity_type, Key::IdentityType, one_of)?;
        if self.profile.binding.is_some() && kind != IdentityType::WorkloadIdentity {
            let expected =
                format!("workloadIdentity, since profile {:?} has {IDENTITY_BINDING}", self.name);
            let error =
                InvalidValue::expected(expected).at(self.place(Key::IdentityType), kind.name());
            self.errors.push(error);
        }
        match kind {
            IdentityType::SystemAssigned => Some(Identity::SystemAssigned),
            IdentityType::UserAssigned => {
                let client_id = self.merged.client_id.clone();
                let client_id =
                    self.required(client_id, Key::ClientId, "the identity's client id")?;
                Some(Identity::UserAssigned { client_id })
            }
            IdentityType::AadApplication => self.application(),
            IdentityType::WorkloadIdentity => self.workload(),
        }
    }

    fn application(&mut self) -> Option<Identity> {
        let client_id = self.merged.client_id.clone();
        let client_id = self.required(client_id, Key::ClientId, "the application's client id");
        let tenant_id = self.merged.tenant_id.clone();
        let tenant_id = self.required(tenant_id, Key::TenantId, "the application's tenant");
        let authority = self.authority();
        let name = self.certificate_name();
        let directory = self.mount_path()?;
        let path = PathBuf::from(format!("{}/{}", directory.as_str().trim_end_matches('/'), name?));
        let send_chain = self.profile.sends_chain;
        let certificate = Certificate { path, password_file: None, send_chain };
        Some(Identity::AadApplication {
            client_id: client_id?,
            tenant_id: tenant_id?,
            authority: authority?,
            certificate,
        })
    }

    fn certificate_name(&mut self) -> Option<String> {
        let annotated = self.merged.certificate_name.as_ref().map(ToString::to_string);
        if annotated.is_none() && self.merged.certificate_secret.is_some() {
            return Some(TLS_SECRET_FILE.to_owned());
        }
        // The CSI driver has directories, where it keeps several versions.
        if let Some(name) = annotated.as_ref().filter(|name| name.contains('/'))
            && self.merged.certificate_secret.is_some()
        {
            let rejected = InvalidValue::expected("a key of the Secret, which has no /");
            self.errors.push(rejected.at(self.place(Key::CertificateName), name));
        }
        self.required(
            annotated,
            Key::CertificateName,
            "the certificate's file name (objectAlias, else objectName, in the SecretProviderClass)",
        )
    }

    /// Who delivers the certificate of an application; exactly one must.
    pub(super) fn certificate_source(&mut self) -> Option<CertificateSource> {
        if self.merged.identity_type != Some(IdentityType::AadApplication) {
            return None;
        }
        let class = self.merged.secret_provider_class.clone();
        match (class, self.merged.certificate_secret.clone()) {
            (Some(class), None) => Some(CertificateSource::Csi(class)),
            (None, Some(secret)) => Some(CertificateSource::Secret(secret)),
            (Some(class), Some(_)) => {
                let expected = format!("either this or {}", Key::CertificateSecret.annotation());
                let name = self.place(Key::SecretProviderClass);
                self.errors.push(InvalidValue::expected(expected).at(name, class.as_str()));
                None
            }
            (None, None) => self.required(
                None,
                Key::SecretProviderClass,
                "the SecretProviderClass that delivers the certificate (or certificate-secret)",
            ),
        }
    }

    /// The webhook of azure-workload-identity knows client and tenant from the service
    /// account, which this one cannot read; where it has been here first, what it wrote
    /// is the default.
    fn workload(&mut self) -> Option<Identity> {
        let client_id: Option<ClientId> = self
            .merged
            .client_id
            .clone()
            .or_else(|| self.azures_webhook_says(env::AZURE_CLIENT_ID));
        let client_id = self.required(client_id, Key::ClientId, self.federated_client_id());
        let tenant_id: Option<TenantId> = self
            .merged
            .tenant_id
            .clone()
            .or_else(|| self.azures_webhook_says(env::AZURE_TENANT_ID));
        let tenant_id = self.required(tenant_id, Key::TenantId, "the federated identity's tenant");
        let authority = self.authority();
        let token_proxy = self.token_proxy();
        let directory = match token_proxy {
            Some(_) => names::BINDING_MOUNT_PATH,
            None => names::TOKEN_MOUNT_PATH,
        };
        let token_file = PathBuf::from(directory).join(names::TOKEN_FILE);
        Some(Identity::WorkloadIdentity {
            client_id: client_id?,
            tenant_id: tenant_id?,
            authority: authority?,
            token_file,
            token_proxy,
        })
    }

    /// The proxy of an identity binding: as the profile says; as azure-workload-identity
    /// has written it into the pod, unless the profile has another address; else that
    /// of AKS, with the cluster's CA.
    fn token_proxy(&self) -> Option<TokenProxy> {
        let binding = self.profile.binding.as_ref()?;
        let is_azures = binding.address.is_none();
        let azures = |variable: &str| {
            self.azures_webhook_says::<String>(variable)
                .filter(|text| is_azures && !text.is_empty())
        };
        let address = azures(env::AZURE_KUBERNETES_TOKEN_PROXY).and_then(|text| text.parse().ok());
        let address = binding.address.clone().or(address);
        let name = azures(env::AZURE_KUBERNETES_SNI_NAME).and_then(|text| text.parse().ok());
        let pem = azures(env::AZURE_KUBERNETES_CA_DATA).and_then(|text| text.parse().ok());
        let file = || PathBuf::from(names::BINDING_MOUNT_PATH).join(names::BINDING_CA_FILE);
        let pem = binding.authority.clone().or(pem).map(TokenProxyAuthority::Data);
        Some(TokenProxy {
            address: address.or_else(|| names::API_SERVER.parse().ok())?,
            server_name: binding.server_name.clone().or(name),
            authority: pem.or_else(|| Some(TokenProxyAuthority::File(file()))),
        })
    }

    /// The missing setting, and why azure-workload-identity has not provided it to a pod
    /// that asks for it.
    fn federated_client_id(&self) -> &'static str {
        if self.pod.label(AZURES_LABEL) == Some("true") {
            "the federated client id, which azure-workload-identity has not written into this pod: either it is not installed, or it is called after this webhook, because webhook configurations are called in the order of their names (then install this release under a name that sorts after azure-wi, such as prom-remotewrite); set it"
        } else {
            "the federated client id"
        }
    }

    fn azures_webhook_says<T: std::str::FromStr>(&self, variable: &str) -> Option<T> {
        self.pod
            .containers()
            .filter(|container| container.has_variable(env::AZURE_FEDERATED_TOKEN_FILE))
            .find_map(|container| container.variable(variable)?.parse().ok())
    }

    pub(super) fn audience(&mut self) -> Option<Audience> {
        let cloud = self.cloud();
        let audience = self.merged.audience.clone().or_else(|| cloud.audience());
        let what =
            format_args!("the audience of the cloud's ingestion tokens, because cloud is {cloud}");
        self.required(audience, Key::Audience, what)
    }

    /// No annotation may name the authority, because the sidecar authenticates to it; so
    /// a custom cloud needs a profile.
    fn authority(&mut self) -> Option<AuthorityHost> {
        let cloud = self.cloud();
        let host = self.profile.authority_host.clone().or_else(|| cloud.authority());
        if host.is_none() {
            self.errors.push(SettingError::missing(
                format!("authorityHost of profile {:?}", self.name),
                format!("the https:// address of the cloud's authority, because cloud is {cloud}"),
            ));
        }
        host
    }
}
