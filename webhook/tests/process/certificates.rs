//! Certificates that are not there yet, or damaged: the program waits for good ones
//! and serves then, without a restart.

use std::{fs, path::Path, thread, time::Duration};

use super::{
    CONFIG,
    connections::{Client, runtime},
    directory,
    serve::{Webhook, replace},
};

/// Some looks at the files, which are two seconds apart.
const SOME_LOOKS: Duration = Duration::from_secs(5);

/// Fails unless it is alive, not ready because of `problem`, and answers no review.
fn check_waiting(webhook: &Webhook, client: &Client, problem: &str) {
    webhook.wait_for("/ready", problem);
    assert!(webhook.get("/ready").unwrap().starts_with("HTTP/1.1 503"));
    assert!(webhook.get("/health").unwrap().starts_with("HTTP/1.1 200"));
    assert!(runtime().block_on(client.review()).is_err(), "answered without {problem}");
}

fn check_serving(webhook: &Webhook, client: &Client) {
    webhook.wait_for("/ready", "HTTP/1.1 200");
    runtime().block_on(client.check("a good pair"));
}

/// How many lines of a log have this.
fn lines(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count()
}

#[test]
fn it_serves_once_there_is_a_good_pair() {
    let directory = directory(CONFIG);
    let file = |name| directory.path().join(name);
    let read = |name| fs::read_to_string(file(name)).unwrap();
    let (chain, key) = (read("tls.crt"), read("tls.key"));
    let put_off = |name| fs::rename(file(name), file("put-off")).unwrap();
    put_off("tls.key");
    let webhook = Webhook::start(directory.path(), &["--shutdown-delay", "0s"]);
    let client = Client::new(directory.path(), webhook.address);
    check_waiting(&webhook, &client, "tls.key: No such file");
    thread::sleep(SOME_LOOKS);
    // The kubelet delivers both at once; here each state is seen.
    replace(&file("tls.crt"), "garbage");
    replace(&file("tls.key"), &key);
    check_waiting(&webhook, &client, "certificates in tls.crt: expected PEM");
    thread::sleep(SOME_LOOKS);
    replace(&file("tls.crt"), &chain);
    check_serving(&webhook, &client);
    webhook.wait_for("/metrics", r#"certificate_reloads_total{result="taken"} 1"#);
    // From now on damage is nothing that anyone notices.
    replace(&file("tls.key"), "garbage");
    webhook.wait_for("/metrics", r#"certificate_reloads_total{result="refused"} 3"#);
    check_serving(&webhook, &client);
    webhook.signal();
    let (code, log) = webhook.end();
    assert_eq!(code, Some(0));
    assert_eq!(lines(&log, "nothing is served without a certificate"), 2, "{log}");
    assert_eq!(lines(&log, "loaded a new certificate"), 1, "{log}");
    assert_eq!(lines(&log, "kept the old certificate"), 1, "{log}");
}

#[test]
fn it_waits_for_a_client_ca_and_takes_a_new_one() {
    let directory = directory(CONFIG);
    let file = directory.path().join("client-ca.crt");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let webhook =
        Webhook::start(directory.path(), &["--client-ca", &path(&file), "--shutdown-delay", "0s"]);
    let client = Client::new(directory.path(), webhook.address);
    check_waiting(&webhook, &client, "client-ca.crt: No such file");
    replace(&file, &fs::read_to_string(directory.path().join("tls.crt")).unwrap());
    webhook.wait_for("/ready", "HTTP/1.1 200");
    assert!(runtime().block_on(client.review()).is_err(), "answered without a certificate");
    replace(&file, "garbage");
    webhook.wait_for("/metrics", r#"client_ca_reloads_total{result="refused"} 2"#);
    assert!(webhook.get("/ready").unwrap().starts_with("HTTP/1.1 200"));
    webhook.signal();
    let (code, log) = webhook.end();
    assert_eq!(code, Some(0));
    assert_eq!(lines(&log, "nothing is served without a client CA"), 1, "{log}");
    assert_eq!(lines(&log, "kept the old client CA"), 1, "{log}");
}
