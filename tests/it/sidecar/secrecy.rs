//! Nothing that is secret is ever written anywhere but to Azure.

use std::fmt::Write;

use tests::azure::{Fault, Service};

use super::{Stage, batch};

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
    drop(std::mem::replace(&mut rig.client, tests::client::Client::plain()));
    rig.process.stop(super::PATIENCE).await.unwrap();
    written.push_str(&rig.process.output());
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
async fn a_bad_configuration_ends_with_78_and_every_mistake() {
    let file = tests::binaries::find(tests::binaries::SIDECAR).unwrap();
    let program = tests::process::Program::new("sidecar", file)
        .env("INGESTION_URL", "http://user:secret@example.com/")
        .env("IDENTITY_TYPE", "userasigned")
        .env("LISTENING_PORT", "0");
    let mut process = program.start().unwrap();
    let status = process.wait(super::PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(78));
    let output = process.output();
    for part in ["INGESTION_URL", "IDENTITY_TYPE", "LISTENING_PORT", "did you mean"] {
        assert!(output.contains(part), "{part}:\n{output}");
    }
    assert!(!output.contains("secret"), "{output}");
}
