use super::*;

#[tokio::test]
async fn the_token_file_is_read_at_each_attempt_and_trimmed() {
    let (entra, dialer) = StandIn::tls().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let variables = [
        (env::IDENTITY_TYPE, "workloadIdentity"),
        (env::AZURE_CLIENT_ID, CLIENT),
        (env::AZURE_TENANT_ID, TENANT),
        (env::AZURE_FEDERATED_TOKEN_FILE, file.to_str().unwrap()),
        (env::AZURE_AUTHORITY_HOST, &entra.address),
    ];
    let mut issuer = Issuer::new(&settings(&variables), &dialer, now);

    let error = issuer.fetch().await.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::TokenFile);
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    fs::write(&file, " \n").unwrap();
    assert!(issuer.fetch().await.unwrap_err().to_string().contains("empty"));

    for content in ["eyJ.one.x\n", "eyJ.two.x"] {
        fs::write(&file, content).unwrap();
        entra.will(200, granted("token"));
        assert_eq!(bearer(&issuer.fetch().await.unwrap()), "token");
        let seen = entra.seen().remove(0);
        assert_eq!(seen.field("client_assertion"), content.trim());
        assert_eq!(seen.field("client_id"), CLIENT);
        assert_eq!(seen.field("scope"), "https://monitor.azure.com//.default");
        assert_eq!(seen.uri, format!("/{TENANT}/oauth2/v2.0/token"));
    }

    entra.will(400, refused(700_213));
    let error = issuer.fetch().await.unwrap_err();
    assert_eq!((error.kind, error.code), (FetchErrorKind::EntraRefused, Some(700_213)));
    assert!(error.to_string().contains("AADSTS700213: No."), "{error}");
    assert!(error.to_string().contains("api://AzureADTokenExchange"), "{error}");
}

#[tokio::test]
async fn an_authority_may_write_a_tokens_life_in_other_ways_but_must_write_it() {
    let (entra, dialer) = StandIn::tls().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "assertion").unwrap();
    let variables = [
        (env::IDENTITY_TYPE, "workloadIdentity"),
        (env::AZURE_CLIENT_ID, CLIENT),
        (env::AZURE_TENANT_ID, TENANT),
        (env::AZURE_FEDERATED_TOKEN_FILE, file.path().to_str().unwrap()),
        (env::AZURE_AUTHORITY_HOST, &entra.address),
    ];
    let mut issuer = Issuer::new(&settings(&variables), &dialer, now);
    for body in [
        r#"{"access_token":"x","token_type":"Bearer","expires_in":3599}"#,
        r#"{"access_token":"x","token_type":"Bearer","expires_in":"3599","expires_on":"0"}"#,
        r#"{"access_token":"x","expires_in":3599.0,"ext_expires_in":null}"#,
    ] {
        entra.will(200, body);
        assert_eq!(bearer(&issuer.fetch().await.unwrap()), "x", "{body}");
    }
    for body in [r#"{"access_token":"s3cret"}"#, r#"{"access_token":"s3cret","expires_in":-1}"#] {
        entra.will(200, body);
        let error = issuer.fetch().await.unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::EntraRefused);
        let text = error.to_string();
        assert!(text.contains("without a valid expires_on or expires_in"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}
