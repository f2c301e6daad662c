//! Any settings, and what holds for all of them.

use proptest::prelude::*;

use super::*;
use crate::{ByteSize, Certificate, ClientId, IdentityType, TenantId};

prop_compose! {
    fn token_proxies()(
        address in "https://[a-z]{1,9}(:8443)?(/[a-z]{1,4})?/?",
        name in prop::option::of("[a-z]{1,9}\\.ests\\.aks"),
        file in prop::option::of("/[a-z]{1,8}"),
        has_data in any::<bool>(),
    ) -> TokenProxy {
        let data = has_data.then(|| TokenProxyAuthority::Data(PEM.parse().unwrap()));
        TokenProxy {
            address: address.parse().unwrap(),
            server_name: name.map(|name| name.parse().unwrap()),
            authority: data.or(file.map(|path| TokenProxyAuthority::File(path.into()))),
        }
    }
}

prop_compose! {
    fn identities(cloud: Cloud)(
        kind in prop::sample::select(&IdentityType::ALL),
        password in prop::option::of("/[a-z]{1,8}"),
        path in "/[a-z]{1,8}/[a-z]{1,8}",
        send_chain in any::<bool>(),
        token_proxy in prop::option::of(token_proxies()),
        authority in prop::option::of("https://[a-z]{1,9}\\.example"),
    ) -> Identity {
        let client_id: ClientId = GUID.parse().unwrap();
        let tenant_id: TenantId = "contoso.onmicrosoft.com".parse().unwrap();
        let authority = authority.map(|text| text.parse().unwrap()).or(cloud.authority());
        let authority = authority.unwrap_or_else(|| "https://login.example".parse().unwrap());
        match kind {
            IdentityType::UserAssigned => Identity::UserAssigned { client_id },
            IdentityType::SystemAssigned => Identity::SystemAssigned,
            IdentityType::AadApplication => {
                let password_file = password.map(PathBuf::from);
                let certificate = Certificate { path: path.into(), password_file, send_chain };
                Identity::AadApplication { client_id, tenant_id, authority, certificate }
            }
            IdentityType::WorkloadIdentity => {
                let token_file = path.into();
                Identity::WorkloadIdentity { client_id, tenant_id, authority, token_file, token_proxy }
            }
        }
    }
}

fn durations() -> impl Strategy<Value = Duration> {
    (1_u64..=86_400_000).prop_map(Duration::from_millis)
}

prop_compose! {
    fn limits()(
        sizes in prop::array::uniform3(1_u64..1 << 40),
        max_connections in 1_u32..,
        times in prop::array::uniform4(durations()),
    ) -> Limits {
        let [one, other, max_decompressed]: [ByteSize; 3] =
            sizes.map(|bytes| bytes.to_string().parse().unwrap());
        let (max_in_flight, max_request) = (one.max(other), one.min(other));
        let [header_timeout, idle_timeout, upstream_timeout, shutdown_timeout] = times;
        Limits {
            max_in_flight, max_connections, max_request, max_decompressed,
            header_timeout, idle_timeout, upstream_timeout, shutdown_timeout,
        }
    }
}

prop_compose! {
    pub(crate) fn all_settings()(
        cloud in prop::sample::select(vec!["AzurePublic", "AzureGovernment", "AzureChina", "Custom", "INT"]),
    )(
        identity in identities(cloud.parse().unwrap()),
        cloud in Just(cloud),
        audience in prop::option::of("https://[a-z]{1,9}\\.example/{0,2}"),
        metadata in prop::option::of("http://127\\.0\\.0\\.1:[1-9][0-9]{3}"),
        cluster in prop::option::of("[a-z][a-z ]{0,6}[a-z]"),
        words in (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), prop::sample::select(LogLevel::WORDS)),
        port in 1_u16..,
        limits in limits(),
        proxy in prop::option::of(("http://[a-z]{1,9}:[1-9][0-9]{3}", "(|[a-z.]{1,9},[*])")),
        roots in prop::option::of("/[a-z]{1,8}"),
    ) -> Settings {
        let cloud: Cloud = cloud.parse().unwrap();
        let audience = audience
            .map(|text| text.parse().unwrap())
            .or(cloud.audience())
            .unwrap_or_else(|| "https://monitor.azure.example".parse().unwrap());
        Settings {
            listening_port: port.to_string().parse().unwrap(),
            cloud,
            metadata_host: metadata.map(|text| text.parse().unwrap()),
            cluster,
            accept_from: if words.0 { AcceptFrom::Any } else { AcceptFrom::Loopback },
            response_mode: if words.1 { ResponseMode::Transparent } else { ResponseMode::Protective },
            limits,
            native_sidecar: words.3,
            proxy: proxy.map(|(address, exceptions)| Proxy::new(&address, &exceptions).unwrap()),
            log_format: if words.2 { LogFormat::Json } else { LogFormat::Logfmt },
            log_level: words.4.parse().unwrap(),
            trusted_roots_file: roots.map(PathBuf::from),
            ..Settings::new(URL.parse().unwrap(), identity, audience)
        }
    }
}

proptest! {
    #[test]
    fn the_sidecar_reads_the_variables_of_the_webhook(settings in all_settings()) {
        let variables: BTreeMap<&str, String> = settings.to_env().into_iter().collect();
        prop_assert_eq!(variables.len(), settings.to_env().len(), "a variable is written twice");
        let read = Settings::from_env(|name| variables.get(name).cloned());
        prop_assert_eq!(read, Ok(settings));
    }

    #[test]
    fn no_environment_makes_it_panic(value in ".{0,40}", other in ".{0,40}") {
        let _ = Settings::from_env(|_| Some(value.clone()));
        let _ = Settings::from_env(|name| Some(if name.len() % 2 == 0 { value.clone() } else { other.clone() }));
    }
}
