use std::time::Duration;

use super::*;

#[test]
fn both_texts_declare_what_they_hold() {
    let exposition = Exposition::new("1.0.0", "userAssigned", "aks \"1\"");
    let metrics = exposition.destination("");
    metrics.answered("204".into(), 204);
    metrics.token_ends(SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
    let text = exposition.text().unwrap();
    for line in [
        "# TYPE prom_remotewrite_requests_total counter",
        "prom_remotewrite_requests_total{upstream=\"204\",answered=\"204\",destination=\"\"} 1",
        "# TYPE prom_remotewrite_build_info gauge",
        "prom_remotewrite_build_info{version=\"1.0.0\",identity_type=\"userAssigned\",cluster=\"aks \\\"1\\\"\"} 1",
        "prom_remotewrite_token_expiry_timestamp_seconds{destination=\"\"} 1000.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for line in [
        "prom_remotewrite_requests_total{upstream=\"413\",answered=\"413\",destination=\"\"} 0",
        "prom_remotewrite_refused_requests_total{reason=\"in_flight_limit\",destination=\"\"} 0",
        "prom_remotewrite_refused_samples_total{reason=\"not_tried\",destination=\"\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is there from the start\n{text}");
    }
    assert!(!text.contains("EOF"));
    assert!(exposition.open_metrics().unwrap().ends_with("# EOF\n"));
}

#[test]
fn each_destination_has_its_own_and_each_metric_is_declared_once() {
    let exposition = Exposition::new("1.0.0", "userAssigned", "");
    let (unnamed, tenants) = (exposition.destination(""), exposition.destination("tenants"));
    unnamed.received_bytes.inc_by(1);
    tenants.received_bytes.inc_by(2);
    tenants.refusals().count(Refusal::NoToken);
    let text = exposition.text().unwrap();
    for line in [
        "prom_remotewrite_received_bytes_total{destination=\"\"} 1",
        "prom_remotewrite_received_bytes_total{destination=\"tenants\"} 2",
        "prom_remotewrite_refused_requests_total{reason=\"no_token\",destination=\"\"} 0",
        "prom_remotewrite_refused_requests_total{reason=\"no_token\",destination=\"tenants\"} 1",
        "prom_remotewrite_refused_requests_total{reason=\"wrong_path\",destination=\"\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("{reason=\"wrong_path\",destination=\"tenants\"}"), "nobody's");
    let mut declared: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let all = declared.len();
    declared.sort_unstable();
    declared.dedup();
    assert_eq!(declared.len(), all);
}

#[test]
fn where_every_destination_is_named_no_metric_is_about_another() {
    let exposition = Exposition::new("1.0.0", "userAssigned", "");
    let _tenants = exposition.destination("tenants");
    let text = exposition.text().unwrap();
    assert!(!text.contains("token_expiry_timestamp_seconds{destination=\"\"}"), "{text}");
}
