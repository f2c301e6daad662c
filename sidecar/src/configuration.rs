//! The environment, and the certificates that are in it.

use contract::{Destinations, Pem, TokenProxyAuthority, names::env};

use crate::trust::Trust;

/// Reads the settings of all destinations.
///
/// # Errors
/// Every error, not only the first: what the contract does not accept, and the CA of a
/// token proxy that is no certificate. A file may still be replaced, so that one is read
/// when it is needed; what is in the environment stays as it is.
pub fn configuration(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Destinations, Vec<String>> {
    let variables: Vec<(String, String)> = variables.into_iter().collect();
    let read = Destinations::from_env(variables.iter().cloned());
    let unusable = variables.iter().filter_map(|(name, value)| {
        // Of one destination or another.
        let pem: Pem = value.trim().parse().ok().filter(|_| name.starts_with(CA_DATA))?;
        let is_used = read.as_ref().map_or(true, |destinations| is_used(destinations, &pem));
        let error = Trust::in_pem(pem.as_str().as_bytes(), name.clone()).err()?;
        is_used.then(|| error.to_string())
    });
    let unusable: Vec<String> = unusable.collect();
    match read {
        Ok(destinations) if unusable.is_empty() => Ok(destinations),
        Ok(_) => Err(unusable),
        Err(errors) => Err(errors.iter().map(ToString::to_string).chain(unusable).collect()),
    }
}

const CA_DATA: &str = env::AZURE_KUBERNETES_CA_DATA;

fn is_used(destinations: &Destinations, pem: &Pem) -> bool {
    let proxies = destinations.iter().filter_map(|one| one.settings.identity.token_proxy());
    let mut authorities = proxies.filter_map(|proxy| proxy.authority.as_ref());
    authorities.any(|used| *used == TokenProxyAuthority::Data(pem.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://dce-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";
    const ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
    /// As it looks with its line breaks lost.
    const BAD: &str = "-----BEGIN CERTIFICATE----- MIIB -----END CERTIFICATE-----";

    fn errors(more: &[(&str, &str)]) -> Vec<String> {
        let variables = [
            ("INGESTION_URL", URL),
            ("IDENTITY_TYPE", "workloadIdentity"),
            ("AZURE_CLIENT_ID", ID),
            ("AZURE_TENANT_ID", ID),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
            ("AZURE_KUBERNETES_TOKEN_PROXY", "https://proxy.example"),
        ];
        let variables = variables.iter().chain(more);
        let last: std::collections::BTreeMap<String, String> =
            variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        configuration(last).err().unwrap_or_default()
    }

    #[test]
    fn a_ca_that_is_no_certificate_is_an_error_beside_all_others() {
        let key = rcgen::KeyPair::generate().unwrap();
        let good = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let (of_unnamed, of_tenants) =
            ("AZURE_KUBERNETES_CA_DATA", "AZURE_KUBERNETES_CA_DATA_TENANTS");
        let tenants = ("INGESTION_URL_TENANTS", URL);
        assert_eq!(errors(&[(of_unnamed, &good.pem())]), [""; 0]);
        for (more, names) in [
            (vec![(of_unnamed, BAD)], vec![of_unnamed]),
            (vec![(of_unnamed, BAD), tenants], vec![of_unnamed]),
            (vec![tenants, (of_tenants, BAD)], vec![of_tenants]),
            (vec![(of_unnamed, BAD), ("LOG_LEVEL", "loud")], vec!["LOG_LEVEL", of_unnamed]),
            (vec![(of_unnamed, "no PEM")], vec![of_unnamed]),
            // Nothing looks at it.
            (vec![(of_unnamed, BAD), ("IDENTITY_TYPE", "systemAssigned")], vec![]),
        ] {
            let found = errors(&more);
            assert_eq!(found.len(), names.len(), "{more:?}: {found:?}");
            for (error, name) in found.iter().zip(names) {
                assert!(
                    error.contains(&format!("{name}:")) || error.contains(&format!("{name}=")),
                    "{found:?}"
                );
            }
        }
    }
}
