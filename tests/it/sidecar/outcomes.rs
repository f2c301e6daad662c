//! The response to Prometheus, for everything that Azure may do.

use std::time::{Duration, Instant};

use tests::{
    azure::{Fault, Moment, Service},
    machine::ports,
};

use super::{PATIENCE, Stage, batch, few, noise};

#[tokio::test]
async fn every_status_in_both_modes() {
    // What Azure answers (with Retry-After), and the response to Prometheus.
    type Row = (u16, Option<&'static str>, (u16, Option<&'static str>));
    const PROTECTIVE: [Row; 18] = [
        (200, None, (200, None)),
        (204, None, (204, None)),
        (301, None, (502, None)),
        (307, None, (502, None)),
        // It is not given up for one refusal: it is sent again once something else was
        // accepted.
        (400, None, (503, Some("2"))),
        (403, None, (503, Some("5"))),
        (404, None, (503, Some("5"))),
        (408, None, (503, Some("5"))),
        (409, None, (409, None)),
        (415, None, (415, None)),
        (429, None, (503, Some("1"))),
        (429, Some("7"), (503, Some("7"))),
        (429, Some("900"), (503, Some("30"))),
        (500, None, (500, None)),
        (502, None, (502, None)),
        (503, Some("3"), (503, Some("3"))),
        (503, Some("900"), (503, Some("30"))),
        (504, None, (504, None)),
    ];
    for mode in ["protective", "transparent"] {
        let mut stage = Stage::new().await;
        stage.set("RESPONSE_MODE", mode);
        let rig = stage.ready().await;
        let faults = rig.azure().faults(Service::Ingestion);
        for (status, after, answered) in PROTECTIVE {
            let mut fault = Fault::status(status).header("location", "https://localhost:1/");
            if let Some(after) = after {
                fault = fault.header("retry-after", after);
            }
            faults.push(fault);
            // Of one series: nothing is left of it to try on its own.
            let reply = rig.post(few(["up"])).await;
            let said = reply.headers.get("retry-after").map(|value| value.to_str().unwrap());
            let redirect = (300..400).contains(&status);
            let expected =
                if mode == "protective" || redirect { answered } else { (status, after) };
            assert_eq!((reply.status.as_u16(), said), expected, "{mode} {status} {after:?}");
            assert_eq!(faults.waiting(), 0, "{mode} {status}: one request each");
        }
    }
}

#[tokio::test]
async fn the_reason_reaches_prometheus_and_the_log() {
    let mut rig = Stage::with(|setup| setup.rules[0].writers.clear()).await.ready().await;
    let reply = rig.post(batch(["up"])).await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("IsRbacPresent: False"), "{}", reply.text());
    for _ in 0..5 {
        assert_eq!(rig.status(batch(["up"])).await, 503);
    }
    let explained = |line: &str| line.contains("Monitoring Metrics Publisher").then_some(());
    rig.process.line("the log says what to do", PATIENCE, explained).await.unwrap();
    let log = rig.process.output();
    assert_eq!(log.matches("the identity may not write").count(), 1, "once a minute:\n{log}");
    assert_eq!(
        rig.metric("prom_remotewrite_requests_total{upstream=\"403\",answered=\"503\"}").await,
        6
    );
}

