mod attempt;

use std::time::Duration;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tests::{
    azure::{Federation, Principal, SubjectTrust},
    keys::{
        authority::{ApplicationCertificate, Authority},
        jwt::Algorithm,
        secret,
    },
};

use self::attempt::{Attempt, refused};
use super::Scene;

#[tokio::test]
async fn a_signed_assertion_gets_a_token() {
    let scene = Scene::new().await;
    let body: Value =
        Attempt::good(&scene).send(&scene).await.successful().unwrap().json().unwrap();
    assert_eq!(body["token_type"], "Bearer");
    assert!(body["expires_in"].is_u64());
    let token = body["access_token"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["aud"], "https://monitor.azure.com/");
    assert_eq!(claims["appid"], *scene.application.client_id);
    assert_eq!(claims["tid"], *scene.azure.tenant());
}

#[tokio::test]
async fn an_assertion_must_be_signed_by_the_registered_certificate() {
    let scene = Scene::new().await;
    let foreign = ApplicationCertificate::new("foreign").unwrap();
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(foreign.thumbprint());
    refused(&scene, "a foreign key", 401, 700_027, |attempt| {
        attempt.key = foreign.key_der().to_vec();
    })
    .await;
    refused(&scene, "a foreign certificate", 401, 700_027, |attempt| {
        attempt.header["x5t#S256"] = thumbprint.into();
        attempt.key = foreign.key_der().to_vec();
    })
    .await;
    refused(&scene, "no thumbprint", 401, 700_027, |attempt| {
        attempt.header = json!({"alg": "PS256", "typ": "JWT"});
    })
    .await;
    refused(&scene, "another algorithm", 401, 700_027, |attempt| {
        attempt.algorithm = Algorithm::Rs256;
        attempt.header["alg"] = "RS256".into();
    })
    .await;
    refused(&scene, "another algorithm than it says", 401, 700_027, |attempt| {
        attempt.algorithm = Algorithm::Rs256;
    })
    .await;
    refused(&scene, "no token at all", 400, 50027, |attempt| {
        attempt.set("client_assertion", "a.b");
    })
    .await;

    scene.azure.change(|setup| setup.applications[0].certificates = vec![foreign.der().to_vec()]);
    refused(&scene, "a certificate that was taken away", 401, 700_027, |_| {}).await;
}

#[tokio::test]
async fn an_assertion_must_say_the_right_things() {
    let scene = Scene::new().await;
    let now = scene.azure.clock().seconds();
    refused(&scene, "another audience", 401, 700_023, |attempt| {
        attempt.claims["aud"] = "https://login.microsoftonline.com/x/oauth2/v2.0/token".into();
    })
    .await;
    refused(&scene, "another subject", 401, 700_021, |attempt| {
        attempt.claims["sub"] = Principal::new().client_id.into();
    })
    .await;
    refused(&scene, "expired", 401, 700_024, |attempt| {
        attempt.claims["nbf"] = (now - 400).into();
        attempt.claims["exp"] = (now - 100).into();
    })
    .await;
    refused(&scene, "not yet valid", 401, 700_024, |attempt| {
        attempt.claims["nbf"] = (now + 900).into();
        attempt.claims["exp"] = (now + 1000).into();
    })
    .await;
    refused(&scene, "valid for too long", 401, 700_024, |attempt| {
        attempt.claims["exp"] = (now + 3600).into();
    })
    .await;
    refused(&scene, "no jti", 401, 50027, |attempt| {
        attempt.claims.as_object_mut().unwrap().remove("jti");
    })
    .await;

    let once = Attempt::good(&scene);
    assert_eq!(once.send(&scene).await.status, 200);
    let replayed = once.send(&scene).await;
    assert_eq!(replayed.status, 401, "a replayed jti");
    scene.azure.clock().advance(Duration::from_secs(301));
    refused(&scene, "by the stand-in's clock", 401, 700_024, |attempt| {
        attempt.claims["exp"] = (now + 300).into();
        attempt.claims["nbf"] = now.into();
    })
    .await;
}

