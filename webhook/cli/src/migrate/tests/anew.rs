//! Documents that cannot be edited in place: what stays as it was, and what is
//! said.

use super::{
    shapes::{URL, user_assigned},
    *,
};

/// A mapping that two share cannot get an annotation for one of them.
const SHARED: &str = "zone: 1\nlabels: &shared\n  team: a\n  app: b\nspec:\n";

fn shared() -> String {
    user_assigned(&[], "  replicas: 2\n  podMetadata: *shared\n  logLevel: warn\n")
        .replace("  replicas: 2\n  containers", "  containers")
        .replace("spec:\n", SHARED)
}

#[test]
fn keys_keep_their_order() {
    let expected = "\
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata:
  name: main
zone: 1
labels:
  team: a
  app: b
spec:
  replicas: 2
  podMetadata:
    team: a
    app: b
    annotations:
      prom-remotewrite/inject: \"true\"
  logLevel: warn
";
    assert_eq!(migrated(&shared()).text, expected);
    let windows = shared().replace('\n', "\r\n");
    assert_eq!(migrated(&windows).text, expected.replace('\n', "\r\n"));
}

/// A folded text has no lines of its own that could be edited.
fn folded(more: &str) -> String {
    format!(
        "kind: ConfigMap # of ours\ndata:\n  {more}: 1\n  prometheus.yml: >\n    remote_write:\n\n    - {{url: '{URL}', azuread: {{managed_identity: {{}}}}}}\n  a: b\n"
    )
}

#[test]
fn a_document_around_a_text_is_said_to_be_written_anew() {
    let migration = migrated(&folded("z"));
    let keys: Vec<usize> = ["kind:", "data:", "  z:", "  prometheus.yml:", "  a:"]
        .map(|key| migration.text.find(key).unwrap())
        .into();
    assert!(keys.is_sorted(), "{}", migration.text);
    let note = "note     the document is written anew because of its style and with it go anchors, layout and all comments: 1\n";
    assert!(report(&migration).contains(note), "{}", report(&migration));
}

#[test]
fn texts_of_several_lines_keep_them() {
    let script = "script: |\n  set -e\n    echo \"$1\"   # twice\nurl: ";
    let url = format!("{URL}&more={}\n", "x".repeat(200));
    let migration = migrated(&(script.to_owned() + &url + &shared()));
    assert!(migration.text.starts_with(&(script.to_owned() + &url)), "{}", migration.text);
    assert!(migration.is_whole());
}

#[test]
fn a_text_stays_where_its_document_would_lose_a_number() {
    let text = folded("z").replace("z: 1", "z: 12345678901234567890123");
    let migration = migrated(&text);
    assert_eq!(migration.text, text);
    assert!(report(&migration).contains("the number at line 3 is too long to stay the same"));
    assert_eq!(migration.values(), "", "no profile for what stays");
}
