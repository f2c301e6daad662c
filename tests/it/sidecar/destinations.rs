//! Several destinations of one sidecar: each with a stand-in for Azure of its own, so
//! that what is stored at one is known to have come with its own identity, and so
//! that one may fail in any way while the others are watched.

mod apart;
mod memory;
mod settings;

use std::collections::BTreeMap;

use tests::{
    azure::{Azure, Principal, Service, Setup},
    client::Reply,
    keys::authority::ApplicationCertificate,
};

use super::{HEADERS, PATIENCE, Rig, Stage, batch, stored};

/// Another destination, and the stand-in behind it.
struct Other {
    name: &'static str,
    azure: Azure,
    rule: String,
    client_id: String,
}

impl Other {
    /// Adds a destination that writes as its own application.
    async fn beside(stage: &mut Stage, name: &'static str) -> Self {
        Self::with(stage, name, |_| {}).await
    }

    async fn with(stage: &mut Stage, name: &'static str, change: impl FnOnce(&mut Setup)) -> Self {
        let (identity, application) = (Principal::new(), Principal::new());
        let certificate = ApplicationCertificate::new(name).unwrap();
        let mut setup = Setup::with_writers(&identity, &application, certificate.der());
        let rule = setup.rules[0].id.clone();
        change(&mut setup);
        let azure = Azure::start(setup).await.unwrap();
        let roots = stage.file("ca.pem");
        let trusted = std::fs::read_to_string(&roots).unwrap() + &azure.trust();
        std::fs::write(&roots, trusted).unwrap();
        let path = stage.file(name);
        std::fs::write(&path, certificate.pfx().unwrap()).unwrap();
        let client_id = application.client_id;
        let suffix = name.replace('-', "_").to_uppercase();
        for (variable, value) in [
            ("INGESTION_URL", azure.ingestion_url(&rule)),
            ("IDENTITY_TYPE", "aadApplication".to_owned()),
            ("AZURE_CLIENT_ID", client_id.clone()),
            ("AZURE_TENANT_ID", azure.tenant()),
            ("AZURE_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap().to_owned()),
            ("AZURE_AUTHORITY_HOST", azure.authority_host().to_owned()),
        ] {
            stage.set(&format!("{variable}_{suffix}"), value);
        }
        Self { name, azure, rule, client_id }
    }

    fn path(&self) -> String {
        format!("/{}/api/v1/write", self.name)
    }

    async fn post(&self, rig: &Rig, body: impl Into<bytes::Bytes>) -> Reply {
        rig.client.post(&rig.url(&self.path()), &HEADERS, body).await.unwrap()
    }

    async fn status(&self, rig: &Rig, body: impl Into<bytes::Bytes>) -> u16 {
        self.post(rig, body).await.status.as_u16()
    }

    fn stored(&self) -> BTreeMap<String, usize> {
        stored(&self.azure, &self.rule)
    }
}

#[tokio::test]
async fn each_write_goes_to_its_destination_as_its_own_identity() {
    let mut stage = Stage::new().await;
    let tenants = Other::beside(&mut stage, "tenants").await;
    let us_east = Other::beside(&mut stage, "us-east").await;
    let mut rig = stage.ready().await;
    for round in 1..=3 {
        assert_eq!(rig.status(batch(["ops"])).await, 204);
        for (other, path) in
            [(&tenants, "/tenants/api/v1/write/"), (&us_east, "//us-east/api//v1/write?a=b")]
        {
            assert_eq!(other.status(&rig, batch([other.name])).await, 204);
            let body = batch([format!("{}-slashes", other.name).as_str()]);
            let reply = rig.client.post(&rig.url(path), &HEADERS, body).await.unwrap();
            assert_eq!(reply.status, 204, "{path}");
        }
        assert_eq!(rig.stored(), BTreeMap::from([("ops".to_owned(), round)]));
    }
    for other in [&tenants, &us_east] {
        let names = [other.name.to_owned(), format!("{}-slashes", other.name)];
        assert_eq!(other.stored(), names.map(|name| (name, 3)).into());
        let writers = other.azure.workspace(&other.rule, |workspace| workspace.writers.clone());
        assert_eq!(writers, BTreeMap::from([(other.client_id.clone(), 6)]));
        let series = |destination: &str| {
            format!(
                r#"prom_remotewrite_requests_total{{upstream="204",answered="204",destination="{destination}"}}"#
            )
        };
        assert_eq!(rig.metric(&series(other.name)).await, 6);
    }
    assert_eq!(
        rig.metric(r#"prom_remotewrite_requests_total{upstream="204",answered="204"}"#).await,
        3
    );
    let named = |line: &str| {
        (line.contains("destination=tenants") && line.contains("Azure accepts samples"))
            .then_some(())
    };
    rig.process.line("the log names the destination", PATIENCE, named).await.unwrap();
    let unnamed = rig.process.output();
    let unnamed = unnamed.lines().filter(|line| line.contains("Azure accepts samples"));
    assert_eq!(unnamed.filter(|line| !line.contains("destination=")).count(), 1);
}

#[tokio::test]
async fn tokens_are_shared_by_destinations_with_the_same_identity() {
    let mut stage = Stage::new().await;
    // All but the rule is taken from the unnamed destination.
    let rule = tests::azure::Rule::new([stage.variables["AZURE_CLIENT_ID"].clone()]);
    let id = rule.id.clone();
    stage.azure.change(|setup| setup.rules.push(rule));
    let url = stage.azure.ingestion_url(&id);
    stage.set("INGESTION_URL_SAME", url);
    let rig = stage.ready().await;
    assert_eq!(rig.status(batch(["ops"])).await, 204);
    let same = rig.url("/same/api/v1/write");
    assert_eq!(rig.client.post(&same, &HEADERS, batch(["same"])).await.unwrap().status, 204);
    assert_eq!(rig.asked(Service::Imds), 1);
    assert_eq!(stored(rig.azure(), &id), BTreeMap::from([("same".to_owned(), 1)]));
    assert_eq!(rig.stored(), BTreeMap::from([("ops".to_owned(), 1)]));
    let counted =
        r#"prom_remotewrite_token_fetches_total{reason="start",result="ok",destination="same"}"#;
    assert_eq!(rig.metric(counted).await, 1, "it counts for each");
}
