//! The stand-in for Azure refuses what Azure refuses: without that, no other
//! test here would prove anything.

mod entra;
mod imds;
mod ingestion;
mod program;

use tests::{
    azure::{Azure, Principal, Setup},
    client::Client,
    keys::authority::ApplicationCertificate,
};

/// A stand-in with one managed identity, one application, and a rule to which
/// both may write.
struct Scene {
    azure: Azure,
    client: Client,
    identity: Principal,
    application: Principal,
    certificate: ApplicationCertificate,
    rule: String,
}

impl Scene {
    async fn new() -> Self {
        let (identity, application) = (Principal::new(), Principal::new());
        let certificate = ApplicationCertificate::new("application").unwrap();
        let setup = Setup::with_writers(&identity, &application, certificate.der());
        let rule = setup.rules[0].clone();
        let azure = Azure::start(setup).await.unwrap();
        let client = Client::new(azure.roots().unwrap());
        Self { azure, client, identity, application, certificate, rule: rule.id }
    }
}
