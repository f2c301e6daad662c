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

/// Runs a command in front of an API server, at the context a; nobody listens at b. What it
/// wrote, and the paths that it asked for.
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
        "clusters": [
            {"name": "a", "cluster": {"server": server}},
            {"name": "b", "cluster": {"server": "http://127.0.0.1:1"}},
        ],
        "contexts": [
            {"name": "a", "context": {"cluster": "a", "user": "a"}},
            {"name": "b", "context": {"cluster": "b", "user": "a"}},
        ],
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

/// What is said without a result; without the server's address.
fn said(output: &Output) -> String {
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    let (before, rest) = said.split_once("http://127.0.0.1:").unwrap();
    format!("{before}SERVER{}", rest.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

/// What is printed of something that is wrong.
fn printed(output: Output) -> String {
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), &b""[..]), "{text}");
    text
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
    let (output, asked) = run(&["status", "--context", "a"], |_| (0, Value::Null));
    assert_eq!(said(&output), "ask the cluster: context a: SERVER: no answer within 10 s\n");
    assert_eq!(asked, ["/version"]);
}

#[test]
fn an_api_server_that_becomes_silent_is_not_waited_for() {
    let silent: Answers = |path| if path == "/version" { version() } else { (0, Value::Null) };
    let (output, _) = run(&["check"], silent);
    assert_eq!(said(&output), "ask the cluster: SERVER: list pods: no answer within 30 s\n");
}

#[test]
fn a_cluster_that_does_not_answer_hides_no_other() {
    let (output, _) = run(&["status", "--context", "b", "--context", "a"], closed_port);
    let text = printed(output);
    assert!(text.contains("\na        a          b "), "{text}");
    let dead =
        "\nproblem: b: cluster: http://127.0.0.1:1: client error (Connect): tcp connect error";
    assert!(text.contains(dead), "{text}");
    assert_eq!(text.matches("problem: b: ").count(), 1, "{text}");
    let (output, _) = run(&["check", "--context", "b", "--context", "a", "a/b"], closed_port);
    let text = printed(output);
    assert!(text.starts_with("b:\ncluster\n  http://127.0.0.1:1: client error"), "{text}");
    assert!(text.contains("\na:\nPod a/b\n"), "{text}");
}

#[test]
fn what_is_not_there_is_told_from_what_is_well() {
    let empty: Answers = |path| match path.split('?').next().unwrap() {
        "/version" => version(),
        "/api/v1/namespaces/typo/pods" => (200, json!({"metadata": {}, "items": []})),
        _ => refusal(404, "NotFound", "it is not there"),
    };
    for command in ["status", "check"] {
        let (output, _) = run(&[command, "--namespace", "typo"], empty);
        let text = printed(output);
        assert!(text.contains("there is no namespace typo\n"), "{text}");
    }
    let pods: Answers = |path| match path {
        "/version" => version(),
        _ if path.ends_with("fieldSelector=metadata.name=plain") => {
            (200, json!({"items": [{"metadata": {"namespace": "a", "name": "plain"}}]}))
        }
        _ if path.contains("/pods?") => (200, json!({"metadata": {}, "items": []})),
        _ => refusal(404, "NotFound", "it is not there"),
    };
    let (output, _) = run(&["check", "plain", "a/plain", "a/typo"], pods);
    let text = printed(output);
    for expected in [
        "Pod plain\n  it has no injected sidecar, or has ended\n  -> `kubectl prom-remotewrite status`",
        "Pod a/plain\n  it has no injected sidecar",
        "Pod a/typo\n  it does not exist\n",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let (output, _) = run(&["check", "--namespace", "other", "a/plain"], pods);
    let text = printed(output);
    assert!(text.contains("Pod a/plain\n  --namespace other leaves it out\n"), "{text}");
}

#[test]
fn a_sidecar_that_cannot_be_asked_has_a_reason() {
    let (output, _) = run(&["check"], |path| {
        if path.contains("/exec?") {
            return refusal(400, "BadRequest", "pod b does not have a host assigned");
        }
        let (status, mut body) = closed_port(path);
        if let Some(found) = body.get_mut("status").filter(|found| found.is_object()) {
            found["containerStatuses"] = json!([{
                "name": "prom-remotewrite", "ready": false,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            }]);
        }
        (status, body)
    });
    let crashed = "Pod a/b\n  it does not run: CrashLoopBackOff\n  -> `kubectl describe pod -n a b` and `kubectl logs -n a b -c prom-remotewrite --previous` show why\n\n";
    assert_eq!(printed(output), format!("{crashed}sidecars checked: 1; not ok: 1\n"));
    let (output, _) = run(&["check"], |path| match path {
        _ if path.contains("/exec?") => refusal(403, "Forbidden", "pods/exec is forbidden"),
        _ => closed_port(path),
    });
    let forbidden = "Pod a/b\n  it cannot be run: pods/exec is forbidden\n  -> ask for the rights that `kubectl prom-remotewrite status --rbac` prints, in namespace a\n\n";
    assert_eq!(printed(output), format!("{forbidden}sidecars checked: 1; not ok: 1\n"));
}

#[test]
fn what_is_forbidden_is_one_problem() {
    let (output, _) = run(&["status"], |path| match closed_port(path) {
        (404, _) => refusal(403, "Forbidden", "it is forbidden"),
        other => other,
    });
    let text = printed(output);
    let kinds = "cluster: forbidden: daemonsets, deployments, events, mutatingadmissionpolicies, mutatingadmissionpolicybindings, mutatingwebhookconfigurations, namespaces, prometheusagents, prometheuses, statefulsets, thanosrulers\n";
    assert!(text.contains(kinds), "{text}");
    assert_eq!(text.matches("ask for the rights").count(), 1, "{text}");
}

#[test]
fn credentials_and_rights_are_told_apart() {
    let (output, _) = run(&["status"], |_| refusal(401, "Unauthorized", "Unauthorized"));
    let expected = "ask the cluster: SERVER: HTTP 401: Unauthorized: the credentials of the kubeconfig have expired or are wrong\n";
    assert_eq!(said(&output), expected);
    let pods: Answers = |path| match path {
        "/version" => version(),
        _ => refusal(403, "Forbidden", "pods is forbidden"),
    };
    for command in ["status", "check"] {
        let (output, _) = run(&[command], pods);
        let expected = "ask the cluster: SERVER: list pods: pods is forbidden; ask for the rights that `kubectl prom-remotewrite status --rbac` prints, in the whole cluster; or look at one namespace with --namespace NAME\n";
        assert_eq!(said(&output), expected);
        let (output, _) = run(&[command, "--namespace", "a"], pods);
        assert!(said(&output).ends_with(" prints, in namespace a\n"), "{output:?}");
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
