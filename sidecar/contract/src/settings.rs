//! A sidecar's configuration: the encoding that the webhook writes, and beside
//! it ([`reader`]) the decoding that the sidecar reads.

mod limits;
mod reader;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    AcceptFrom, Audience, Cloud, Identity, IdentityEndpoint, IngestionUrl, Limits, LogFormat,
    LogLevel, MetadataHost, Port, Proxy, ResponseMode, SettingError, TokenProxy, format_duration,
    names::env,
};

/// Everything that a sidecar is told. None of it is a secret but a proxy's
/// password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the samples go.
    pub ingestion_url: IngestionUrl,
    /// The port of the one listener.
    pub listening_port: Port,
    /// Who the sidecar is.
    pub identity: Identity,
    /// Which of Azure's clouds.
    pub cloud: Cloud,
    /// For whom tokens are asked: the cloud's audience unless another is given.
    pub audience: Audience,
    /// Replaces the instance metadata service's address.
    pub metadata_host: Option<MetadataHost>,
    /// Gives a managed identity's tokens instead of the instance metadata service.
    /// The platform sets it, so [`Self::to_env`] leaves it out.
    pub identity_endpoint: Option<IdentityEndpoint>,
    /// The cluster's name, for logs and build info.
    pub cluster: Option<String>,
    /// Who may write.
    pub accept_from: AcceptFrom,
    /// What Prometheus is told when Azure refuses.
    pub response_mode: ResponseMode,
    /// Bounds on memory and time.
    pub limits: Limits,
    /// The container is a native sidecar: its SIGTERM comes after all other
    /// containers of the pod have exited.
    pub native_sidecar: bool,
    /// The forward proxy on the way to Azure.
    pub proxy: Option<Proxy>,
    /// How much is logged.
    pub log_level: LogLevel,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Replaces the system's roots.
    pub trusted_roots_file: Option<PathBuf>,
    /// Replaces the system's roots.
    pub trusted_roots_dir: Option<PathBuf>,
}

impl Settings {
    /// Settings with every default but for those that have none.
    pub fn new(ingestion_url: IngestionUrl, identity: Identity, audience: Audience) -> Self {
        Self {
            ingestion_url,
            listening_port: Port::DEFAULT,
            identity,
            cloud: Cloud::default(),
            audience,
            metadata_host: None,
            identity_endpoint: None,
            cluster: None,
            accept_from: AcceptFrom::Loopback,
            response_mode: ResponseMode::Protective,
            limits: Limits::default(),
            native_sidecar: false,
            proxy: None,
            log_level: LogLevel::Info,
            log_format: LogFormat::Logfmt,
            trusted_roots_file: None,
            trusted_roots_dir: None,
        }
    }