#[tokio::test]
async fn the_log_names_the_cause_of_each_kind_of_refusal() {
    const PAGE: &str = "<!DOCTYPE html><html><head><title>Access blocked</title></head></html>";
    const RULE: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-monitoring/providers/microsoft.insights/datacollectionrules/dcr-prometheus";
    let no_role = format!(
        r#"{{"error":{{"code":"OperationFailed","message":"PipelineAccessResult: AccessGranted: False, IsRbacPresent: False, IsDcrDceBindingValid: , DcrArmId: {RULE}, Message: Required authorization action was not found."}}}}"#
    );
    let command = format!("--role 'Monitoring Metrics Publisher' --scope {RULE};");
    for (status, body, words) in [
        (403, no_role.as_str(), command.as_str()),
        (403, "", "private link"),
        (403, PAGE, "the answer says \\\"Access blocked\\\""),
        (
            403,
            "The data collection endpoint accepts private link traffic only.",
            "private endpoint",
        ),
        (404, "", "INGESTION_URL"),
        (415, "", "protobuf_message"),
        (429, "", "data collection rule (15,000 requests"),
        (503, PAGE, "does not come from Azure Monitor"),
    ] {
        let mut rig = Stage::new().await.ready().await;
        let fault = Fault::status(status).body(body.to_owned());
        rig.azure().faults(Service::Ingestion).push(fault);
        rig.post(batch(["up"])).await;
        let said = |line: &str| line.contains(words).then_some(());
        rig.process.line(words, PATIENCE, said).await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_by_a_server_with_another_time_names_the_clock() {
    const NOON: &str = "Thu, 01 Jan 1970 12:00:00 GMT";
    for (service, status) in
        [(Service::Ingestion, 401), (Service::Ingestion, 400), (Service::Imds, 400)]
    {
        let stage = Stage::new().await;
        let fault = Fault::status(status).header("date", NOON).body("no");
        stage.azure.faults(service).always(fault);
        let mut rig = stage.start().await;
        rig.post(batch(["up"])).await;
        let said = |line: &str| line.contains("set it (NTP)").then_some(());
        let what = format!("the log of {status} by {service:?}");
        rig.process.line(&what, PATIENCE, said).await.unwrap();
    }
}

#[tokio::test]
async fn success_with_a_web_page_stored_nothing() {
    let mut rig = Stage::new().await.ready().await;
    for (name, body) in [("few", few(["few"])), ("many", batch(["many"]))] {
        let login = Fault::status(200)
            .header("content-type", "text/html; charset=utf-8")
            .body("<html><title>Log in to the network</title></html>");
        rig.azure().faults(Service::Ingestion).push(login);
        assert_eq!(rig.status(body.clone()).await, 503, "{name}");
        assert_eq!(rig.status(body).await, 204, "{name}");
        assert_eq!(rig.stored()[name], 1);
    }
    let said = |line: &str| line.contains("answers with a web page").then_some(());
    rig.process.line("the line names the cause", PATIENCE, said).await.unwrap();
    let counted = r#"prom_remotewrite_upstream_failures_total{reason="page"}"#;
    assert_eq!(rig.metric(counted).await, 2);
}

#[tokio::test]
async fn the_log_names_who_answered_and_the_ids_for_a_support_case() {
    let mut rig = Stage::new().await.ready().await;
    let fault = Fault::status(403)
        .header("server", "squid/6.1")
        .header("x-ms-request-id", "5f1a7a0c-1111-4222-8333-444455556666")
        .header("x-ms-correlation-request-id", "6f1a7a0c-1111-4222-8333-444455556666");
    rig.azure().faults(Service::Ingestion).push(fault);
    rig.post(few(["up"])).await;
    let said = |line: &str| {
        let parts = ["server: squid/6.1", "x-ms-request-id: 5f1a7a0c", "request-id: 6f1a7a0c"];
        parts.iter().all(|part| line.contains(part)).then_some(())
    };
    rig.process.line("the line has the ids", PATIENCE, said).await.unwrap();
}

#[tokio::test]
async fn the_log_says_what_to_do_where_azure_cannot_be_reached() {
    for (reason, cause, advice) in [
        ("connect", "Connection refused", "NetworkPolicy"),
        ("tls", "agree on TLS", "something other than the ingestion endpoint"),
    ] {
        let mut stage = Stage::new().await;
        let port = match reason {
            "connect" => ports::free().unwrap().to_string(),
            // Of something that speaks no TLS.
            _ => stage.azure.metadata_host().rsplit_once(':').unwrap().1.to_owned(),
        };
        let url = format!("https://localhost:{port}/dataCollectionRules/r/streams/s/api/v1/write");
        stage.set("INGESTION_URL", url);
        let mut rig = stage.ready().await;
        for _ in 0..5 {
            assert_eq!(rig.status(batch(["up"])).await, 503);
        }
        let said = |line: &str| {
            [cause, advice, "localhost", "Prometheus retries it"]
                .iter()
                .all(|part| line.contains(part))
                .then_some(())
        };
        rig.process.line("the log says what to do", PATIENCE, said).await.unwrap();
        let log = rig.process.output();
        assert_eq!(log.matches("Prometheus retries it").count(), 1, "once a minute:\n{log}");
        let failures = format!("prom_remotewrite_upstream_failures_total{{reason=\"{reason}\"}}");
        assert_eq!(rig.metric(&failures).await, 5);
    }
}

#[tokio::test]
async fn connections_that_break() {
    let mut stage = Stage::new().await;
    stage.set("UPSTREAM_TIMEOUT", "2s");
    let rig = stage.ready().await;
    let faults = rig.azure().faults(Service::Ingestion);
    for moment in [Moment::BeforeBody, Moment::MidBody, Moment::AfterBody, Moment::AfterWork] {
        // Twice: a kept connection that breaks before an answer is retried.
        faults.push_times(2, &Fault::drop(moment));
        let reply = rig.post(batch(["up"])).await;
        assert_eq!(reply.status, 503, "{moment:?}: {}", reply.text());
        assert_eq!(reply.headers["retry-after"], "1");
        faults.clear();
        assert_eq!(rig.status(batch(["up"])).await, 204, "after {moment:?}");
    }
    faults.push(Fault::hang());
    let begun = Instant::now();
    assert_eq!(rig.status(batch(["up"])).await, 504);
    let took = begun.elapsed();
    assert!((Duration::from_millis(1900)..Duration::from_secs(8)).contains(&took), "{took:?}");
    assert_eq!(rig.status(batch(["up"])).await, 204);
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_nothing() {
    let rig = Stage::new().await.ready().await;
    assert_eq!(rig.status(batch(["up"])).await, 204);
    rig.azure().faults(Service::Ingestion).push(Fault::drop(Moment::BeforeBody));
    assert_eq!(rig.status(batch(["up"])).await, 204);
    assert_eq!(rig.azure().connections(Service::Ingestion), 2);
}

#[tokio::test]
async fn connections_are_kept() {
    let rig = Stage::new().await.ready().await;
    for _ in 0..20 {
        assert_eq!(rig.status(batch(["up"])).await, 204);
    }
    assert_eq!(rig.azure().connections(Service::Ingestion), 1);
    assert_eq!(rig.stored()["up"], 20);
}

#[tokio::test]
async fn an_early_refusal_is_heard() {
    // The stand-in refuses by the announced length and closes without reading.
    let rig = Stage::new().await.ready().await;
    let body = snap::raw::Encoder::new().compress_vec(noise(1, 3_000_000).as_bytes()).unwrap();
    let reply = rig.post(body).await;
    assert_eq!(reply.status, 413, "{}", reply.text());
    assert!(reply.text().contains("ContentLengthLimitExceeded"));
}

#[tokio::test]
async fn only_allow_listed_headers_travel() {
    let rig = Stage::new().await.ready().await;
    let headers = [
        super::HEADERS.as_slice(),
        &[
            ("authorization", "Bearer foreign"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("retry-attempt", "3"),
            ("user-agent", "Prometheus/3.16.0"),
        ],
    ]
    .concat();
    let url = rig.url("/api/v1/write?tenant=x");
    let reply = rig.client.post(&url, &headers, batch(["up"])).await.unwrap();
    assert_eq!(reply.status, 204);
    let seen = rig.azure().requests(Service::Ingestion).pop().unwrap();
    let mut names: Vec<&str> = seen.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = [
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "retry-attempt",
        "user-agent",
        "x-prometheus-remote-write-version",
    ];
    assert_eq!(names, expected);
    assert!(!seen.target.contains("tenant"), "{}", seen.target);
    rig.azure().faults(Service::Ingestion).push(
        Fault::status(200).header("set-cookie", "a=b").header("server", "x").header("x-ms-id", "y"),
    );
    let reply = rig.post(batch(["up"])).await;
    let mut names: Vec<&str> = reply.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length"]);
}
