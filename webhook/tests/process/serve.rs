//! `serve`: it starts, reads its configuration again, and exits.

use std::{
    fs,
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{CONFIG, PATIENCE, PROGRAM, directory};

/// At once, as the kubelet does: no half-written file is ever seen.
pub(super) fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, path).unwrap();
}

fn serve(directory: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(["serve", "--config"])
        .arg(directory.join("config.yaml"))
        .arg("--cert-dir")
        .arg(directory)
        .env_clear()
        .envs([("LISTEN", "127.0.0.1:0"), ("ADMIN", "127.0.0.1:0")])
        .stderr(Stdio::piped());
    command
}

/// A running webhook; killed when a test fails.
pub(super) struct Webhook {
    pub(super) process: Child,
    /// Reads the rest of the log to its end: a program whose log no one reads stands
    /// still once the pipe is full.
    log: Option<JoinHandle<String>>,
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Webhook {
    pub(super) fn start(directory: &Path, more: &[&str]) -> Self {
        let (webhook, log) = Self::start_unread(directory, more);
        webhook.read(log)
    }

    /// Reads nothing of the log but the first line.
    pub(super) fn start_unread(directory: &Path, more: &[&str]) -> (Self, BufReader<ChildStderr>) {
        let mut process = serve(directory).args(more).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut first = String::new();
        log.read_line(&mut first).unwrap();
        let address = |key: &str| {
            let address = first.split(' ').find_map(|field| field.strip_prefix(key));
            address.unwrap_or_else(|| panic!("no {key} in {first:?}")).parse().unwrap()
        };
        let (address, admin) = (address("address="), address("admin="));
        (Self { process, log: None, address, admin }, log)
    }

    /// Begins to read the log.
    pub(super) fn read(mut self, mut log: BufReader<ChildStderr>) -> Self {
        self.log = Some(thread::spawn(move || {
            let mut rest = String::new();
            log.read_to_string(&mut rest).unwrap();
            rest
        }));
        self
    }

    /// The answer of the admin listener, status line and all; `None` where no one
    /// listens.
    pub(super) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.admin).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// How many file descriptors it has open.
    pub(super) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    pub(super) fn wait_for(&self, path: &str, text: &str) {
        let start = Instant::now();
        loop {
            let answer = self.get(path).unwrap_or_default();
            if answer.contains(text) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{path} never had {text:?}: {answer}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(super) fn signal(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Exit status and the rest of the log.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
        let log = self.log.take().unwrap().join().unwrap();
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
fn bad_configuration_ends_it_with_all_errors() {
    let directory = directory("imge: a\nsidecarMode: x\n");
    let output = serve(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let log = String::from_utf8(output.stderr).unwrap();
    for part in ["image is missing", "sidecarMode=", "did you mean"] {
        assert!(log.contains(part), "{part} is not in {log}");
    }
}

#[test]
fn a_port_in_use_exits_with_1() {
    let directory = directory(CONFIG);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = serve(directory.path()).env("ADMIN", &address).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains(&address));
}

#[test]
fn many_connections_at_once_wait_to_be_accepted() {
    // More than the default of 128 of a listener.
    const AT_ONCE: usize = 1000;
    let directory = directory(CONFIG);
    let webhook = Webhook::start(directory.path(), &[]);
    let id = webhook.process.id().to_string();
    assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    // What finds no place gets no answer from the kernel until the program continues.
    let connections: Vec<_> = (0..AT_ONCE)
        .map(|number| {
            let connected = TcpStream::connect_timeout(&webhook.address, Duration::from_secs(3));
            connected.unwrap_or_else(|error| panic!("connection {number}: {error}"))
        })
        .collect();
    assert_eq!(connections.len(), AT_ONCE);
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
