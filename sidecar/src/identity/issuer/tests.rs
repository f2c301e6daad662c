mod application;
mod managed;
mod proxy;
mod stand_in;
mod workload;

use std::{
    fs,
    time::{Duration, UNIX_EPOCH},
};

use super::*;
use stand_in::{StandIn, trusting};

const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
const TENANT: &str = "contoso.onmicrosoft.com";
const URL: &str = "https://x.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-00000000000000000000000000000000/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

/// 2027-12-28: within the life of every fixture but the expired one.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_830_000_001)
}

/// Settings with the variables that every identity needs, and these.
fn settings(variables: &[(&str, &str)]) -> Settings {
    let lookup = |name: &str| {
        let variable = variables.iter().find(|(key, _)| *key == name);
        let usual = (name == env::INGESTION_URL).then_some(URL);
        variable.map(|(_, value)| *value).or(usual).map(ToOwned::to_owned)
    };
    Settings::from_env(lookup).unwrap_or_else(|errors| panic!("{}", contract::report(&errors)))
}

/// What Entra answers.
fn granted(token: &str) -> String {
    format!(
        r#"{{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"{token}"}}"#
    )
}

/// What Entra refuses with, escapes included.
fn refused(code: u32) -> String {
    format!(
        r#"{{"error":"invalid_client","error_description":"AADSTS{code}: No.\r\nTrace ID: 1","error_codes":[{code}]}}"#
    )
}

fn bearer(token: &Token) -> &str {
    token.authorization.to_str().unwrap().strip_prefix("Bearer ").unwrap()
}

#[test]
fn an_issuer_can_move_between_threads_while_it_fetches() {
    fn assert_send<T: Send>(_: T) {}
    let settings = settings(&[(env::IDENTITY_TYPE, "systemAssigned")]);
    let mut issuer = Issuer::new(&settings, &trusting(Vec::new()), now);
    assert_send(issuer.fetch());
}
