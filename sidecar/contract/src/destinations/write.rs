//! The environment of several destinations, written.

use super::Destinations;
use crate::{
    Cloud, DESTINATION_VARIABLES, Destination, Identity, ResponseMode, Settings, TokenProxy,
    names::env, settings::path_text,
};

impl Destinations {
    /// The variables that make a sidecar have these destinations. What a destination
    /// would take over, and shall not have, is written out.
    pub fn to_env(&self) -> Vec<(String, String)> {
        let shared = self.sidecar().to_env().into_iter();
        let is_unnamed = self.first.name.is_none();
        let mut variables: Vec<(String, String)> = shared
            .filter(|(name, _)| is_unnamed || !DESTINATION_VARIABLES.contains(name))
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let unnamed = Some(self.sidecar()).filter(|_| is_unnamed);
        variables.extend(self.iter().flat_map(|destination| named(destination, unnamed)));
        variables
    }
}

/// The variables of a named destination beside those of the unnamed one.
fn named(destination: &Destination, unnamed: Option<&Settings>) -> Vec<(String, String)> {
    let Destination { name: Some(name), settings } = destination else { return Vec::new() };
    let mut variables = identity(settings);
    let usual_cloud = unnamed.map_or_else(Cloud::default, |one| one.cloud);
    let is_other_cloud = settings.cloud != usual_cloud;
    let mut add = |variable, value: Option<String>| {
        variables.extend(value.map(|value| (variable, value)));
    };
    let chain = sends_chain(settings);
    let other_chain = chain != unnamed.is_some_and(sends_chain);
    add(env::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN, other_chain.then(|| chain.to_string()));
    add(env::CLOUD, is_other_cloud.then(|| settings.cloud.to_string()));
    let differs = is_other_cloud || unnamed.is_none_or(|one| one.audience != settings.audience);
    add(env::INGESTION_AAD_AUDIENCE, differs.then(|| settings.audience.to_string()));
    let authority = |one: &Settings| one.identity.authority().map(ToString::to_string);
    let usual = || usual_cloud.authority().map(|host| host.to_string());
    let usual = unnamed.map_or_else(usual, authority);
    let own = authority(settings).filter(|own| is_other_cloud || usual.as_ref() != Some(own));
    add(env::AZURE_AUTHORITY_HOST, own);
    let usual = unnamed.map_or(ResponseMode::Protective, |one| one.response_mode);
    let differs = settings.response_mode != usual;
    add(env::RESPONSE_MODE, differs.then(|| settings.response_mode.to_string()));
    variables.into_iter().map(|(variable, value)| (name.variable(variable), value)).collect()
}

/// Where it writes, and as whom: always written, for whoever reads the pod.
fn identity(settings: &Settings) -> Vec<(&'static str, String)> {
    let Settings { ingestion_url, identity, .. } = settings;
    let mut variables = vec![
        (env::INGESTION_URL, ingestion_url.to_string()),
        (env::IDENTITY_TYPE, identity.kind().to_string()),
    ];
    let ids = [
        (env::AZURE_CLIENT_ID, identity.client_id().map(ToString::to_string)),
        (env::AZURE_TENANT_ID, identity.tenant_id().map(ToString::to_string)),
    ];
    variables.extend(ids.into_iter().filter_map(|(name, value)| Some((name, value?))));
    match identity {
        Identity::AadApplication { certificate, .. } => {
            variables.push((env::AZURE_CLIENT_CERTIFICATE_PATH, path_text(&certificate.path)));
            let password = certificate.password_file.as_ref();
            variables.extend(
                password.map(|path| (env::AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE, path_text(path))),
            );
        }
        Identity::WorkloadIdentity { token_file, token_proxy, .. } => {
            variables.push((env::AZURE_FEDERATED_TOKEN_FILE, path_text(token_file)));
            variables.extend(token_proxy.iter().flat_map(TokenProxy::to_env));
        }
        Identity::UserAssigned { .. } | Identity::SystemAssigned => {}
    }
    variables
}

fn sends_chain(settings: &Settings) -> bool {
    matches!(&settings.identity, Identity::AadApplication { certificate, .. } if certificate.send_chain)
}
