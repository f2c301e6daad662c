//! Documents that cannot be edited in place stay, and what is to be done is said.

use super::{
    shapes::{URL, user_assigned},
    *,
};

/// A mapping that two share cannot get an annotation for one of them.
const SHARED: &str = "labels: &shared\n  team: a\n  app: b\nspec:\n";

#[test]
fn a_shared_mapping_stays_and_the_edit_is_named_with_its_profile() {
    let text =
        user_assigned(&[], "  podMetadata: *shared\n  logLevel: warn\n").replace("spec:\n", SHARED);
    let migration = migrated(&text);
    assert_eq!(migration.text, text);
    let line = 1 + text.lines().position(|line| line.contains("*shared")).unwrap();
    let said = report(&migration);
    for words in [
        format!(
            "its document cannot be edited in place because of an alias, the first at line {line}; this JSON patch shows what to do by hand, with profile \"default\":"
        ),
        "- op: add\n  path: /spec/podMetadata/annotations\n".to_owned(),
        "- op: remove\n  path: /spec/containers\n".to_owned(),
        "    default:\n      ingestionUrl: ".to_owned(),
    ] {
        assert!(said.contains(&words), "{said}\nlacks {words}");
    }
}

/// Without it the result would be no YAML.
#[test]
fn an_anchor_that_goes_and_is_used_elsewhere_is_named() {
    let text = user_assigned(&["CLUSTER: value: &c aks-7"], "  externalLabels: {cluster: *c}\n");
    let migration = migrated(&text);
    assert_eq!(migration.text, text);
    let line = text.lines().count();
    let expected = format!(
        "because of the alias *c at line {line}, whose anchor &c is removed: first write the anchor's value there; this JSON patch"
    );
    assert!(report(&migration).contains(&expected), "{}", report(&migration));
}

/// The alias goes first, and then what it led to.
#[test]
fn a_shared_list_goes_from_both_that_have_it() {
    let containers = user_assigned(&[], "").split_once("  containers:").unwrap().1.to_owned();
    let text = format!(
        "a:\n prometheusSpec:\n  containers: &c{containers}b:\n prometheusSpec:\n  containers: *c\n"
    );
    let migration = migrated(&text);
    assert!(migration.is_whole(), "{}", report(&migration));
    let annotated = "podMetadata:\n   annotations:\n    prom-remotewrite/inject: \"true\"\n";
    let one = |name: &str| format!("{name}:\n prometheusSpec:\n  {annotated}");
    let value = read(&(one("a") + &one("b"))).unwrap();
    assert_eq!(read(&migration.text).unwrap(), value, "{}", migration.text);
}

/// A folded text has no lines of its own that could be edited.
#[test]
fn a_folded_text_stays_without_a_profile() {
    let text = format!(
        "kind: ConfigMap # of ours\ndata:\n  prometheus.yml: >\n    remote_write:\n\n    - {{url: '{URL}', azuread: {{managed_identity: {{}}}}}}\n  a: b\n"
    );
    let migration = migrated(&text);
    assert_eq!(migration.text, text);
    let said = report(&migration);
    assert!(said.contains("because of the style in which it is written"), "{said}");
    assert_eq!(migration.profiles.values(), "", "no profile for what stays");
}
