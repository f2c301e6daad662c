//! The environment, read.

use std::{path::PathBuf, str::FromStr};

use crate::{
    AcceptFrom, Audience, AuthorityHost, Certificate, Cloud, Identity, IdentityEndpoint,
    IdentityType, IngestionUrl, InvalidValue, LogFormat, LogLevel, Port, Proxy, ResponseMode,
    SettingError, Settings, TokenProxy, TokenProxyAuthority, errors::stands_for_nothing,
    names::env, parse_bool, without_userinfo,
};

/// Shown in place of a long text, which may be a private key by mistake.
const HIDDEN: &str = "…";

/// Reads every variable, so that every error is found.
pub(super) fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Settings, Vec<SettingError>> {
    let mut reader = SettingsReader { lookup, errors: Vec::new() };
    let settings = reader.settings();
    match settings {
        Some(settings) if reader.errors.is_empty() => Ok(settings),
        _ => Err(reader.errors),
    }
}

pub(super) struct SettingsReader<L> {
    lookup: L,
    pub(super) errors: Vec<SettingError>,
}

impl<L: Fn(&str) -> Option<String>> SettingsReader<L> {
    fn settings(&mut self) -> Option<Settings> {
        let ingestion_url = self.ingestion_url();
        let cloud: Cloud = self.parsed(env::CLOUD).unwrap_or_default();
        let identity = self.identity(cloud);
        let audience = self.audience(cloud);
        let listening_port = self.parsed(env::LISTENING_PORT).unwrap_or(Port::DEFAULT);
        let metadata_host = self.parsed(env::AZURE_POD_IDENTITY_AUTHORITY_HOST);
        let identity_endpoint = identity.as_ref().and_then(|id| self.identity_endpoint(id));
        let accept_from = self.parsed(env::ACCEPT_FROM).unwrap_or(AcceptFrom::Loopback);
        let response_mode = self.parsed(env::RESPONSE_MODE).unwrap_or(ResponseMode::Protective);
        let limits = self.limits();
        let native_sidecar = self.parsed_with(env::NATIVE_SIDECAR, parse_bool).unwrap_or(false);
        let proxy = self.proxy();
        let log_level = self.log_level();
        let log_format = self.parsed(env::LOG_FORMAT).unwrap_or(LogFormat::Logfmt);
        Some(Settings {
            ingestion_url: ingestion_url?,
            listening_port,
            identity: identity?,
            cloud,
            audience: audience?,
            metadata_host,
            identity_endpoint,
            cluster: self.text(env::CLUSTER),
            accept_from,
            response_mode,
            limits,
            native_sidecar,
            proxy,
            log_level,
            log_format,
            trusted_roots_file: self.text(env::SSL_CERT_FILE).map(PathBuf::from),
            trusted_roots_dir: self.text(env::SSL_CERT_DIR).map(PathBuf::from),
        })
    }

    fn ingestion_url(&mut self) -> Option<IngestionUrl> {
        let expected = "the metrics ingestion URL with the data collection rule in its path";
        let url = self.required::<IngestionUrl>(env::INGESTION_URL, expected)?;
        let mut parts = url.url().host_str().into_iter().chain(url.url().path().split('/'));
        if let Some(part) = parts.find(|part| stands_for_nothing(part)) {
            let expected = format!(
                "{expected}, and no part {part:?}, which jq and templates write for a missing value"
            );
            let error = InvalidValue::expected(expected).at(env::INGESTION_URL, url.to_string());
            self.errors.push(error);
        }
        Some(url)
    }

