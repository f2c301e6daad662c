//! The one parser of ingestion URLs.

use std::{borrow::Cow, fmt, str::FromStr};

use url::{Host, Url};

use crate::{
    Cloud, InvalidValue,
    address::{VERIFIABLE_HOST, is_verifiable},
};

/// Where samples go: the metrics ingestion endpoint of a data collection
/// endpoint, with the data collection rule in its path.
///
/// <https://learn.microsoft.com/azure/azure-monitor/containers/prometheus-remote-write>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestionUrl(Url);

/// What the host of every public ingestion endpoint has in its name; without
/// it, it is the endpoint for logs.
const METRICS_LABEL: &str = ".metrics.";
/// Ends of the hosts that Azure Monitor ingests at, in each cloud.
const AZURE_SUFFIXES: [(&str, Cloud); 3] = [
    (".ingest.monitor.azure.com", Cloud::AzurePublic),
    (".ingest.monitor.azure.us", Cloud::AzureGovernment),
    (".ingest.monitor.azure.cn", Cloud::AzureChina),
];
/// What the host of every workspace's query endpoint has in its name.
const QUERY_LABELS: &str = ".prometheus.monitor.azure.";

impl IngestionUrl {
    /// The whole URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The host, in lower case and without brackets or a trailing dot.
    pub fn host(&self) -> Cow<'_, str> {
        match self.0.host() {
            Some(Host::Domain(name)) => Cow::Borrowed(name.strip_suffix('.').unwrap_or(name)),
            Some(Host::Ipv4(address)) => Cow::Owned(address.to_string()),
            Some(Host::Ipv6(address)) => Cow::Owned(address.to_string()),
            None => Cow::default(),
        }
    }

    /// The port, given or by scheme.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// Whether TLS is spoken. Plain http is possible towards loopback alone.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the host is `suffix` (which begins with a dot and is in lower case) or lies
    /// below it.
    pub fn is_below(&self, suffix: &str) -> bool {
        let host = self.host();
        host.ends_with(suffix) || suffix.strip_prefix('.') == Some(&host)
    }

    /// The cloud that the host belongs to, and the end of its name that says so; `None`
    /// for a host outside of Azure's public names.
    pub fn cloud(&self) -> Option<(&'static str, Cloud)> {
        AZURE_SUFFIXES.into_iter().find(|(suffix, _)| self.is_below(suffix))
    }

    /// What looks wrong with it, though it might be meant: one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let host = self.host();
        let mut warnings = Vec::new();
        if host.contains(QUERY_LABELS) {
            warnings.push(format!(
                "the ingestion host {host} is the query endpoint of a workspace, which stores nothing: copy \"Metrics ingestion\" from the data collection endpoint's overview"
            ));
        }
        if self.cloud().is_some() && !host.contains(METRICS_LABEL) {
            warnings.push(format!(
                "the ingestion host {host} has no \".metrics.\" in it: this is the endpoint for logs; copy \"Metrics ingestion\" from the data collection endpoint's overview"
            ));
        }
        let segments: Vec<&str> = self.0.path().split('/').skip(1).collect();
        let shape_is_known = matches!(
            segments.as_slice(),
            [rules, _, streams, _, "api", "v1", "write"]
                if rules.eq_ignore_ascii_case("dataCollectionRules")
                    && streams.eq_ignore_ascii_case("streams")
        );
        if !shape_is_known {
            warnings.push(format!(
                "the ingestion path {} is not /dataCollectionRules/DCR-IMMUTABLE-ID/streams/Microsoft-PrometheusMetrics/api/v1/write: Azure accepts no other",
                self.0.path()
            ));
        }
        if !self.0.query_pairs().any(|(name, _)| name == "api-version") {
            warnings.push("the ingestion URL has no ?api-version=2023-04-24".to_owned());
        }
        warnings
    }
}

impl FromStr for IngestionUrl {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let expected = || {
            InvalidValue::expected(
                "https://DCE.REGION.metrics.ingest.monitor.azure.com/dataCollectionRules/DCR-IMMUTABLE-ID/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24",
            )
        };
        if text.contains(['<', '>']) || text.chars().any(char::is_whitespace) {
            return Err(expected());
        }
        // Anywhere: a `/`, `?` or `#` in a password ends the host before it.
        if text.contains('@') {
            return Err(InvalidValue::expected(
                "a URL without user and password: a token is added",
            ));
        }
        let url = Url::parse(text).map_err(|_| expected())?;
        if url.fragment().is_some() || url.host().is_none() {
            return Err(expected());
        }
        match url.scheme() {
            "https" if is_verifiable(&url) => Ok(Self(url)),
            "https" => Err(InvalidValue::expected(VERIFIABLE_HOST)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => Err(InvalidValue::expected(
                "https://: plain http would show the token to the network",
            )),
            _ => Err(expected()),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for IngestionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

    #[test]
    fn a_documented_url_causes_no_warning() {
        let url: IngestionUrl = GOOD.parse().unwrap();
        assert_eq!(url.warnings(), Vec::<String>::new());
        assert_eq!(url.to_string(), GOOD);
        assert!(url.is_below(".ingest.monitor.azure.com"));
        assert!(!url.is_below(".monitor.azure.us"));
    }

    #[test]
    fn the_host_decides_not_the_text() {
        for foreign in [
            "https://evil.example/.ingest.monitor.azure.com",
            "https://evil.example?.ingest.monitor.azure.com",
            "https://xingest.monitor.azure.com/",
            "https://ingest.monitor.azure.com.evil.example/",
        ] {
            let url: IngestionUrl = foreign.parse().unwrap();
            assert!(!url.is_below(".ingest.monitor.azure.com"), "{foreign}");
        }
        let trailing: IngestionUrl = "https://a.INGEST.monitor.azure.com./x".parse().unwrap();
        assert!(trailing.is_below(".ingest.monitor.azure.com"));
    }

    #[test]
    fn doubts_name_the_usual_slips() {
        let url: IngestionUrl = GOOD.replace(".metrics", "").parse().unwrap();
        assert!(url.warnings().iter().any(|warning| warning.contains("endpoint for logs")));
        let url: IngestionUrl =
            "https://ws-ab12.westeurope.prometheus.monitor.azure.com".parse().unwrap();
        assert!(url.warnings()[0].contains("query endpoint of a workspace"));
        let url: IngestionUrl =
            "https://dce.westeurope-1.metrics.ingest.monitor.azure.com".parse().unwrap();
        assert_eq!(url.warnings().len(), 2);
    }

    #[test]
    fn urls_that_would_expose_the_token_are_rejected() {
        for bad in [
            "",
            "dce.metrics.ingest.monitor.azure.com",
            "http://dce.metrics.ingest.monitor.azure.com/",
            "https://user:pw@host/",
            "https://user:8/pw@host/",
            "https://dce-.westeurope-1.metrics.ingest.monitor.azure.com/",
            "https://<Metrics-Ingestion-URL>/x",
            "ftp://localhost/",
            "https://host/#fragment",
            "http://localhost.evil.example/",
        ] {
            assert!(bad.parse::<IngestionUrl>().is_err(), "{bad:?}");
        }
        for loopback in ["http://localhost:1/x", "http://127.0.0.1:1/x", "http://[::1]:1/x"] {
            assert!(loopback.parse::<IngestionUrl>().is_ok(), "{loopback}");
        }
    }
}
