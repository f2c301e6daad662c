use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
};

use tempfile::TempDir;

use super::*;

const RECIPE: Recipe = Recipe {
    folder: "prometheus",
    packages: &["tool"],
    tags: "",
    ldflags: "",
    renames: &[("compiled", "thing")],
    takes: "a moment",
    instead: "the thing from its shop",
    tools: &[Tool {
        name: "thing",
        variable: Variable::File("THING"),
        asked: &["--version"],
        version_line: "thing 3.",
        accepted: "thing 3.",
    }],
};

fn script(file: &Path, text: &str) {
    fs::write(file, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A folder that is the search path, and holds the cache.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn install(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        script(&file, text);
        file
    }

    fn find(&self, thing: Option<&Path>) -> Outcome<PathBuf> {
        let folder = self.0.path().display().to_string();
        find_with(
            &RECIPE,
            "thing",
            &|name| match name {
                "PATH" | "XDG_CACHE_HOME" => Some(folder.clone()),
                "THING" => thing.map(|file| file.display().to_string()),
                _ => None,
            },
            &overwrite,
        )
    }
}

#[test]
fn the_variable_goes_first_and_must_be_right() {
    let machine = Machine::new();
    machine.install("thing", "echo thing 3.1");
    let named = machine.install("mine", "echo thing 3.2");
    assert_eq!(machine.find(Some(&named)).unwrap(), named);
    let old = machine.install("old", "echo thing 2.9");
    let failure = machine.find(Some(&old)).unwrap_err().to_string();
    assert!(failure.contains("THING names") && failure.contains("thing 3."), "{failure}");
}

#[test]
fn the_path_is_next_where_the_version_suits() {
    let machine = Machine::new();
    let installed = machine.install("thing", "echo thing 3.1");
    assert_eq!(machine.find(None).unwrap(), installed);
    machine.install("thing", "echo thing 2.9");
    let failure = machine.find(None).unwrap_err().to_string();
    for part in ["neither is Go", "install Go", "the thing from its shop"] {
        assert!(failure.contains(part), "{part}: {failure}");
    }
}

#[test]
fn two_at_once_build_once() {
    let machine = Machine::new();
    let count = machine.0.path().join("builds");
    // Finds the folder after -o, and takes long enough for the other to wait.
    let go = format!(
        "echo x >> {}; while [ \"$1\" != -o ]; do shift; done; /bin/sleep 0.3; echo > \"$2/compiled\"",
        count.display()
    );
    machine.install("go", &go);
    let found: Vec<PathBuf> = thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| machine.find(None).unwrap()));
        both.map(|one| one.join().unwrap()).to_vec()
    });
    assert_eq!(found[0], found[1]);
    assert!(found[0].ends_with("thing") && found[0].exists());
    assert_eq!(machine.find(None).unwrap(), found[0]);
    assert_eq!(fs::read_to_string(count).unwrap(), "x\n");
}

#[test]
fn a_failed_build_says_why_and_leaves_nothing() {
    let machine = Machine::new();
    machine.install("go", "echo no such module >&2; exit 1");
    let failure = machine.find(None).unwrap_err().to_string();
    assert!(failure.contains("no such module"), "{failure}");
    let cache = machine.0.path().join("prom-remotewrite/tools");
    let left = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    assert!(left.into_iter().all(|file| file.extension().is_some_and(|end| end == "lock")));
}

/// What is written in Go here has tests in Go, which run with all others.
#[test]
fn programs_of_our_own_pass_their_tests() {
    let Some(go) = environment::on_path("go") else {
        assert!(environment::variable("CI").is_none(), "Go, which runs them, is missing");
        let _closed = writeln!(io::stderr(), "skipped: Go, which runs them, is not installed");
        return;
    };
    // The flags of the recipe: what one has compiled is there for the other.
    let said = Command::new(go)
        .args(["test", "-trimpath", "-buildvcs=false", "-mod=readonly", "./csi-provider"])
        .current_dir(modules().join("addons"))
        .env("CGO_ENABLED", "0")
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}
