use std::time::Duration;

use super::*;

#[test]
fn both_texts_declare_what_they_hold() {
    let metrics = Metrics::new("1.0.0", "userAssigned", "aks \"1\"");
    metrics.requests.get_or_create(&Codes { upstream: "204".into(), answered: 204 }).inc();
    metrics.token_ends(SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
    let text = metrics.text().unwrap();
    for line in [
        "# TYPE prom_remotewrite_requests_total counter",
        "prom_remotewrite_requests_total{upstream=\"204\",answered=\"204\"} 1",
        "# TYPE prom_remotewrite_build_info gauge",
        "prom_remotewrite_build_info{version=\"1.0.0\",identity_type=\"userAssigned\",cluster=\"aks \\\"1\\\"\"} 1",
        "prom_remotewrite_token_expiry_timestamp_seconds 1000.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for line in [
        "prom_remotewrite_requests_total{upstream=\"413\",answered=\"413\"} 0",
        "prom_remotewrite_refused_requests_total{reason=\"in_flight_limit\"} 0",
        "prom_remotewrite_refused_samples_total{reason=\"not_tried\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is there from the start\n{text}");
    }
    assert!(!text.contains("EOF"));
    assert!(metrics.open_metrics().unwrap().ends_with("# EOF\n"));
}
