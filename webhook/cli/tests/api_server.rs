//! The program and API servers that refuse: what it says of that.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Output},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubectl-prom_remotewrite");

/// What an API server answers at a path: a status and a body; 0 if it is silent.
type Answers = fn(&str) -> (u16, Value);

/// Runs a command in front of an API server; what it wrote, and the paths that it asked for.
fn run(arguments: &[&str], answers: Answers) -> (Output, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let paths = Arc::clone(&asked);
    // Both end with the process of the test.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let paths = Arc::clone(&paths);
            thread::spawn(move || answer(stream.unwrap(), answers, &paths));
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    let config = json!({
        "apiVersion": "v1",
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": {}}],
        "current-context": "a",
    });
    fs::write(&kubeconfig, config.to_string()).unwrap();
    let mut command = Command::new(PROGRAM);
    let output = command.args(arguments).env_clear().env("KUBECONFIG", &kubeconfig).output();
    let asked = asked.lock().unwrap().clone();
    (output.unwrap(), asked)
}

/// One request for each connection.
fn answer(mut stream: TcpStream, answers: Answers, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let path = request.split(' ').nth(1).unwrap().to_owned();
    asked.lock().unwrap().push(path.clone());
    // The whole request, before the connection is closed.
    lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
    let (status, body) = answers(&path);
    if status == 0 {
        // Until the program closes it.
        return lines.for_each(drop);
    }
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} Text\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
}

fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    (code, status)
}

fn version() -> (u16, Value) {
    let names = ["major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate"];
    let more = ["goVersion", "compiler", "platform"];
    (200, names.iter().chain(&more).map(|name| (*name, "1")).collect())
}

fn said(output: &Output) -> String {
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn an_api_server_that_cannot_answer_is_asked_once() {
    let cases: [(Answers, &str); 3] = [
        (
            |_| refusal(429, "TooManyRequests", "too many requests"),
            ": HTTP 429: too many requests\n",
        ),
        (|_| refusal(503, "ServiceUnavailable", "etcd is away"), ": HTTP 503: etcd is away\n"),
        (|_| refusal(504, "Timeout", "it took too long"), ": HTTP 504: it took too long\n"),
    ];
    for (answers, message) in cases {
        for arguments in [&["status"][..], &["status", "--context", "a"]] {
            let (output, asked) = run(arguments, answers);
            assert!(said(&output).ends_with(message), "{output:?}");
            assert_eq!(asked, ["/version"], "{message}");
        }
    }
}

#[test]
fn an_api_server_that_is_silent_is_not_waited_for() {
    let (output, asked) = run(&["status"], |_| (0, Value::Null));
    let said = said(&output);
    assert!(said.starts_with("ask the cluster: http://127.0.0.1:"), "{said}");
    assert!(said.ends_with(": no answer within 10 s\n"), "{said}");
    assert_eq!(asked, ["/version"]);
}

#[test]
fn credentials_and_rights_are_told_apart() {
    let (output, _) = run(&["status"], |_| refusal(401, "Unauthorized", "Unauthorized"));
    let expected = "ask the cluster: HTTP 401: Unauthorized: the credentials of the kubeconfig have expired or are wrong\n";
    assert_eq!(said(&output), expected);
    let pods: Answers = |path| match path {
        "/version" => version(),
        _ => refusal(403, "Forbidden", "pods is forbidden"),
    };
    for command in ["status", "check"] {
        let (output, _) = run(&[command], pods);
        let expected = "ask the cluster: list pods: pods is forbidden; ask for the rights that `kubectl prom-remotewrite status --rbac` prints, in the whole cluster\n";
        assert_eq!(said(&output), expected);
    }
}

/// An injected pod at whose port nobody listens.
fn closed_port(path: &str) -> (u16, Value) {
    let annotations = json!({"prom-remotewrite/injected": "version=1.0.0 0123"});
    let metadata = json!({
        "namespace": "a", "name": "b", "annotations": annotations,
        "creationTimestamp": "2025-12-01T00:00:00Z",
    });
    match path.split('?').next().unwrap() {
        "/version" => version(),
        "/api/v1/pods" => (200, json!({"metadata": {}, "items": [{"metadata": metadata}]})),
        "/api/v1/namespaces/a/pods/b" => (
            200,
            json!({
                "kind": "Pod",
                "metadata": metadata,
                "spec": {"containers": [{
                    "name": "prom-remotewrite",
                    "ports": [{"name": "rw-port", "containerPort": 8081}],
                    "env": [{"name": "INGESTION_URL", "value": "https://example.com/write"}],
                }]},
                "status": {"phase": "Running", "podIP": "10.0.0.1"},
            }),
        ),
        proxied if proxied.contains("/proxy/") => refusal(
            503,
            "ServiceUnavailable",
            "error trying to reach service: dial tcp 10.0.0.1:8081: connect: connection refused",
        ),
        _ => refusal(404, "NotFound", "it is not there"),
    }
}

#[test]
fn the_reason_why_a_sidecar_does_not_answer_is_reported() {
    let (output, asked) = run(&["status"], closed_port);
    let shown = String::from_utf8(output.stdout).unwrap();
    let reason = "Pod a/b (error trying to reach service: dial tcp 10.0.0.1:8081: connect: connection refused)";
    assert!(shown.contains(reason), "{shown}");
    assert_eq!(asked.iter().filter(|path| path.contains("/proxy/")).count(), 1, "{asked:#?}");
}