    /// Reads the environment through `lookup`. An empty variable counts as
    /// absent, since YAML templates leave such behind.
    ///
    /// # Errors
    /// Every error, not only the first.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<SettingError>> {
        reader::read(lookup)
    }

    /// The variables that make a sidecar have these settings: those with a
    /// default are left out, but for the three that a reader of the pod looks
    /// for.
    pub fn to_env(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (env::INGESTION_URL, self.ingestion_url.to_string()),
            (env::LISTENING_PORT, self.listening_port.to_string()),
            (env::IDENTITY_TYPE, self.identity.kind().to_string()),
        ];
        let mut add = |name, value: Option<String>| {
            variables.extend(value.map(|value| (name, value)));
        };
        self.add_identity(&mut add);
        self.add_azure(&mut add);
        add(env::CLUSTER, self.cluster.clone());
        add(env::ACCEPT_FROM, differs(&self.accept_from, &AcceptFrom::Loopback));
        add(env::RESPONSE_MODE, differs(&self.response_mode, &ResponseMode::Protective));
        self.add_limits(&mut add);
        add(env::NATIVE_SIDECAR, self.native_sidecar.then(|| "true".to_owned()));
        if let Some(proxy) = &self.proxy {
            add(env::HTTPS_PROXY, Some(proxy.address().to_string()));
            add(env::NO_PROXY, Some(proxy.exceptions().to_owned()).filter(|text| !text.is_empty()));
        }
        add(env::LOG_LEVEL, differs(&self.log_level, &LogLevel::Info));
        add(env::LOG_FORMAT, differs(&self.log_format, &LogFormat::Logfmt));
        add(env::SSL_CERT_FILE, self.trusted_roots_file.as_ref().map(|path| path_text(path)));
        add(env::SSL_CERT_DIR, self.trusted_roots_dir.as_ref().map(|path| path_text(path)));
        variables
    }

    /// What looks wrong, though it might be meant: one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.destination_warnings();
        warnings.extend(self.sidecar_doubts());
        warnings
    }

    /// The same of the sidecar, whatever its destinations are.
    pub(crate) fn sidecar_doubts(&self) -> Vec<String> {
        let any = (self.accept_from == AcceptFrom::Any).then(|| {
            format!(
                "{}=any: every client that reaches the port can write with this identity",
                env::ACCEPT_FROM
            )
        });
        any.into_iter().chain(self.limits.warning()).collect()
    }

    /// Whether a token for one is a token for the other: the same identity asks for the
    /// same audience.
    pub fn shares_tokens_with(&self, other: &Self) -> bool {
        self.identity == other.identity && self.audience == other.audience
    }

    /// The same of the destination alone, and not of the sidecar.
    pub fn destination_warnings(&self) -> Vec<String> {
        let mut warnings = self.ingestion_url.warnings();
        warnings.extend(self.cloud_warning());
        warnings.extend(self.identity.token_proxy().and_then(TokenProxy::warning));
        if self.cloud == Cloud::Int && self.cloud.is_audience(&self.audience) {
            warnings.push(format!(
                "{}=INT without {}: the public cloud's audience is used",
                env::CLOUD,
                env::INGESTION_AAD_AUDIENCE
            ));
        }
        if self.audience.is_for_queries() {
            warnings.push(format!(
                "{}={} is the audience of queries, whose tokens ingestion refuses: unset it, so that {} decides",
                env::INGESTION_AAD_AUDIENCE,
                self.audience.resource(),
                env::CLOUD
            ));
        }
        warnings
    }

    /// A token of one cloud is refused in another. An audience that is given is asked
    /// for in any cloud.
    fn cloud_warning(&self) -> Option<String> {
        let (suffix, of_url) = self.ingestion_url.cloud()?;
        let is_meant = matches!(self.cloud, Cloud::Custom | Cloud::Int)
            || !self.cloud.is_audience(&self.audience);
        (self.cloud != of_url && !is_meant).then(|| {
            format!(
                "the ingestion host is one of {of_url} ({suffix}), and {name} is {cloud}, whose tokens it refuses: set {name} to {of_url}, or correct the URL",
                name = env::CLOUD,
                cloud = self.cloud
            )
        })
    }

    fn add_identity(&self, add: &mut impl FnMut(&'static str, Option<String>)) {
        add(env::AZURE_CLIENT_ID, self.identity.client_id().map(ToString::to_string));
        add(env::AZURE_TENANT_ID, self.identity.tenant_id().map(ToString::to_string));
        match &self.identity {
            Identity::AadApplication { certificate, .. } => {
                add(env::AZURE_CLIENT_CERTIFICATE_PATH, Some(path_text(&certificate.path)));
                add(
                    env::AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE,
                    certificate.password_file.as_ref().map(|path| path_text(path)),
                );
                let chain = certificate.send_chain.then(|| "true".to_owned());
                add(env::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN, chain);
            }
            Identity::WorkloadIdentity { token_file, token_proxy, .. } => {
                add(env::AZURE_FEDERATED_TOKEN_FILE, Some(path_text(token_file)));
                for (name, value) in token_proxy.iter().flat_map(TokenProxy::to_env) {
                    add(name, Some(value));
                }
            }
            Identity::UserAssigned { .. } | Identity::SystemAssigned => {}
        }
    }

    fn add_azure(&self, add: &mut impl FnMut(&'static str, Option<String>)) {
        add(env::CLOUD, differs(&self.cloud, &Cloud::default()));
        let audience = Some(&self.audience).filter(|audience| !self.cloud.is_audience(audience));
        add(env::INGESTION_AAD_AUDIENCE, audience.map(ToString::to_string));
        let authority = self.identity.authority().filter(|host| !self.cloud.is_authority(host));
        add(env::AZURE_AUTHORITY_HOST, authority.map(ToString::to_string));
        add(
            env::AZURE_POD_IDENTITY_AUTHORITY_HOST,
            self.metadata_host.as_ref().map(ToString::to_string),
        );
    }

    fn add_limits(&self, add: &mut impl FnMut(&'static str, Option<String>)) {
        let (limits, usual) = (self.limits, Limits::default());
        let duration = |value: Duration, usual| (value != usual).then(|| format_duration(value));
        add(env::MAX_IN_FLIGHT_BYTES, differs(&limits.max_in_flight, &usual.max_in_flight));
        add(env::MAX_CONNECTIONS, differs(&limits.max_connections, &usual.max_connections));
        add(env::MAX_REQUEST_BYTES, differs(&limits.max_request, &usual.max_request));
        add(
            env::MAX_DECOMPRESSED_BYTES,
            differs(&limits.max_decompressed, &usual.max_decompressed),
        );
        add(env::HEADER_TIMEOUT, duration(limits.header_timeout, usual.header_timeout));
        add(env::IDLE_TIMEOUT, duration(limits.idle_timeout, usual.idle_timeout));
        add(env::UPSTREAM_TIMEOUT, duration(limits.upstream_timeout, usual.upstream_timeout));
        add(env::SHUTDOWN_TIMEOUT, duration(limits.shutdown_timeout, usual.shutdown_timeout));
    }
}

fn differs<T: PartialEq + ToString>(value: &T, usual: &T) -> Option<String> {
    (value != usual).then(|| value.to_string())
}

pub(crate) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