    fn identity(&mut self, cloud: Cloud) -> Option<Identity> {
        let kinds = IdentityType::ALL.map(IdentityType::name).join(", ");
        let kind: Option<IdentityType> =
            self.required(env::IDENTITY_TYPE, &format!("one of {kinds}"));
        let authority = self.authority(cloud, kind);
        match kind? {
            IdentityType::SystemAssigned => Some(Identity::SystemAssigned),
            IdentityType::UserAssigned => {
                let client_id = self.required(env::AZURE_CLIENT_ID, "the identity's client id")?;
                Some(Identity::UserAssigned { client_id })
            }
            IdentityType::AadApplication => {
                let client_id = self.required(env::AZURE_CLIENT_ID, "the application's client id");
                let tenant_id = self.required(env::AZURE_TENANT_ID, "the application's tenant");
                let certificate = self.certificate();
                Some(Identity::AadApplication {
                    client_id: client_id?,
                    tenant_id: tenant_id?,
                    authority: authority?,
                    certificate: certificate?,
                })
            }
            IdentityType::WorkloadIdentity => {
                let client_id = self.required(env::AZURE_CLIENT_ID, "the federated client id");
                let tenant_id = self.required(env::AZURE_TENANT_ID, "the federated tenant");
                let token_file = self.required_path(
                    env::AZURE_FEDERATED_TOKEN_FILE,
                    "the projected service account token's file, as the workload identity webhook sets it",
                );
                let token_proxy = self.token_proxy();
                Some(Identity::WorkloadIdentity {
                    client_id: client_id?,
                    tenant_id: tenant_id?,
                    authority: authority?,
                    token_file: token_file?,
                    token_proxy,
                })
            }
        }
    }

    /// What goes with the proxy is an error without it, as for Azure's SDKs: whoever
    /// sets it means the proxy.
    fn token_proxy(&mut self) -> Option<TokenProxy> {
        if self.text(env::AZURE_KUBERNETES_TOKEN_PROXY).is_none() {
            for name in [
                env::AZURE_KUBERNETES_SNI_NAME,
                env::AZURE_KUBERNETES_CA_FILE,
                env::AZURE_KUBERNETES_CA_DATA,
            ] {
                let is_text = name != env::AZURE_KUBERNETES_CA_DATA;
                let Some(value) = self.text(name) else { continue };
                let value = if is_text { value } else { HIDDEN.to_owned() };
                let expected = format!("{} beside it", env::AZURE_KUBERNETES_TOKEN_PROXY);
                self.errors.push(InvalidValue::expected(expected).at(name, value));
            }
            return None;
        }
        let address = self.parsed(env::AZURE_KUBERNETES_TOKEN_PROXY);
        let server_name = self.parsed(env::AZURE_KUBERNETES_SNI_NAME);
        let authority = self.token_proxy_authority();
        Some(TokenProxy { address: address?, server_name, authority })
    }

    fn token_proxy_authority(&mut self) -> Option<TokenProxyAuthority> {
        let (file, data) = (env::AZURE_KUBERNETES_CA_FILE, env::AZURE_KUBERNETES_CA_DATA);
        let path = self.text(file).and_then(|_| self.required_path(file, "the CA's file, in PEM"));
        let Some(pem) = self.text(data) else { return path.map(TokenProxyAuthority::File) };
        if self.text(file).is_some() {
            let expected = format!("either this or {file}");
            self.errors.push(InvalidValue::expected(expected).at(data, HIDDEN));
        }
        pem.parse()
            .map(TokenProxyAuthority::Data)
            .map_err(|error| self.errors.push(InvalidValue::at(error, data, HIDDEN)))
            .ok()
    }

    fn certificate(&mut self) -> Option<Certificate> {
        let path = match self.text(env::MDM_CERT_PATH) {
            Some(older) if self.text(env::AZURE_CLIENT_CERTIFICATE_PATH).is_none() => {
                Some(PathBuf::from(older))
            }
            _ => self.required_path(
                env::AZURE_CLIENT_CERTIFICATE_PATH,
                "the certificate's file (or MDM_CERT_PATH)",
            ),
        };
        let send_chain =
            self.parsed_with(env::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN, parse_bool).unwrap_or(false);
        let password_file =
            self.text(env::AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE).map(PathBuf::from);
        Some(Certificate { path: path?, password_file, send_chain })
    }

