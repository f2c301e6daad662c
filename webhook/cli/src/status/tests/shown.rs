//! How what was found is shown.

use expect_test::expect_file;

use super::*;
use crate::status::render;

/// A text in which the webhook is of version 1.0.0.
fn said(text: &str) -> String {
    text.replace(&format!("{:<11}", webhook::VERSION), "1.0.0      ")
        .replace(&format!("\"{}\"", webhook::VERSION), "\"1.0.0\"")
}

#[test]
fn each_destination_has_a_line() {
    let refused = ("prom_remotewrite_refused_samples_total{reason=\"limit\"}", 2);
    let pods = vec![with_two("prometheus-0", &[refused]), injected("prometheus-1", &[])];
    let mut found = FoundCluster { pods, ..cluster() };
    *file(&mut found) = two_profiles();
    let overview = Overview::new(&[found], NOW);
    expect_file!["../../../testdata/golden/status-destinations.txt"]
        .assert_eq(&said(&render::text(&overview, true, NOW)));
    expect_file!["../../../testdata/golden/status-destinations.json"]
        .assert_eq(&said(&render::json(&overview)));
}

#[test]
fn it_is_shown() {
    let mut first = cluster();
    first.pods.push(injected(
        "prometheus-1",
        &[
            ("prom_remotewrite_refused_samples_total{reason=\"too_old\"}", 12),
            ("prom_remotewrite_refused_samples_total{destination=\"\",reason=\"limit\"}", 3),
            ("prom_remotewrite_certificate_expiry_timestamp_seconds", NOW + 61 * 86_400),
        ],
    ));
    first.pods.push(injected(
        "prometheus-0",
        &[
            ("prom_remotewrite_last_success_timestamp_seconds", 0),
            ("prom_remotewrite_received_bytes_total", 0),
        ],
    ));
    let mut unseen = injected("unseen", &[]);
    unseen.figures = None;
    first.pods.push(unseen);
    let mut plain = plain("bare", &[("inject", "true")]);
    plain.raw["metadata"]["creationTimestamp"] = json!(OLD);
    first.pods.push(plain);
    let overview = Overview::new(&[first], NOW);
    expect_file!["../../../testdata/golden/status.txt"]
        .assert_eq(&said(&render::text(&overview, false, NOW)));
    expect_file!["../../../testdata/golden/status-wide.txt"]
        .assert_eq(&said(&render::text(&overview, true, NOW)));
    expect_file!["../../../testdata/golden/status.json"].assert_eq(&said(&render::json(&overview)));
    let two = |name: &str| FoundCluster {
        context: Some(name.to_owned()),
        pods: vec![injected("prometheus-0", &[])],
        ..cluster()
    };
    let overview = Overview::new(&[two("west"), two("east")], NOW);
    expect_file!["../../../testdata/golden/status-contexts.txt"]
        .assert_eq(&said(&render::text(&overview, false, NOW)));
    let nothing = Overview::new(&[FoundCluster::default()], NOW);
    expect_file!["../../../testdata/golden/status-nothing.txt"]
        .assert_eq(&render::text(&nothing, false, NOW));
}

/// A sidecar's answer cannot steer the terminal.
#[test]
fn control_characters_are_left_out() {
    let mut pod = injected("a", &[]);
    pod.figures = Some(Err("\u{1b}[2Jno answer\u{9b}\r".to_owned()));
    let overview = Overview::new(&[FoundCluster { pods: vec![pod], ..cluster() }], NOW);
    let text = render::text(&overview, false, NOW);
    assert!(text.contains("Pod monitoring/a ([2Jno answer)"), "{text}");
}

/// The page shows what is printed, and every kind of problem.
#[test]
fn the_page_is_up_to_date() {
    let page = include_str!("../../../README.md");
    let shown = include_str!("../../../testdata/golden/status.txt");
    let shown = shown.replace("1.0.0      ", &format!("{:<11}", webhook::VERSION));
    assert!(page.contains(&shown));
    for (_, kind, ..) in cases() {
        assert!(page.contains(&format!("| `{kind}` |")), "{kind}");
    }
}
