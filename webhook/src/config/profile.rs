//! A profile: the settings that a pod chooses by name.
//!
//! Its keys are the annotations' names in camelCase, and some that only an
//! operator may set, since they say whom the sidecar trusts, who may use it,
//! or how much memory it takes. A profile need not be complete: a pod's
//! annotations may give the rest.

use std::time::Duration;

use contract::{
    AcceptFrom, AuthorityHost, ByteSize, CertificateName, Key, Limits, LogFormat, MetadataHost,
    ObjectName, Overrides, Proxy, Rejected, format_duration, parse_bool, parse_duration,
};
use serde_json::Value;

use super::reader::{Reader, Section};

/// The keys that a profile may have and an annotation may not.
pub const PROFILE_ONLY_KEYS: &[&str] = &[
    "authorityHost",
    "podIdentityAuthorityHost",
    "trustConfigMap",
    "sendCertificateChain",
    "cluster",
    "acceptFrom",
    "logFormat",
    "httpsProxy",
    "noProxy",
    "maxInFlightBytes",
    "maxConnections",
    "maxRequestBytes",
    "maxDecompressedBytes",
    "headerTimeout",
    "idleTimeout",
    "upstreamTimeout",
    "shutdownTimeout",
];

/// Settings that a pod chooses by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What an annotation may give as well.
    pub overrides: Overrides,
    /// Replaces the cloud's authority.
    pub authority_host: Option<AuthorityHost>,
    /// Replaces the instance metadata service's address.
    pub metadata_host: Option<MetadataHost>,
    /// Roots that the sidecar trusts instead of the system's.
    pub trust: Option<TrustConfigMap>,
    /// Whether assertions carry the certificate's chain.
    pub send_chain: bool,
    /// The cluster's name, for logs and build info.
    pub cluster: Option<String>,
    /// Who may write.
    pub accept_from: Option<AcceptFrom>,
    /// How the sidecar logs.
    pub log_format: Option<LogFormat>,
    /// The forward proxy on the way to Azure.
    pub proxy: Option<Proxy>,
    /// Bounds on memory and time.
    pub limits: ProfileLimits,
}

/// A `ConfigMap` in the pod's namespace with trusted roots in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustConfigMap {
    /// The `ConfigMap`.
    pub name: ObjectName,
    /// Its key: the file's name.
    pub key: CertificateName,
}

/// Bounds that a profile may set; the sidecar's own where it doesn't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProfileLimits {
    max_in_flight: Option<ByteSize>,
    max_connections: Option<u32>,
    max_request: Option<ByteSize>,
    max_decompressed: Option<ByteSize>,
    header_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    upstream_timeout: Option<Duration>,
    shutdown_timeout: Option<Duration>,
}

impl ProfileLimits {
    /// All limits: the given ones, and the sidecar's own for the rest.
    pub fn or_usual(self) -> Limits {
        let usual = Limits::default();
        Limits {
            max_in_flight: self.max_in_flight.unwrap_or(usual.max_in_flight),
            max_connections: self.max_connections.unwrap_or(usual.max_connections),
            max_request: self.max_request.unwrap_or(usual.max_request),
            max_decompressed: self.max_decompressed.unwrap_or(usual.max_decompressed),
            header_timeout: self.header_timeout.unwrap_or(usual.header_timeout),
            idle_timeout: self.idle_timeout.unwrap_or(usual.idle_timeout),
            upstream_timeout: self.upstream_timeout.unwrap_or(usual.upstream_timeout),
            shutdown_timeout: self.shutdown_timeout.unwrap_or(usual.shutdown_timeout),
        }
    }
}

