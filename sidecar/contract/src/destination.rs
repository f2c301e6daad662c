//! Several destinations of one sidecar: what each is called, and where its name
//! appears.
//!
//! A sidecar may write to several workspaces. One destination has no name: it is at
//! [`WRITE_PATH`], and its variables have no suffix. Each other one has a
//! [`DestinationName`], which is the first segment of its path and the suffix of its
//! variables: `tenants` is at `/tenants/api/v1/write`, and its endpoint is
//! `INGESTION_URL_TENANTS`.

use crate::{
    Settings,
    names::{WRITE_PATH, env},
    text::checked_text,
};

/// So many destinations may one sidecar have, the unnamed one included: each takes
/// an equal share of the sidecar's memory, and with more of them a share would not
/// hold the batches of one busy Prometheus.
pub const MAX_DESTINATIONS: usize = 8;

/// The variables that describe a destination. Each may have a destination's suffix;
/// all others are the sidecar's own.
pub const DESTINATION_VARIABLES: [&str; 18] = [
    env::INGESTION_URL,
    env::IDENTITY_TYPE,
    env::AZURE_CLIENT_ID,
    env::AZURE_TENANT_ID,
    env::AZURE_CLIENT_CERTIFICATE_PATH,
    env::MDM_CERT_PATH,
    env::AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE,
    env::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN,
    env::AZURE_FEDERATED_TOKEN_FILE,
    env::AZURE_KUBERNETES_TOKEN_PROXY,
    env::AZURE_KUBERNETES_SNI_NAME,
    env::AZURE_KUBERNETES_CA_FILE,
    env::AZURE_KUBERNETES_CA_DATA,
    env::CLOUD,
    env::INGESTION_AAD_AUDIENCE,
    env::AZURE_AUTHORITY_HOST,
    env::AAD_HOST_ENDPOINT,
    env::RESPONSE_MODE,
];

/// RFC 1123: a label has at most 63 bytes.
const MAX_LABEL_BYTES: usize = 63;

checked_text!(
    /// The name of a destination: a DNS label, as Kubernetes has them.
    ///
    /// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>
    DestinationName,
    is_label,
    "at most 63 lower case letters, digits and hyphens, with a letter or digit at either end"
);

impl DestinationName {
    /// The destination's `variable`, which is one of [`DESTINATION_VARIABLES`]:
    /// `INGESTION_URL` of `us-east` is `INGESTION_URL_US_EAST`.
    pub fn variable(&self, variable: &str) -> String {
        format!("{variable}{}", self.suffix())
    }

    /// What its variables end with: `_US_EAST` for `us-east`. No two names have the
    /// same one.
    pub fn suffix(&self) -> String {
        format!("_{}", self.as_str().replace('-', "_").to_ascii_uppercase())
    }

    /// The name with this suffix; `None` where no name has it.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        let name = suffix.strip_prefix('_')?.replace('_', "-").to_ascii_lowercase();
        let name: Self = name.parse().ok()?;
        (name.suffix() == suffix).then_some(name)
    }

    /// `text` with this destination's variables in place of the unnamed one's.
    pub fn in_text(&self, text: &str) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut own = String::new();
        for word in text.split_inclusive(|c: char| !is_part(c)) {
            let variable = word.trim_end_matches(|c: char| !is_part(c));
            let (_, end) = word.split_at(variable.len());
            let is_its = DESTINATION_VARIABLES.contains(&variable);
            let suffix = if is_its { self.suffix() } else { String::new() };
            own.extend([variable, &suffix, end]);
        }
        own
    }

    /// Where Prometheus posts what is for this destination.
    pub fn write_path(&self) -> String {
        format!("/{self}{WRITE_PATH}")
    }
}

/// One destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// What it is called; `None` for the unnamed one.
    pub name: Option<DestinationName>,
    /// What a sidecar for it alone would be told.
    pub settings: Settings,
}

impl Destination {
    /// Its name in logs, metrics and reports; empty for the unnamed one.
    pub fn label(&self) -> &str {
        self.name.as_ref().map_or("", DestinationName::as_str)
    }

    /// Where Prometheus posts what is for it.
    pub fn write_path(&self) -> String {
        self.name.as_ref().map_or_else(|| WRITE_PATH.to_owned(), DestinationName::write_path)
    }
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_LABEL_BYTES).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_dns_labels() {
        let longest = "a".repeat(63);
        for good in ["tenants", "us-east", "a", "0", "a--b", &longest] {
            assert!(good.parse::<DestinationName>().is_ok(), "{good:?}");
        }
        let too_long = "a".repeat(64);
        for bad in ["", "-a", "a-", "Tenants", "us_east", "a.b", "a/b", " a", "a\n", "ä", &too_long]
        {
            assert!(bad.parse::<DestinationName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_in_variables_and_path() {
        let name: DestinationName = "us-east".parse().unwrap();
        assert_eq!(name.variable(env::INGESTION_URL), "INGESTION_URL_US_EAST");
        assert_eq!(name.write_path(), "/us-east/api/v1/write");
    }

    #[test]
    fn texts_name_its_own_variables() {
        let name: DestinationName = "us-east".parse().unwrap();
        for (text, own) in [
            ("check CLOUD, and INGESTION_URL.", "check CLOUD_US_EAST, and INGESTION_URL_US_EAST."),
            ("(AZURE_CLIENT_ID=a)", "(AZURE_CLIENT_ID_US_EAST=a)"),
            (
                "INGESTION_URL_TENANTS, CLOUDS, HTTPS_PROXY",
                "INGESTION_URL_TENANTS, CLOUDS, HTTPS_PROXY",
            ),
            ("ä CLOUD", "ä CLOUD_US_EAST"),
            ("", ""),
        ] {
            assert_eq!(name.in_text(text), own);
            assert_eq!(name.in_text(&name.in_text(text)), own, "once");
        }
    }

    #[test]
    fn other_variables_name_no_destination() {
        for bad in ["", "_", "TENANTS", "_tenants", "_Tenants", "__A", "_A_", "_US-EAST", "_Ä"] {
            assert_eq!(DestinationName::of_suffix(bad), None, "{bad:?}");
        }
    }

    /// Otherwise a variable could be read in two ways.
    #[test]
    fn no_variable_is_another_ones_with_a_suffix() {
        for variable in DESTINATION_VARIABLES {
            for other in DESTINATION_VARIABLES {
                let suffix = other.strip_prefix(variable).unwrap_or_default();
                assert_eq!(DestinationName::of_suffix(suffix), None, "{variable} {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn name_and_suffix_lead_to_each_other(name in "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?") {
            let name: DestinationName = name.parse().unwrap();
            prop_assert_eq!(DestinationName::of_suffix(&name.suffix()), Some(name));
        }

        #[test]
        fn a_suffix_has_one_name(suffix in "_[A-Z0-9_]{0,20}") {
            if let Some(name) = DestinationName::of_suffix(&suffix) {
                prop_assert_eq!(name.suffix(), suffix);
            }
        }
    }
}
