//! A log that no one reads: reviews are answered all the same.

use std::io::BufRead as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    CONFIG, alone,
    connections::{Client, request, review, runtime},
    directory,
    serve::Webhook,
};

/// More lines than the pipe and the program hold, at a line of about 200 bytes each
/// review.
const REVIEWS: usize = 4000;

#[test]
fn a_log_that_nobody_reads_keeps_no_review_waiting() {
    let _alone = alone();
    let directory = directory(CONFIG);
    let (webhook, mut unread) =
        Webhook::start_unread(directory.path(), &["--shutdown-delay", "0s"]);
    let client = Client::new(directory.path(), webhook.address);
    webhook.wait_for("/metrics", "dropped_log_lines_total 0\n");
    runtime().block_on(async {
        let mut stream = client.tls().await.unwrap();
        let mut answer = vec![0; 16 << 10];
        for _ in 0..REVIEWS {
            stream.write_all(&request(&review(), false)).await.unwrap();
            let read = stream.read(&mut answer).await.unwrap();
            assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
        }
        client.check("a log that nobody reads").await;
    });
    let metrics = webhook.get("/metrics").unwrap();
    let dropped = metrics.lines().find_map(|line| {
        line.strip_prefix("prom_remotewrite_webhook_dropped_log_lines_total ")?.parse().ok()
    });
    let dropped: usize = dropped.unwrap();
    assert!((1..REVIEWS).contains(&dropped), "{dropped}");
    // Who begins to read gets the lines that were kept, and how many were not.
    let mut log = String::new();
    while !log
        .ends_with(&format!("msg=\"dropped log lines: the log was not read\" lines={dropped}\n"))
    {
        assert!(unread.read_line(&mut log).unwrap() > 0, "{dropped}: {log}");
    }
    let webhook = webhook.read(unread);
    webhook.signal();
    let (code, rest) = webhook.end();
    log += &rest;
    assert_eq!(code, Some(0));
    let kept = log.lines().filter(|line| line.contains("msg=injected")).count();
    // A busy machine may need the last review more than once.
    let all = kept + dropped;
    assert!((REVIEWS + 1..REVIEWS + 10).contains(&all), "{kept} and {dropped}");
    assert!(log.contains("msg=stopped"), "what comes later is there");
}
