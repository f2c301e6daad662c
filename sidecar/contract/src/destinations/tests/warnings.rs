//! Variables that are valid, and probably wrong.

use super::*;

#[test]
fn valid_settings_that_look_wrong_cause_a_warning() {
    let warnings = |more: &[(&str, &str)]| {
        let url = URL.replace("dcr-0", "dcr-1");
        let more = [&[("INGESTION_URL_TENANTS", url.as_str())], more].concat();
        beside(&more).unwrap().warnings()
    };
    assert_eq!(warnings(&[("CLOUD_PROVIDER", "azure")]), Vec::<String>::new());
    assert_eq!(
        warnings(&[("CLOUD_TENNANTS", "AzureChina")]),
        [
            "CLOUD_TENNANTS is ignored, because there is no INGESTION_URL_TENNANTS (did you mean CLOUD_TENANTS?)"
        ]
    );
    assert_eq!(
        warnings(&[
            ("INGESTION_AAD_AUDIENCE", "https://monitor.azure.com/"),
            ("CLOUD_TENANTS", "AzureChina")
        ]),
        [
            "CLOUD_TENANTS is set and INGESTION_AAD_AUDIENCE_TENANTS is not: the audience is that of INGESTION_AAD_AUDIENCE"
        ]
    );
}

#[test]
fn misspelt_variables_are_doubted() {
    let one = [("INGESTION_URL", URL), ("IDENTITY_TYPE", "systemAssigned")];
    let warnings = |more: &[(&str, &str)]| read(&[&one, more].concat()).unwrap().warnings();
    assert_eq!(
        warnings(&[("MAX_REQUEST_BYTE", "1Mi"), ("UPSTREAM_TIMOUT", "9s"), ("idle_timeout", "9s")]),
        [
            "MAX_REQUEST_BYTE is ignored: did you mean MAX_REQUEST_BYTES?",
            "UPSTREAM_TIMOUT is ignored: did you mean UPSTREAM_TIMEOUT?",
            "idle_timeout is ignored: did you mean IDLE_TIMEOUT?",
        ]
    );
    let others = ["HTTP_PROXY", "https_proxy", "AZURE_CLIENT_SECRET", "CLUSTER_ID", "NO_COLOR"];
    assert_eq!(warnings(&others.map(|name| (name, "http://proxy:1"))), Vec::<String>::new());
    assert_eq!(warnings(&[("MAX_REQUEST_BYTE", "")]), Vec::<String>::new());
}

#[test]
fn a_variable_that_no_destination_reads_is_doubted() {
    let named = [
        ("INGESTION_URL_A", URL),
        ("IDENTITY_TYPE_A", "userAssigned"),
        ("AZURE_CLIENT_ID_A", GUID),
    ];
    let warnings = |more: &[(&str, &str)]| read(&[&named, more].concat()).unwrap().warnings();
    assert_eq!(warnings(&[]), Vec::<String>::new());
    // As the webhook of azure-workload-identity sets it in every container.
    assert_eq!(warnings(&[("AZURE_CLIENT_ID", OTHER)]), Vec::<String>::new());
    assert_eq!(
        warnings(&[("CLOUD", "AzureChina"), ("UPSTREAM_TIMEOUT_A", "5s"), ("PORT_A", "1")]),
        [
            "CLOUD is ignored, because every destination has a name: set CLOUD_A",
            "UPSTREAM_TIMEOUT_A is ignored: UPSTREAM_TIMEOUT is the same for all destinations",
        ]
    );
    assert_eq!(
        warnings(&[
            ("INGESTION_URL_B", URL),
            ("IDENTITY_TYPE_B", "systemAssigned"),
            ("RESPONSE_MODE", "transparent")
        ]),
        [
            "RESPONSE_MODE is ignored, because every destination has a name: set RESPONSE_MODE_A or RESPONSE_MODE_B",
            "INGESTION_URL_B is the same as INGESTION_URL_A: samples of both go to one data collection rule",
        ]
    );
}
