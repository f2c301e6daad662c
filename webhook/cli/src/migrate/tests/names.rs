//! What profiles are called.

use super::{shapes::user_assigned, *};

fn names(migration: &Migration) -> Vec<&str> {
    migration.profiles.all.iter().map(|(name, _)| name.as_str()).collect()
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
    let team = migrate(&one, "team-a").unwrap();
    assert!(team.text.contains("prom-remotewrite/profile: team-a"), "{}", team.text);
}

#[test]
fn an_object_that_names_its_profile_gets_this_one() {
    let one = annotated("team-a", &[]);
    let again = one.replace("main", "again");
    let other = annotated("team-b", &["CLUSTER: value: b"]);
    let migration = migrated(&format!("{one}---\n{again}---\n{other}"));
    assert_eq!(names(&migration), ["team-a", "team-b"]);
    assert!(migration.is_whole(), "{}", report(&migration));
    let clash = annotated("team-a", &["CLUSTER: value: b"]);
    let migration = migrated(&format!("{one}---\n{clash}"));
    assert_eq!(names(&migration), ["team-a"]);
    assert!(migration.text.ends_with(&clash));
    let said = report(&migration);
    assert_eq!(said.matches("has to get another name").count(), 1, "{said}");
    let number = annotated("1", &[]);
    assert!(report(&migrated(&number)).contains("is 1, which is no text: write it with quotes"));
}

/// `${…}` is filled in by others, and a name of their making is no key.
#[test]
fn names_that_cannot_be_keys_are_not_taken() {
    let first = user_assigned(&[], "");
    for name in ["name: '${name}'", "generateName: x"] {
        let other = user_assigned(&["CLUSTER: value: b"], "").replace("name: main", name);
        let expected = if name.starts_with('g') { "x" } else { "default-2" };
        let migration = migrated(&format!("{first}---\n{other}"));
        assert_eq!(names(&migration), ["default", expected]);
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
