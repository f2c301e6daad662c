//! The command line.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use certs::{
    bundle::Bundle,
    lifetime::Lifetime,
    rotate::{cluster::Target, policy::RotationPolicy},
};
use clap::{ArgGroup, Args, Parser, Subcommand};
use contract::{InvalidValue, LogFormat, LogLevel};
use rustls::pki_types::DnsName;

/// Issue the webhook's CA and serving certificate, and keep them valid.
#[derive(Parser)]
#[command(name = "prom-remotewrite-certs", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write ca.crt, tls.crt and tls.key into a directory, for a run without a cluster.
    Issue(Issue),
    /// Keep the certificate in a Secret valid, and the API server's trust in it.
    ///
    /// With --watch, it runs until it is stopped, and repairs or renews whatever is
    /// necessary. Without it, it does what is necessary now, and exits: run it once a
    /// day. The Secret is created if it does not exist.
    Rotate(Rotate),
}

#[derive(Args)]
#[command(group(ArgGroup::new("names").required(true).multiple(true).args(["dns_name", "ip"])))]
pub(crate) struct Issue {
    /// Directory for the files; created if it does not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Host name of the server, such as prom-remotewrite-webhook.monitoring.svc.
    #[arg(long, value_name = "NAME", value_parser = dns_name)]
    pub(crate) dns_name: Vec<String>,
    /// IP address of the server.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Vec<IpAddr>,
    /// Lifetime of CA and certificate.
    #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = lifetime)]
    pub(crate) validity: Lifetime,
    /// Replace files of an earlier run.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args)]
#[command(args_override_self = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Rotate {
    /// Run until stopped, and react to every change.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Namespace of the Secret.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    namespace: String,
    /// Secret that the webhook mounts.
    #[arg(long, value_name = "NAME", default_value = "prom-remotewrite-webhook-tls")]
    secret: String,
    /// Mutating webhook configuration.
    #[arg(long, value_name = "NAME", default_value = "prom-remotewrite")]
    configuration: String,
    /// Webhook in that configuration.
    #[arg(long, value_name = "NAME", default_value = "pods.inject.prom-remotewrite")]
    webhook: String,
    /// Service account in the namespace; the Secret is deleted together with it.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Name by which the API server calls the webhook, such as
    /// prom-remotewrite-webhook.monitoring.svc.
    #[arg(long, value_name = "NAME", required = true, value_parser = dns_name)]
    dns_name: Vec<String>,
    /// Lifetime of a new certificate; it is renewed after two thirds of it.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = lifetime)]
    pub(crate) validity: Lifetime,
    /// Maximum time for a new CA bundle to reach every API server.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    settle: Duration,
    /// Maximum time for a new certificate to reach every replica; earlier CAs stay
    /// trusted at least that long.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    overlap: Duration,
    /// Never write the Secret, only keep trust in what it contains: another program,
    /// such as cert-manager, issues the certificate.
    #[arg(long)]
    trust_only: bool,
    /// With --trust-only: CAs to trust in addition to the Secret's ca.crt (PEM).
    #[arg(long, value_name = "PEM", requires = "trust_only", value_parser = authorities)]
    ca_bundle: Option<Bundle>,
    /// With --watch: address for /health, /ready and /metrics.
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080")]
    pub(crate) admin: SocketAddr,
    /// Without --watch: maximum time; a later run continues from there.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Renew even if not due.
    #[arg(long, conflicts_with_all = ["watch", "trust_only"])]
    force: bool,
    /// Print the first step without performing it.
    #[arg(long, conflicts_with = "watch")]
    pub(crate) dry_run: bool,
    /// Log level: error, warn, info, debug or trace.
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL", default_value = "info", value_parser = log_level)]
    pub(crate) log_level: LogLevel,
    /// Log format: logfmt or json.
    #[arg(long, env = "LOG_FORMAT", value_name = "FORMAT", default_value = "logfmt", value_parser = log_format)]
    pub(crate) log_format: LogFormat,
}

impl Rotate {
    pub(crate) fn target(&self) -> Target {
        Target {
            namespace: self.namespace.clone(),
            secret: self.secret.clone(),
            configuration: self.configuration.clone(),
            webhook: self.webhook.clone(),
            owner: self.owner.clone(),
        }
    }

    pub(crate) fn policy(&self) -> RotationPolicy {
        RotationPolicy {
            dns_names: self.dns_name.clone(),
            settle: self.settle,
            overlap: self.overlap,
            force: self.force,
            provided: self.trust_only.then(|| self.ca_bundle.clone().unwrap_or_default()),
        }
    }
}

fn dns_name(text: &str) -> Result<String, String> {
    match DnsName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected a DNS name such as webhook.monitoring.svc".to_owned()),
    }
}

fn authorities(text: &str) -> Result<Bundle, String> {
    let bundle = Bundle::parse(text);
    if bundle.is_empty() { Err("expected PEM certificates".to_owned()) } else { Ok(bundle) }
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    text.parse().map_err(|rejected| expected(&rejected))
}

fn duration(text: &str) -> Result<Duration, String> {
    contract::parse_duration(text).map_err(|rejected| expected(&rejected))
}

fn log_level(text: &str) -> Result<LogLevel, String> {
    text.parse().map_err(|rejected| expected(&rejected))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    text.parse().map_err(|rejected| expected(&rejected))
}

fn expected(rejected: &InvalidValue) -> String {
    format!("expected {}", rejected.expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_a_name_or_an_address() {
        let parse = |names: &[&str]| {
            let words = ["certs", "issue", "--dir", "x"].iter().chain(names);
            Arguments::try_parse_from(words).map(|_| ()).map_err(|error| error.to_string())
        };
        for names in
            [&["--ip", "::1"][..], &["--dns-name", "a"], &["--dns-name", "a", "--ip", "::1"]]
        {
            assert_eq!(parse(names), Ok(()), "{names:?}");
        }
        let error = parse(&[]).unwrap_err();
        assert!(error.contains("<--dns-name <NAME>|--ip <ADDRESS>>"), "{error}");
    }
}
