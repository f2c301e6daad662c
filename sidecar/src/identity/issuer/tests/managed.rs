use super::*;

fn imds(token: &str) -> String {
    format!(
        r#"{{"access_token":"{token}","client_id":"x","expires_in":"86399","expires_on":"1830086399","not_before":"1830000000","resource":"https://monitor.azure.com/","token_type":"Bearer"}}"#
    )
}

fn issuer(address: &str, kind: &str) -> Issuer {
    let variables = [
        (env::IDENTITY_TYPE, kind),
        (env::AZURE_CLIENT_ID, CLIENT),
        (env::AZURE_POD_IDENTITY_AUTHORITY_HOST, address),
    ];
    Issuer::new(&settings(&variables), &trusting(Vec::new()), now)
}

#[tokio::test]
async fn the_metadata_service_is_asked_as_it_wants_and_each_time_anew() {
    let service = StandIn::plain().await;
    let mut issuer = issuer(&service.address, "userAssigned");
    for name in ["one", "two"] {
        service.will(200, imds(name));
        let token = issuer.fetch().await.unwrap();
        assert_eq!(bearer(&token), name);
        assert_eq!(token.expires_on, UNIX_EPOCH + Duration::from_secs(1_830_086_399));
    }
    let seen = service.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].metadata.as_deref(), Some("true"));
    assert_eq!(
        seen[0].uri,
        format!(
            "/metadata/identity/oauth2/token?api-version=2019-08-01&resource=https%3A%2F%2Fmonitor.azure.com%2F&client_id={CLIENT}"
        )
    );
}

#[tokio::test]
async fn the_endpoint_of_a_platform_goes_before_the_metadata_service() {
    let service = StandIn::plain().await;
    let endpoint = format!("{}/msi/token", service.address);
    let variables = [
        (env::IDENTITY_TYPE, "userAssigned"),
        (env::AZURE_CLIENT_ID, CLIENT),
        (env::AZURE_POD_IDENTITY_AUTHORITY_HOST, "http://127.0.0.1:1"),
        (env::IDENTITY_ENDPOINT, &endpoint),
        (env::IDENTITY_HEADER, "s3cret"),
    ];
    let mut issuer = Issuer::new(&settings(&variables), &trusting(Vec::new()), now);
    service.will(200, imds("of the app"));
    let token = issuer.fetch().await.unwrap();
    assert_eq!(bearer(&token), "of the app");
    assert_eq!(token.expires_on, UNIX_EPOCH + Duration::from_secs(1_830_086_399));
    let seen = service.seen().remove(0);
    assert_eq!(seen.identity_header.as_deref(), Some("s3cret"));
    assert_eq!(
        seen.uri,
        format!(
            "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmonitor.azure.com%2F&client_id={CLIENT}"
        )
    );
    service.will(400, r#"{"statusCode":400,"message":"No identity with this id s3cret"}"#);
    let error = issuer.fetch().await.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::ImdsRefused);
    assert!(error.to_string().contains("az containerapp identity assign"), "{error}");
    assert!(!format!("{issuer:?}").contains("s3cret"));
}

#[tokio::test]
async fn the_nodes_own_identity_has_no_client_id() {
    let service = StandIn::plain().await;
    service.will(200, imds("own"));
    issuer(&service.address, "systemAssigned").fetch().await.unwrap();
    assert!(!service.seen()[0].uri.contains("client_id"));
}

#[tokio::test]
async fn one_fetch_is_one_attempt_whatever_the_answer() {
    let service = StandIn::plain().await;
    let mut issuer = issuer(&service.address, "userAssigned");
    for (status, kind, transient) in [
        (400, FetchErrorKind::ImdsRefused, false),
        (403, FetchErrorKind::ImdsRefused, false),
        (404, FetchErrorKind::ImdsRefused, true),
        (410, FetchErrorKind::ImdsRefused, true),
        (429, FetchErrorKind::Throttled, true),
        (500, FetchErrorKind::ImdsRefused, true),
        (503, FetchErrorKind::ImdsRefused, true),
        (302, FetchErrorKind::ImdsRefused, false),
        (200, FetchErrorKind::ImdsRefused, false),
    ] {
        service.will(status, "<html>");
        let error = issuer.fetch().await.unwrap_err();
        assert_eq!((error.kind, error.transient), (kind, transient), "{status}: {error}");
        assert_eq!(service.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let service = StandIn::plain().await;
    let mut issuer = issuer(&service.address, "userAssigned");
    for status in [429, 503] {
        service.will_after(status, "17");
        let error = issuer.fetch().await.unwrap_err();
        assert_eq!(error.retry_after, Some(Duration::from_secs(17)), "{status}");
    }
}

#[tokio::test]
async fn an_identity_that_the_node_does_not_have_is_explained() {
    let service = StandIn::plain().await;
    let body = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    service.will(400, body);
    let error = issuer(&service.address, "userAssigned").fetch().await.unwrap_err().to_string();
    for part in ["\"Identity not found\"", CLIENT, "az vmss identity assign", env::AZURE_CLIENT_ID]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    service.will(400, body);
    let error = issuer(&service.address, "systemAssigned").fetch().await.unwrap_err().to_string();
    assert!(error.contains("no system-assigned identity"), "{error}");
}

#[tokio::test]
async fn a_blocked_metadata_service_is_explained() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = issuer(&address, "userAssigned").fetch().await.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::ImdsUnreachable);
    assert!(error.transient);
    let text = error.to_string();
    for part in ["cannot reach", "IMDS", "refused", "NetworkPolicy"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_tokens_end_may_be_written_as_a_number_or_as_what_is_left() {
    let service = StandIn::plain().await;
    let mut issuer = issuer(&service.address, "userAssigned");
    let number = r#"{"access_token":"x","expires_on":1830086399}"#;
    let left = r#"{"access_token":"x","expires_in":"3600"}"#;
    for body in [number, left] {
        service.will(200, body.to_owned());
        issuer.fetch().await.unwrap();
    }
}

#[tokio::test]
async fn answers_that_hold_no_token_are_none() {
    let service = StandIn::plain().await;
    let mut issuer = issuer(&service.address, "userAssigned");
    for body in [
        imds(""),
        imds("a\\nb"),
        imds("x").replace("\"1830086399\"", "\"soon s3cret\"").replace("expires_in", "other"),
        r#"{"access_token":7}"#.to_owned(),
        "x".repeat(2 << 20),
    ] {
        service.will(200, body);
        let error = issuer.fetch().await.unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
    assert_eq!(service.seen().len(), 5);
}
