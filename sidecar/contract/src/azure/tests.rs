use super::*;

#[test]
fn every_documented_spelling_of_a_cloud() {
    for (text, cloud) in [
        ("AZUREPUBLIC", Cloud::AzurePublic),
        ("AZURE_PUBLIC", Cloud::AzurePublic),
        ("Prod", Cloud::AzurePublic),
        ("AZUREGOVERNMENT", Cloud::AzureGovernment),
        ("AZURE_GOVERNMENT", Cloud::AzureGovernment),
        ("AzureChina", Cloud::AzureChina),
        ("azure-china", Cloud::AzureChina),
        ("AZURE_CUSTOM", Cloud::Custom),
        ("INT", Cloud::Int),
    ] {
        assert_eq!(text.parse(), Ok(cloud), "{text}");
    }
    let rejected = "AzureGovermnent".parse::<Cloud>().unwrap_err();
    assert_eq!(rejected.suggestion.as_deref(), Some("AzureGovernment"));
}

#[test]
fn an_audience_gets_its_scope_once() {
    for (text, scope) in [
        ("https://monitor.azure.us/", "https://monitor.azure.us//.default"),
        ("https://monitor.azure.us//.default", "https://monitor.azure.us//.default"),
        ("https://monitor.azure.com", "https://monitor.azure.com/.default"),
        ("api://00001111-aaaa", "api://00001111-aaaa/.default"),
    ] {
        let audience: Audience = text.parse().unwrap();
        assert_eq!(audience.scope(), scope);
    }
    for bad in ["", "monitor", "https://", "https:///.default", "https://a b"] {
        assert!(bad.parse::<Audience>().is_err(), "{bad:?}");
    }
}

#[test]
fn authorities_are_https_and_bare() {
    for bad in [
        "http://login.example",
        "login.example",
        "https://user:pw@login.example",
        "https://login.example/tenant",
        "https://login.example/?a=b",
        "https://",
        "https://-login.example",
        "https://login..example",
    ] {
        assert!(bad.parse::<AuthorityHost>().is_err(), "{bad:?}");
    }
    let host: AuthorityHost = "https://login.example/".parse().unwrap();
    assert_eq!(host.to_string(), "https://login.example");
    assert!("http://127.0.0.1:40342".parse::<MetadataHost>().is_ok());
    assert!("https://imds-.example".parse::<MetadataHost>().is_err());
}