impl Profile {
    /// The keys that only a profile may have, as far as this one gives them,
    /// with their values; in the order of [`PROFILE_ONLY_KEYS`].
    pub fn given(&self) -> Vec<(&'static str, String)> {
        fn text(value: Option<&impl ToString>) -> Option<String> {
            value.map(ToString::to_string)
        }
        let limits = &self.limits;
        let duration = |given: Option<Duration>| given.map(format_duration);
        let trust = self.trust.as_ref().map(|trust| format!("{}/{}", trust.name, trust.key));
        let exceptions = self.proxy.as_ref().map(Proxy::exceptions).filter(|text| !text.is_empty());
        let values = [
            text(self.authority_host.as_ref()),
            text(self.metadata_host.as_ref()),
            trust,
            self.send_chain.then(|| "true".to_owned()),
            self.cluster.clone(),
            text(self.accept_from.as_ref()),
            text(self.log_format.as_ref()),
            text(self.proxy.as_ref().map(Proxy::address)),
            exceptions.map(str::to_owned),
            text(limits.max_in_flight.as_ref()),
            text(limits.max_connections.as_ref()),
            text(limits.max_request.as_ref()),
            text(limits.max_decompressed.as_ref()),
            duration(limits.header_timeout),
            duration(limits.idle_timeout),
            duration(limits.upstream_timeout),
            duration(limits.shutdown_timeout),
        ];
        let given = |(name, value): (&&'static str, Option<String>)| Some((*name, value?));
        PROFILE_ONLY_KEYS.iter().zip(values).filter_map(given).collect()
    }
}

/// Reads the profile at `path`.
pub(super) fn read(reader: &mut Reader, path: &str, value: Value) -> Option<Profile> {
    let mut section = reader.section(path, value)?;
    let profile = Profile {
        overrides: overrides(reader, &mut section),
        authority_host: reader.parsed(&mut section, "authorityHost"),
        metadata_host: reader.parsed(&mut section, "podIdentityAuthorityHost"),
        trust: trust(reader, &mut section),
        send_chain: reader
            .parsed_with(&mut section, "sendCertificateChain", parse_bool)
            .unwrap_or(false),
        cluster: reader.parsed_with(&mut section, "cluster", |text| Ok(text.to_owned())),
        accept_from: reader.parsed(&mut section, "acceptFrom"),
        log_format: reader.parsed(&mut section, "logFormat"),
        proxy: proxy(reader, &mut section),
        limits: limits(reader, &mut section),
    };
    reader.finish(section);
    Some(profile)
}

fn overrides(reader: &mut Reader, section: &mut Section) -> Overrides {
    let mut overrides = Overrides::default();
    for key in Key::ALL {
        reader.parsed_with(section, key.profile(), |text| overrides.set(*key, text));
    }
    if let (Some(secret), Some(_)) =
        (&overrides.certificate_secret, &overrides.secret_provider_class)
    {
        let rejected = Rejected::expected("only one of certificateSecret and secretProviderClass");
        reader.mistakes.push(rejected.at(section.path_of("certificateSecret"), secret.as_str()));
    }
    overrides
}

fn trust(reader: &mut Reader, section: &mut Section) -> Option<TrustConfigMap> {
    let mut given = reader.subsection(section, "trustConfigMap")?;
    let name = reader.required(&mut given, "name", "the ConfigMap's name");
    let key: Option<CertificateName> =
        reader.required(&mut given, "key", "the ConfigMap's key, such as ca.crt");
    if let Some(key) = key.as_ref().filter(|key| key.as_str().contains('/')) {
        let rejected = Rejected::expected("a ConfigMap's key, which has no /");
        reader.mistakes.push(rejected.at(given.path_of("key"), key.as_str()));
    }
    reader.finish(given);
    Some(TrustConfigMap { name: name?, key: key? })
}

/// A proxy with a password is refused: it would stand in every pod, where
/// everybody who may look at pods can read it.
fn proxy(reader: &mut Reader, section: &mut Section) -> Option<Proxy> {
    let exceptions =
        reader.parsed_with(section, "noProxy", |text| Ok(text.to_owned())).unwrap_or_default();
    reader.parsed_with(section, "httpsProxy", |text| {
        let proxy = Proxy::new(text, &exceptions)?;
        let address = proxy.address();
        if address.username().is_empty() && address.password().is_none() {
            Ok(proxy)
        } else {
            Err(Rejected::expected(
                "a proxy's address without user and password, which every pod would show",
            ))
        }
    })
}

fn limits(reader: &mut Reader, section: &mut Section) -> ProfileLimits {
    let count = |text: &str| match text.parse::<u32>() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Rejected::expected("a whole number above 0")),
    };
    let mut duration = |key| reader.parsed_with(section, key, parse_duration);
    let [header_timeout, idle_timeout, upstream_timeout, shutdown_timeout] =
        ["headerTimeout", "idleTimeout", "upstreamTimeout", "shutdownTimeout"].map(&mut duration);
    ProfileLimits {
        max_in_flight: reader.parsed(section, "maxInFlightBytes"),
        max_connections: reader.parsed_with(section, "maxConnections", count),
        max_request: reader.parsed(section, "maxRequestBytes"),
        max_decompressed: reader.parsed(section, "maxDecompressedBytes"),
        header_timeout,
        idle_timeout,
        upstream_timeout,
        shutdown_timeout,
    }
}
