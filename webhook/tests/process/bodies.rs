//! Reviews of a size that only a hostile client sends: they cost neither the memory of
//! the container nor the reviews of others.

use std::{future::pending, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
};

use super::{
    CONFIG, alone,
    connections::{Client, assert_memory, runtime},
    directory,
    serve::Webhook,
};

/// The announced length of a body, and how much of it is sent.
const ANNOUNCED: usize = 3 << 20;
const SENT: usize = 1 << 20;
const CHUNK: usize = 64 << 10;

fn head(length: usize) -> String {
    format!(
        "POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Sends the beginning of a large body, slowly, and holds the connection. Its answer,
/// if there is one.
async fn send_slowly(client: &Client) -> std::io::Result<String> {
    let (mut answers, mut stream) = tokio::io::split(client.tls().await?);
    let sending = async {
        stream.write_all(head(ANNOUNCED).as_bytes()).await?;
        let chunk = vec![b' '; CHUNK];
        for _ in 0..SENT / CHUNK {
            stream.write_all(&chunk).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        pending::<std::io::Result<()>>().await
    };
    let mut answer = [0; 1024];
    tokio::select! {
        read = answers.read(&mut answer) => {
            let answer = answer.get(..read?).unwrap_or_default();
            Ok(String::from_utf8_lossy(answer).into_owned())
        }
        ended = sending => ended.map(|()| String::new()),
    }
}

#[test]
fn many_slow_large_bodies_cost_neither_memory_nor_small_reviews() {
    let _alone = alone();
    let directory = directory(CONFIG);
    let webhook = Webhook::start(directory.path(), &["--shutdown-delay", "0s"]);
    let client = Client::new(directory.path(), webhook.address);
    let answers = runtime().block_on(async {
        let mut bodies = JoinSet::new();
        for _ in 0..250 {
            let client = client.clone();
            bodies.spawn(async move { send_slowly(&client).await });
        }
        for _ in 0..10 {
            client.check("250 slow large bodies").await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let mut answers = Vec::new();
        while let Some(answer) = bodies.try_join_next() {
            answers.extend(answer.unwrap().ok());
        }
        answers
    });
    assert_memory(&webhook);
    // The budget holds 16 of these bodies, and a client whose body was dropped gets a
    // response with the fix.
    let given_up = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 503")).count();
    assert!(given_up > 0, "{answers:?}");
    assert!(answers.iter().any(|answer| answer.contains("retry-after: 1")), "{answers:?}");
}

/// JSON that becomes a hundred times as much once it is read.
#[test]
fn dense_json_costs_no_memory() {
    let _alone = alone();
    let directory = directory(CONFIG);
    let webhook = Webhook::start(directory.path(), &["--shutdown-delay", "0s"]);
    let client = Client::new(directory.path(), webhook.address);
    runtime().block_on(async {
        for dense in [r#"{"":0},"#, "0,", r#"[""],"#, r#"{"":{"":{"":0}}},"#] {
            let body = format!("[{}0]", dense.repeat((7 << 20) / dense.len()));
            let mut stream = client.tls().await.unwrap();
            stream.write_all(head(body.len()).as_bytes()).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let mut answer = vec![0; 1024];
            let read = stream.read(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
            assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
            assert!(answer.contains("when decoded"), "{answer}");
        }
        client.check("dense JSON").await;
    });
    assert_memory(&webhook);
}