    fn audience(&mut self, cloud: Cloud) -> Option<Audience> {
        if self.text(env::INGESTION_AAD_AUDIENCE).is_some() {
            return self.parsed(env::INGESTION_AAD_AUDIENCE);
        }
        let usual = cloud.audience();
        if usual.is_none() {
            self.errors.push(SettingError::missing(
                env::INGESTION_AAD_AUDIENCE,
                format!("the audience of the cloud's ingestion tokens, because CLOUD={cloud}"),
            ));
        }
        usual
    }

    /// The Azure SDKs' name goes before Microsoft's image's.
    fn authority(&mut self, cloud: Cloud, kind: Option<IdentityType>) -> Option<AuthorityHost> {
        let names = [env::AZURE_AUTHORITY_HOST, env::AAD_HOST_ENDPOINT];
        let hosts: Vec<Option<AuthorityHost>> =
            names.iter().map(|name| self.parsed(name)).collect();
        if names.iter().any(|name| self.text(name).is_some()) {
            return hosts.into_iter().flatten().next();
        }
        let usual = cloud.authority();
        if usual.is_none() && kind.is_some_and(IdentityType::has_authority) {
            self.errors.push(SettingError::missing(
                env::AZURE_AUTHORITY_HOST,
                format!("the https:// address of the cloud's authority, because CLOUD={cloud}"),
            ));
        }
        usual
    }

    /// Azure Arc sets an address, too, but no secret: it works in another way.
    fn identity_endpoint(&mut self, identity: &Identity) -> Option<IdentityEndpoint> {
        if identity.tenant_id().is_some() {
            return None;
        }
        let secret = self.text(env::IDENTITY_HEADER);
        let endpoint = self.parsed_with(env::IDENTITY_ENDPOINT, |address| {
            IdentityEndpoint::new(address, secret.clone().unwrap_or_default())
        });
        endpoint.filter(|_| secret.is_some())
    }

    fn proxy(&mut self) -> Option<Proxy> {
        let any_case = |name: &str| {
            (self.lookup)(name).or_else(|| (self.lookup)(&name.to_lowercase())).and_then(present)
        };
        let address = any_case(env::HTTPS_PROXY)?;
        let exceptions = any_case(env::NO_PROXY).unwrap_or_default();
        Proxy::new(&address, &exceptions)
            .map_err(|error| {
                self.errors.push(error.at(env::HTTPS_PROXY, Proxy::shown(&address)));
            })
            .ok()
    }

    /// `TRACE_LOGGING` counts where `LOG_LEVEL` says nothing.
    fn log_level(&mut self) -> LogLevel {
        let trace = self.parsed_with(env::TRACE_LOGGING, parse_bool).unwrap_or(false);
        let usual = if trace { LogLevel::Trace } else { LogLevel::Info };
        self.parsed(env::LOG_LEVEL).unwrap_or(usual)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).and_then(present)
    }

    pub(super) fn parsed<T: FromStr<Err = InvalidValue>>(&mut self, name: &str) -> Option<T> {
        self.parsed_with(name, str::parse)
    }

    pub(super) fn parsed_with<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_err(|error| self.errors.push(error.at(name, without_userinfo(&text)))).ok()
    }

    fn required<T: FromStr<Err = InvalidValue>>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Option<T> {
        if self.text(name).is_none() {
            self.errors.push(SettingError::missing(name, expected));
        }
        self.parsed(name)
    }

    fn required_path(&mut self, name: &str, expected: &str) -> Option<PathBuf> {
        let error = match self.text(name) {
            None => SettingError::missing(name, expected),
            Some(text) if stands_for_nothing(&text) => {
                InvalidValue::expected(expected).at(name, text)
            }
            Some(text) => return Some(PathBuf::from(text)),
        };
        self.errors.push(error);
        None
    }
}

/// A value without the blanks around it; an empty one is none.
fn present(value: String) -> Option<String> {
    let trimmed = value.trim();
    if trimmed.len() == value.len() && !value.is_empty() {
        return Some(value);
    }
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}
