//! Nothing that is secret is ever written anywhere but to Azure.

use std::fmt::Write;

use tests::{
    azure::{Fault, Service},
    machine::process::Program,
    product::binaries,
};

use super::{PATIENCE, Stage, batch};

#[tokio::test]
async fn a_whole_run_writes_no_token_no_assertion_and_no_key() {
    let mut stage = Stage::new().await;
    stage.be_the_application();
    stage.set("LOG_LEVEL", "trace");
    stage.set("NATIVE_SIDECAR", "true");
    stage.set("HTTPS_PROXY", "http://user:proxy-password@proxy.invalid:3128");
    stage.set("NO_PROXY", "localhost");
    let mut rig = stage.ready().await;
    let faults = rig.azure().faults(Service::Ingestion);
    let mut written = String::new();
    for status in [204, 400, 401, 403, 404, 413, 429, 500] {
        faults.push(Fault::status(status).body("refused"));
        let reply = rig.post(batch(["up"])).await;
        write!(written, "{:?} {}", reply.headers, reply.text()).unwrap();
    }
    rig.azure().faults(Service::Entra).push(Fault::status(401).body(
        "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS700027: x\\r\\nTrace\"}",
    ));
    rig.azure().tokens().revoke_all();
    written.push_str(&rig.post(batch(["up"])).await.text());
    for path in ["/metrics", "/ready", "/health"] {
        written.push_str(&rig.client.get(&rig.url(path)).await.unwrap().text());
    }
    written.push_str(&rig.end().await);
    assert!(written.contains("token obtained"), "{written}");
    for (token, _) in rig.azure().tokens().all() {
        for part in token.split('.') {
            assert!(!written.contains(part), "a token was written:\n{written}");
        }
    }
    for secret in ["Bearer", "client_assertion", "PRIVATE KEY", "proxy-password", "eyJ"] {
        assert!(!written.contains(secret), "{secret} was written:\n{written}");
    }
}

#[tokio::test]
async fn a_bad_configuration_ends_with_78_and_every_error() {
    let file = binaries::find(binaries::SIDECAR).unwrap();
    let program = Program::new("sidecar", file)
        .env("INGESTION_URL", "http://user:secret@example.com/")
        .env("IDENTITY_TYPE", "userasigned")
        .env("LISTENING_PORT", "0");
    let mut process = program.start().unwrap();
    let status = process.wait(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(78));
    let output = process.output();
    for part in ["INGESTION_URL", "IDENTITY_TYPE", "LISTENING_PORT", "did you mean"] {
        assert!(output.contains(part), "{part}:\n{output}");
    }
    assert!(!output.contains("secret"), "{output}");
}

/// Whatever sends back what it was sent, in whatever form, at whatever status.
#[tokio::test]
async fn a_token_in_a_response_is_not_logged() {
    let mut stage = Stage::new().await;
    stage.set("LOG_LEVEL", "trace");
    let mut rig = stage.ready().await;
    let faults = rig.azure().faults(Service::Ingestion);
    let (token, _) = rig.azure().tokens().all().remove(0);
    let mut written = String::new();
    for status in [200, 400, 401, 403, 404, 407, 409, 413, 415, 429, 500, 503] {
        for body in [
            format!("authorization: Bearer {token}"),
            format!(r#"{{"error":{{"code":"x","message":"got \"Bearer {token}\""}}}}"#),
            format!("headers=authorization%3DBearer%20{token}&x"),
            format!("<pre>Authorization: Bearer {}...</pre>", &token[..40]),
            format!("...{}", &token[token.len() - 30..]),
            format!("middle {} of it", &token[token.len() / 2..token.len() / 2 + 25]),
            token.split_at(64).0.to_owned() + "\r\n" + token.split_at(64).1,
            "Proxy-Authorization: Basic dXNlcjpzM2NyZXQ= via http://user:s3cret@proxy/".to_owned(),
        ] {
            // As often as a 401 is replayed and a 400 is cut.
            faults
                .push_times(2, &Fault::status(status).header("x-ms-request-id", &token).body(body));
            let reply = rig.post(batch(["up"])).await;
            write!(written, "{:?} {}", reply.headers, reply.text()).unwrap();
            faults.clear();
        }
    }
    written.push_str(&rig.end().await);
    for start in 0..token.len() - 20 {
        let part = &token[start..start + 20];
        assert!(!written.contains(part), "{part} of a token was written:\n{written}");
    }
    for secret in ["eyJ", "dXNlcjpz", "s3cret"] {
        assert!(!written.contains(secret), "{secret} was written:\n{written}");
    }
    assert!(written.contains("Azure says"), "{written}");
}

#[tokio::test]
async fn no_error_shows_a_proxys_password() {
    let file = binaries::find(binaries::SIDECAR).unwrap();
    for proxy in [
        "user:s3cret@proxy.example:99999",
        "http://user:s3cret@proxy.example:port",
        "http://user:12#s3cret@proxy.example:3128",
        "http://user:12/s3cret@proxy.example:3128",
        "user:p@s3cret:x?/@proxy.example/path",
        "socks5://user:s3cret@proxy.example",
        "user:s3cret",
    ] {
        for arguments in [&[][..], &["check"], &["check", "--output", "json"]] {
            let program = Program::new("sidecar", file.clone())
                .args(arguments.iter().copied())
                .env("INGESTION_URL", "https://localhost:1/")
                .env("IDENTITY_TYPE", "systemAssigned")
                .env("HTTPS_PROXY", proxy);
            let mut process = program.start().unwrap();
            assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(78), "{proxy}");
            let output = process.output();
            assert!(output.contains("HTTPS_PROXY") && !output.contains("s3cret"), "{output}");
        }
    }
}

#[tokio::test]
async fn a_host_that_no_certificate_can_name_is_an_error_at_start() {
    let file = binaries::find(binaries::SIDECAR).unwrap();
    for (name, value) in [
        ("INGESTION_URL", "https://dce-.westeurope-1.metrics.ingest.monitor.azure.com/"),
        ("INGESTION_URL", "https://-dce.westeurope-1.metrics.ingest.monitor.azure.com/"),
        ("INGESTION_URL", "https://dce..metrics.ingest.monitor.azure.com/"),
        ("AZURE_AUTHORITY_HOST", "https://login-.example"),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "https://imds-.example"),
    ] {
        let program = Program::new("sidecar", file.clone())
            .env("INGESTION_URL", "https://localhost:1/")
            .env("IDENTITY_TYPE", "systemAssigned")
            .env(name, value);
        let mut process = program.start().unwrap();
        assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(78), "{value}");
        let output = process.output();
        assert!(output.contains(name) && output.contains("a certificate can name"), "{output}");
    }
}
