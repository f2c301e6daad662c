//! The program as a process: what it writes where, and its exit statuses.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubectl-prom_remotewrite");
const CONFIG: &str = include_str!("../../testdata/config.yaml");

fn directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("config.yaml"), CONFIG).unwrap();
    directory
}

/// A command over files, with `input` as its standard input.
fn run(arguments: &[&str], directory: &Path, input: &str) -> Output {
    let mut process = Command::new(PROGRAM)
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("KUBECONFIG", directory.join("kubeconfig"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read everything.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    process.wait_with_output().unwrap()
}

const POD: &str = "\
kind: Pod
metadata:
  name: a
  annotations:
    prom-remotewrite/inject: 'true'
spec:
  containers:
  - name: prometheus
";

#[test]
fn inject_writes_all_or_nothing() {
    let directory = directory();
    let arguments = ["inject", "--config", "config.yaml", "-f", "-"];
    let output = run(&arguments, directory.path(), POD);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(POD.split("spec:").next().unwrap()), "{text}");
    assert!(text.contains("name: prom-remotewrite\n"), "{text}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "document 1: Pod a gets a sidecar\n");
    let denied = format!("{POD}---\n{}", POD.replace("'true'", "'ture'"));
    let output = run(&arguments, directory.path(), &denied);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("document 2: Pod a is denied: "), "{said}");
    let output = run(&["inject", "--config", "-", "-f", "-"], directory.path(), CONFIG);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "one stream for both");
    let none = run(&arguments, directory.path(), "prometheus: {prometheusSpec: {}}\n");
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0), "no pod");
    let operators = "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: a}\nspec: {podMetadata: {annotations: {prom-remotewrite/inject: 'true'}}}\n";
    let none = run(&arguments, directory.path(), operators);
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0), "an operator's pods");
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(said.contains("no pod and no pod template found: prometheus-operator"), "{said}");
    let declines = POD.replace("    prom-remotewrite/inject: 'true'\n", "    team: a\n");
    let output = run(&arguments, directory.path(), &declines);
    assert_eq!(output.status.code(), Some(0), "a pod that does not ask");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), declines);
}

#[test]
fn migrate_has_statuses_for_scripts() {
    let directory = directory();
    let migrate = |input: &str, more: &[&str]| {
        let output = run(&[&["migrate", "-f", "-"], more].concat(), directory.path(), input);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let written = include_str!("../testdata/migrate/statefulset.json");
    let (code, text, said) = migrate(written, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!text.contains("INGESTION_URL") && text.contains("prom-remotewrite/inject"), "{text}");
    assert!(said.contains("\n# for the values") && said.contains("\n    default:\n"), "{said}");
    assert!(!said.contains("mcr.microsoft.com"), "{said}");
    let (.., said) = migrate(written, &["--diff"]);
    assert!(
        said.lines().any(|line| line.starts_with('-') && line.contains("mcr.microsoft.com/")),
        "{said}"
    );
    let (code, again, said) = migrate(&text, &[]);
    assert_eq!((code, said.as_str()), (Some(0), "nothing to migrate\n"));
    assert_eq!(again, text);
    // What is in there no one knows.
    let (code, _, said) = migrate("a: ENC[x]\nsops:\n  mac: ENC[y]\n", &[]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("note: document 1 is encrypted by sops"), "{said}");
    assert!(!said.contains("nothing to migrate"), "{said}");

    let (code, text, _) = migrate(include_str!("../testdata/migrate/stays.yaml"), &[]);
    assert_eq!((code, text.is_empty()), (Some(1), false), "something stays");
    let (code, text, said) =
        migrate("- name: prom-remotewrite\n  image: {{ .Values.a }}:{{\n", &[]);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(said.contains("helm template"), "{said}");
}

#[test]
fn migrate_writes_the_profile_apart_and_over_nothing() {
    let directory = directory();
    let input = include_str!("../testdata/migrate/statefulset.json");
    let arguments = ["migrate", "-f", "-", "--profile-to", "profile.yaml"];
    let output = run(&arguments, directory.path(), input);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.ends_with("\n# profile.yaml: for the values of prom-remotewrite's own chart\n"));
    let written = fs::read_to_string(directory.path().join("profile.yaml")).unwrap();
    assert!(written.starts_with("config:\n  profiles:\n    default:\n"), "{written}");
    let validate = run(&["validate", "--config", "profile.yaml"], directory.path(), "");
    assert_eq!(validate.status.code(), Some(0));
    let output = run(&arguments, directory.path(), input);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "it exists already");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "profile.yaml: it exists already: name a new file\n");
    let output = run(&[&arguments[..], &["--profile", "Bad Name"]].concat(), Path::new("/"), input);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("expected at most 63 letters"), "{said}");
}

