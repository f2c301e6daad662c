//! What profiles are called.

use super::{
    shapes::{URL, stays, user_assigned},
    *,
};
use crate::validate::profile_name;

fn names(migration: &Migration) -> Vec<&str> {
    migration.profiles.new.iter().map(|(name, _)| name.as_str()).collect()
}

fn annotated(name: &str, more: &[&str]) -> String {
    let rest = format!("  podMetadata: {{annotations: {{prom-remotewrite/profile: {name}}}}}\n");
    user_assigned(more, &rest)
}

#[test]
fn profiles_are_shared_and_told_apart() {
    let one = user_assigned(&[], "");
    let same = one.replace("main", "second");
    let other = one.replace("main", "third").replace("userAssigned", "systemAssigned");
    let migration = migrated(&format!("{one}---\n{same}---\n{other}"));
    assert_eq!(names(&migration), ["default", "third"]);
    assert_eq!(migration.text.matches("prom-remotewrite/profile: third").count(), 1);
    let team = with_release(&one, "team-a", "");
    assert!(team.text.contains("prom-remotewrite/profile: team-a"), "{}", team.text);
}

/// Nobody knows whether it is meant for these settings.
#[test]
fn an_object_that_names_a_profile_stays() {
    for (name, said) in [("team-a", "\"team-a\""), ("1", "1")] {
        let because =
            format!("prom-remotewrite/profile is {said}, and this needs profile \"default\"");
        stays(&annotated(name, &[]), &because);
    }
}

/// Values of a release with a profile that has more settings than any here.
fn release(client: u32) -> String {
    format!(
        "config:
  profiles:
    default:
      ingestionUrl: {URL}
      identityType: userAssigned
      clientId: {}-0000-0000-0000-000000000000
{}",
        client.to_string().repeat(8),
        if client == 3 { "" } else { "      listeningPort: 9091\n      memoryLimit: 512Mi\n" }
    )
}

/// Helm would merge the new one into it.
#[test]
fn a_name_of_the_release_is_not_taken_again() {
    let one = user_assigned(&[], "").replace("name: main", "name: a");
    let other = with_release(&one, "default", &release(9));
    assert_eq!(names(&other), ["a"]);
    assert!(other.text.contains("prom-remotewrite/profile: a\n"), "{}", other.text);
    // Nor is it that of the same settings: nobody can tell whether they stay so.
    assert_eq!(names(&with_release(&one, "default", &release(3))), ["a"]);
    // Helm removes what is null.
    let removed = "config: {profiles: {default: null, a: {cluster: b}}}\n";
    assert_eq!(names(&with_release(&one, "default", removed)), ["default"]);
    let values = one.replace("apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\n", "");
    let values = values.replace("metadata: {name: a}\nspec:", "prometheusSpec:");
    assert_eq!(names(&with_release(&values, "default", &release(9))), ["default-2"]);
    assert_eq!(names(&with_release(&values, "default", "# values of nothing\n")), ["default"]);
    assert!(Profiles::new("default", "a: [").is_err());
}

/// The values of our own chart may be in the same file.
#[test]
fn a_name_in_the_file_is_not_taken_again() {
    let one = user_assigned(&[], "");
    for (profiles, name) in
        [("{default: {cluster: a}}", "main"), ("{default: null}", "default"), ("null", "default")]
    {
        let values = format!("{one}---\nprom-remotewrite: {{config: {{profiles: {profiles}}}}}\n");
        assert_eq!(names(&migrated(&values)), [name], "{profiles}");
    }
}

/// However a pod, a text or a parameter asks for it.
#[test]
fn a_profile_in_use_is_not_written_anew() {
    let one = user_assigned(&[], "");
    let pod = |asks: &str| {
        format!("kind: Pod\nmetadata: {{annotations: {{{asks}}}}}\nspec: {{containers: []}}\n")
    };
    let parameter = |name: &str, value: &str| {
        format!("parameters:\n- {{name: p.podMetadata.annotations.{name}, value: {value}}}\n")
    };
    let config = "kind: ConfigMap\ndata:\n  config.yaml: |\n    profiles:\n      default: {}\n";
    for (other, name) in [
        (pod("prom-remotewrite/inject: 'yes'"), "main"),
        (pod("prom-remotewrite/inject: 'True'"), "main"),
        (pod("prom-remotewrite/inject: true"), "main"),
        (pod("prom-remotewrite/inject: 'no'"), "default"),
        (pod("prom-remotewrite/inject: 'yes', prom-remotewrite/profile: a"), "default"),
        (parameter("prom-remotewrite/inject", "'true'"), "main"),
        (parameter("prom-remotewrite/inject", "'false'"), "default"),
        (parameter("prom-remotewrite/profile", "default"), "main"),
        (config.to_owned(), "main"),
    ] {
        assert_eq!(names(&migrated(&format!("{one}---\n{other}"))), [name], "{other}");
    }
}

/// A release may be given as helm and kubectl print it.
#[test]
fn names_of_a_release_are_found_wherever_they_stand() {
    let one = user_assigned(&[], "");
    let config = "config: {profiles: {default: {}}}\n";
    let umbrella = format!("prom-remotewrite:\n  {config}");
    let object = "kind: ConfigMap\ndata:\n  config.yaml: |\n    profiles:\n      default: {}\n";
    for release in [config, &umbrella, object, &format!("a: b\n---\n{config}")] {
        assert_eq!(names(&with_release(&one, "default", release)), ["main"], "{release}");
        assert!(!Profiles::new("default", release).unwrap().is_empty(), "{release}");
    }
    for other in ["", "null\n", "config: {profiles: [a]}\n", "prometheusSpec: {replicas: 2}\n"] {
        assert!(Profiles::new("default", other).unwrap().is_empty(), "{other}");
    }
}

/// `${…}` is filled in by others, and a name of their making is no key.
#[test]
fn names_that_cannot_be_keys_are_not_taken() {
    let first = user_assigned(&[], "");
    for name in ["name: '${name}'", "generateName: x-"] {
        let other = user_assigned(&["CLUSTER: value: b"], "").replace("name: main", name);
        let migration = migrated(&format!("{first}---\n{other}"));
        assert_eq!(names(&migration), ["default", "default-2"]);
    }
    let nameless = user_assigned(&["CLUSTER: value: b"], "").replace("name: main", "");
    assert_eq!(names(&migrated(&format!("{first}---\n{nameless}"))), ["default", "default-2"]);
    for good in ["a", "team-a", "Team_1"] {
        assert_eq!(profile_name(good).as_deref(), Ok(good));
    }
    for bad in ["", "Bad Name", "-a", "a.", "a/b", "${a}", &"a".repeat(64)] {
        assert!(profile_name(bad).is_err(), "{bad:?}");
    }
}
