//! What Prometheus does differently from the sidecar, and what it cannot be
//! told.

use contract::{ClientId, Cloud, Identity, ResponseMode, Settings};

use super::{Language, azuread::cloud, quoted};

/// What changes for whoever changes over.
pub(super) fn of(settings: &Settings, language: Language) -> Vec<String> {
    let mut differences = Vec::new();
    if settings.response_mode == ResponseMode::Protective {
        differences.extend([
            "401, 403, 404 and 408 are final: Prometheus drops the batch, where the sidecar makes it retry until the role, the rule or the token is fixed".to_owned(),
            "a batch that is too large (413), or of which single series are refused (400), is dropped whole: nothing splits or saves it".to_owned(),
        ]);
    }
    differences.push(
        "a token is renewed after half of its lifetime, by a request that all others wait for; while that fails, nothing is written, although the old token is still valid".to_owned(),
    );
    match &settings.identity {
        Identity::AadApplication { .. } => differences.extend([
            "Prometheus' own container needs the certificate's volume".to_owned(),
            "the certificate is read at the start and when the configuration is reloaded, not when the file changes".to_owned(),
            "the certificate has to be PEM with an unencrypted key, or a PFX of the older kind: base64 text, and PFX files with AES or with SHA-256 for their integrity, are not read".to_owned(),
        ]),
        Identity::WorkloadIdentity { .. } => differences.push(
            "Prometheus' own container needs the token's volume".to_owned(),
        ),
        Identity::UserAssigned { .. } | Identity::SystemAssigned => {}
    }
    if settings.proxy.is_some() {
        differences.push(format!("{} is used for writes only: for tokens, set HTTPS_PROXY and NO_PROXY in Prometheus' own environment", language.key("proxy_url", "proxyUrl")));
    }
    if settings.trusted_roots_file.is_some() {
        differences.push(format!("{} is used for writes only: for tokens, set SSL_CERT_FILE in Prometheus' own environment; its container needs the file's volume", language.key("ca_file", "caFile")));
    }
    if settings.cloud == Cloud::AzureChina && settings.identity.tenant_id().is_some() {
        differences.push("in China, Prometheus asks login.chinacloudapi.cn for tokens, where the sidecar asks login.partner.microsoftonline.cn".to_owned());
    }
    differences
}

/// What the settings say and Prometheus cannot be told.
pub(super) fn missing(settings: &Settings, language: Language) -> Vec<String> {
    let mut missing = Vec::new();
    let (cloud, authority) = (cloud(settings), settings.identity.authority());
    if cloud != settings.cloud {
        missing.push(format!("CLOUD={}: Prometheus gets {cloud}", settings.cloud));
    }
    if let Some(host) = authority
        && authority != cloud.authority().as_ref()
    {
        missing.push(format!("the authority {host}: Prometheus asks that of its cloud"));
    }
    if let Some(host) = settings.metadata_host.as_ref().filter(|_| authority.is_none()) {
        missing.push(format!(
            "the metadata service at {host}: Prometheus asks http://169.254.169.254"
        ));
    }
    if let Identity::AadApplication { certificate, .. } = &settings.identity
        && certificate.password_file.is_some()
    {
        missing.push("a file for the certificate's password: it must be in the configuration, as certificate_password".to_owned());
    }
    missing.extend(missing_of_workload(&settings.identity, language));
    if !settings.audience.scope().bytes().all(is_allowed_in_scope) {
        missing.push(
            "this audience: Prometheus allows letters, digits and _ : / . - in a scope".to_owned(),
        );
    }
    if let Some(dir) = &settings.trusted_roots_dir {
        missing.push(format!(
            "a folder of roots for writing ({}): put them into one file and name it in {} of {}",
            quoted(&dir.to_string_lossy()),
            language.key("ca_file", "caFile"),
            language.key("tls_config", "tlsConfig")
        ));
    }
    missing
}

fn missing_of_workload(identity: &Identity, language: Language) -> Vec<String> {
    let mut missing = Vec::new();
    let Identity::WorkloadIdentity { tenant_id, token_file, token_proxy, .. } = identity else {
        return missing;
    };
    if language == Language::Operator {
        missing.push(format!(
            "the token's file ({}): Prometheus reads the path in AZURE_FEDERATED_TOKEN_FILE since 3.14.0; before, it reads the default path of azure-workload-identity's webhook",
            quoted(&token_file.to_string_lossy())
        ));
    }
    if tenant_id.as_str().parse::<ClientId>().is_err() {
        let key = language.key("tenant_id", "tenantId");
        missing.push(format!("a domain name as {key}: Prometheus wants the tenant's GUID"));
    }
    if let Some(proxy) = token_proxy {
        missing.push(format!(
            "the identity binding of AKS, whose proxy ({}) the sidecar asks for tokens: Prometheus asks Entra, which rejects a service account token for that proxy",
            proxy.address
        ));
    }
    missing
}

/// `^[\w\s:/.\-]+$` in Prometheus' own check.
const fn is_allowed_in_scope(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'/' | b'.' | b'-')
}