/// As Windows PowerShell writes what another program prints, and older editors.
#[test]
fn a_file_in_another_encoding_is_told_which() {
    let directory = directory();
    let text: Vec<u8> = "\u{feff}a: 1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (text, expected) in [
        (text.as_slice(), "values.yaml: it is UTF-16"),
        (b"a: 1\n# Gr\xf6\xdfe\n", "values.yaml: line 2 is not UTF-8: save the file as UTF-8\n"),
    ] {
        fs::write(directory.path().join("values.yaml"), text).unwrap();
        let output = run(&["migrate", "-f", "values.yaml"], directory.path(), "");
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn explain_and_validate_have_statuses_for_scripts() {
    let directory = directory();
    let explain = ["explain", "--config", "config.yaml", "-f", "-"];
    let output = run(&explain, directory.path(), POD);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("listening-port"));
    let output = run(&explain, directory.path(), "prometheus: {prometheusSpec: {}}\n");
    assert_eq!(output.status.code(), Some(1), "a chart's values are no pod");
    let output = run(&explain, directory.path(), &POD.replace("'true'", "'ture'"));
    assert_eq!(output.status.code(), Some(1));
    let validate = ["validate", "--config", "-"];
    let output = run(&validate, directory.path(), CONFIG);
    assert_eq!(output.status.code(), Some(0));
    let values = include_str!("../../../manifests/examples/profiles/user-assigned.yaml");
    let output = run(&validate, directory.path(), values);
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "standard input: ok; profiles: default\n");
    let with = |line: &str| format!("{}\n      {line}\n", values.trim_end());
    let output =
        run(&validate, directory.path(), &with("tenantId: 33333333-0000-0000-0000-000000000000"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains(
            "warning: profiles.default.tenantId has no effect: identityType is userAssigned"
        ),
        "{said}"
    );
    let output = run(&validate, directory.path(), &with("cloud: AzureGovernment"));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("profiles.default: cloud is AzureGovernment"), "{said}");
    let output = run(&validate, directory.path(), "image: a\nprofile: {}\n");
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("did you mean \"profiles\"?"), "{said}");
    let kubeconfig = "apiVersion: v1\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {}}]\ncurrent-context: a\n";
    fs::write(directory.path().join("kubeconfig"), kubeconfig).unwrap();
    let output = run(&[&explain[..], &["--cluster"]].concat(), directory.path(), POD);
    assert_eq!(output.status.code(), Some(1), "a cluster that does not answer");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("ask the cluster: "), "{said}");
    let output = run(&explain, Path::new("/"), POD);
    assert_eq!(output.status.code(), Some(1), "a missing file is not a bad configuration");
}

/// Every example of the page and of each command's help, as it stands there; those
/// about a cluster meet none.
#[test]
fn examples_run() {
    let page = include_str!("../README.md");
    let blocks = page.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let of_page: Vec<String> = blocks.flat_map(str::lines).map(str::to_owned).collect();
    run_examples(&of_page, 8);
    let help = |arguments: &[&str]| {
        let output = run(arguments, Path::new("/"), "");
        String::from_utf8(output.stdout).unwrap()
    };
    let all = help(&["-h"]);
    let (_, names) = all.split_once("Commands:\n").unwrap();
    let names = names.lines().map_while(|line| line.strip_prefix("  ")?.split(' ').next());
    for name in names.filter(|name| !name.is_empty() && *name != "help") {
        let help = help(&[name, "--help"]);
        let (_, examples) = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{name}"));
        let examples: Vec<String> = examples.lines().map(|line| line.trim().to_owned()).collect();
        run_examples(&examples, 1);
    }
}

/// Runs those of `lines` that are commands of ours, in a folder of their own.
fn run_examples(lines: &[String], at_least: usize) {
    let directory = directory();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("manifests.yaml", POD);
    write("values.yaml", include_str!("../testdata/migrate/statefulset.json"));
    write("release.yaml", "USER-SUPPLIED VALUES:\nconfig: {profiles: {default: {}}}\n");
    write(
        "my-profiles.yaml",
        include_str!("../../../manifests/examples/profiles/user-assigned.yaml"),
    );
    let commands = lines.iter().filter(|line| line.starts_with("kubectl prom-remotewrite "));
    assert!(commands.clone().count() >= at_least, "{lines:?}");
    for command in commands {
        let script = command
            .replace("kubectl prom-remotewrite", PROGRAM)
            .replace("kubectl apply -f -", "cat");
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .current_dir(directory.path())
            .env("KUBECONFIG", directory.path().join("kubeconfig"))
            .output()
            .unwrap();
        // One cluster of several is a problem in what is printed.
        let said = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        let asks = [" status", " check", " --cluster", " --context"];
        let asks = asks.iter().any(|word| command.contains(word)) && !command.contains("--rbac");
        let refused = said.contains("KUBECONFIG") || said.contains("kubeconfig: ");
        assert_eq!(refused, asks, "{command}: {said}");
        assert_eq!(output.status.code(), Some(i32::from(asks)), "{command}: {said}");
    }
}
