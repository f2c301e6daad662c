//! The program as a process: exit statuses, files that change, signals.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_prom-remotewrite-webhook");
const CONFIG: &str = include_str!("../testdata/config.yaml");
/// A loaded machine may take its time; an endless loop must not.
const PATIENCE: Duration = Duration::from_secs(20);

fn directory(config: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("config.yaml"), config).unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(directory.path().join("tls.crt"), cert.pem()).unwrap();
    fs::write(directory.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
    directory
}

/// At once, as the kubelet does: no half-written file is ever seen.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

fn serve(directory: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"])
        .arg(directory.join("config.yaml"))
        .arg("--cert-dir")
        .arg(directory)
        .env_clear()
        .stderr(Stdio::piped());
    command
}

/// A running webhook; killed when a test fails.
struct Webhook {
    process: Child,
    log: BufReader<ChildStderr>,
    admin: SocketAddr,
}

impl Webhook {
    fn start(directory: &Path, more: &[&str]) -> Self {
        let mut process = serve(directory).args(more).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut first = String::new();
        log.read_line(&mut first).unwrap();
        let admin = first.split(' ').find_map(|field| field.strip_prefix("admin="));
        let admin = admin.unwrap_or_else(|| panic!("no address in {first:?}")).parse().unwrap();
        Self { process, log, admin }
    }

    /// The answer of the admin listener, status line and all; `None` where
    /// nobody listens.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.admin).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn wait_for(&self, path: &str, text: &str) {
        let start = Instant::now();
        loop {
            let answer = self.get(path).unwrap_or_default();
            if answer.contains(text) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{path} never had {text:?}: {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Exit status and the rest of the log.
    fn end(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.process.wait().unwrap().code(), log)
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn bad_configuration_ends_it_with_all_mistakes() {
    let directory = directory("imge: a\nsidecarMode: x\n");
    let output = serve(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    for part in ["image is missing", "sidecarMode=", "did you mean"] {
        assert!(log.contains(part), "{part} is not in {log}");
    }
}

#[test]
fn what_time_may_mend_ends_it_with_1() {
    let directory = directory(CONFIG);
    fs::remove_file(directory.path().join("tls.key")).unwrap();
    let output = serve(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("tls.key"));
}

#[test]
fn after_a_signal_it_is_not_ready_and_serves_on_and_ends() {
    let directory = directory(CONFIG);
    let webhook = Webhook::start(directory.path(), &["--shutdown-delay", "1s"]);
    assert!(webhook.get("/ready").unwrap().starts_with("HTTP/1.1 200"));
    webhook.signal();
    webhook.wait_for("/ready", "HTTP/1.1 503");
    assert!(webhook.get("/health").unwrap().starts_with("HTTP/1.1 200"));
    let (code, log) = webhook.end();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let directory = directory(CONFIG);
    let webhook = Webhook::start(directory.path(), &["--shutdown-delay", "1h"]);
    webhook.signal();
    webhook.wait_for("/ready", "HTTP/1.1 503");
    webhook.signal();
    assert_eq!(webhook.end().0, Some(0));
}

#[test]
fn a_changed_configuration_is_taken_and_a_bad_one_is_not() {
    let directory = directory(CONFIG);
    let config = directory.path().join("config.yaml");
    let webhook = Webhook::start(directory.path(), &["--shutdown-delay", "0s"]);
    webhook.wait_for("/metrics", "config_generation 1\n");
    webhook.wait_for("/metrics", "config_current 1\n");
    webhook.wait_for("/metrics", r#"config_reloads_total{result="refused"} 0"#);
    replace(&config, "image: other\n");
    webhook.wait_for("/metrics", "config_generation 2\n");
    replace(&config, "image: [");
    webhook.wait_for("/metrics", r#"config_reloads_total{result="refused"} 1"#);
    webhook.wait_for("/metrics", "config_current 0\n");
    webhook.wait_for("/metrics", "config_generation 2\n");
    replace(&config, "image: other\n");
    webhook.wait_for("/metrics", "config_current 1\n");
    fs::remove_file(&config).unwrap();
    webhook.wait_for("/metrics", "config_current 0\n");
    webhook.signal();
    let (code, log) = webhook.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("kept the old configuration"), "{log}");
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
    let directory = directory(CONFIG);
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
}

#[test]
fn migrate_has_statuses_for_scripts() {
    let directory = directory(CONFIG);
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
    assert!(!said.contains("sidecar.image: "), "{said}");
    let (.., said) = migrate(written, &["--diff"]);
    assert!(said.contains("\n~ sidecar.image: mcr.microsoft.com/"), "{said}");
    let (code, again, said) = migrate(&text, &[]);
    assert_eq!((code, said.as_str()), (Some(0), "nothing to migrate\n"));
    assert_eq!(again, text);
    let (code, text, _) = migrate(include_str!("../testdata/migrate/stays.yaml"), &[]);
    assert_eq!((code, text.is_empty()), (Some(1), false), "something stays");
    let (code, text, said) =
        migrate("- name: prom-remotewrite\n  image: {{ .Values.a }}:{{\n", &[]);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(said.contains("helm template"), "{said}");
}

#[test]
fn explain_and_validate_have_statuses_for_scripts() {
    let directory = directory(CONFIG);
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
    let values = include_str!("../../manifests/examples/profiles/user-assigned.yaml");
    let output = run(&validate, directory.path(), values);
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "standard input: ok; profiles: default\n");
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