#[tokio::test]
async fn a_request_must_name_what_exists() {
    let scene = Scene::new().await;
    let stranger = Principal::new().client_id;
    refused(&scene, "a tenant", 400, 90002, |attempt| attempt.tenant = secret::uuid()).await;
    refused(&scene, "an application", 400, 700_016, |attempt| attempt.set("client_id", &stranger))
        .await;
    refused(&scene, "a resource", 400, 500_011, |attempt| {
        attempt.set("scope", "https://monitor.azure.co/.default");
    })
    .await;
    refused(&scene, "a scope", 400, 1_002_012, |attempt| {
        attempt.set("scope", "https://monitor.azure.com/");
    })
    .await;
    refused(&scene, "a grant", 400, 70003, |attempt| attempt.set("grant_type", "password")).await;
    refused(&scene, "an assertion's type", 401, 7_000_216, |attempt| {
        attempt.set("client_assertion_type", "jwt");
    })
    .await;
    refused(&scene, "a parameter", 400, 900_144, |attempt| {
        attempt.form.retain(|(name, _)| *name != "grant_type");
    })
    .await;
    assert_eq!(scene.azure.tokens().count(), 0);
}

#[tokio::test]
async fn a_service_account_is_trusted_by_issuer_subject_and_key() {
    let scene = Scene::new().await;
    let cluster = ApplicationCertificate::new("the cluster's issuer").unwrap();
    let (issuer, subject) = ("https://issuer.example", "system:serviceaccount:monitoring:kps");
    let keys = vec![cluster.public_key().unwrap()];
    scene.azure.change(|setup| {
        let federation = Federation { issuer: issuer.into(), subject: subject.into(), keys };
        setup.applications[0].federations.push(federation);
    });
    let now = scene.azure.clock().seconds();
    let projected = |attempt: &mut Attempt| {
        attempt.algorithm = Algorithm::Rs256;
        attempt.header = json!({"alg": "RS256", "kid": "1"});
        attempt.key = cluster.key_der().to_vec();
        attempt.claims = json!({
            "iss": issuer, "sub": subject, "aud": ["api://AzureADTokenExchange"],
            "iat": now, "nbf": now, "exp": now + 3600,
        });
    };
    let mut attempt = Attempt::good(&scene);
    projected(&mut attempt);
    assert_eq!(attempt.send(&scene).await.status, 200);
    assert_eq!(attempt.send(&scene).await.status, 200, "a projected token is used many times");

    refused(&scene, "a foreign key", 401, 70021, |attempt| {
        projected(attempt);
        attempt.key = scene.certificate.key_der().to_vec();
    })
    .await;
    refused(&scene, "another account", 401, 70021, |attempt| {
        projected(attempt);
        attempt.claims["sub"] = "system:serviceaccount:default:default".into();
    })
    .await;
    refused(&scene, "another audience", 401, 700_212, |attempt| {
        projected(attempt);
        attempt.claims["aud"] = json!(["https://kubernetes.default.svc"]);
    })
    .await;
}

#[tokio::test]
async fn a_chain_is_trusted_by_subject_and_issuer() {
    let scene = Scene::new().await;
    let authority = Authority::new("company").unwrap();
    let renewed = authority.application("prometheus.example").unwrap();
    let trust =
        SubjectTrust { subject: "prometheus.example".into(), authority: authority.der().to_vec() };
    scene.azure.change(|setup| {
        setup.applications[0].certificates.clear();
        setup.applications[0].issuers.push(trust);
    });
    let bring = |attempt: &mut Attempt, leaf: &ApplicationCertificate| {
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(leaf.thumbprint());
        let chain = [leaf.der(), authority.der()].map(|der| BASE64_STANDARD.encode(der));
        attempt.header =
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint, "x5c": chain});
        attempt.key = leaf.key_der().to_vec();
    };
    let mut attempt = Attempt::good(&scene);
    bring(&mut attempt, &renewed);
    assert_eq!(attempt.send(&scene).await.status, 200);

    refused(&scene, "no chain", 401, 700_027, |attempt| {
        bring(attempt, &renewed);
        attempt.header.as_object_mut().unwrap().remove("x5c");
    })
    .await;
    let other_subject = authority.application("other.example").unwrap();
    refused(&scene, "another subject", 401, 700_027, |attempt| bring(attempt, &other_subject))
        .await;
    let impostor = Authority::new("company").unwrap().application("prometheus.example").unwrap();
    refused(&scene, "another issuer", 401, 700_027, |attempt| bring(attempt, &impostor)).await;
    refused(&scene, "another key", 401, 700_027, |attempt| {
        bring(attempt, &renewed);
        attempt.key = impostor.key_der().to_vec();
    })
    .await;
}
