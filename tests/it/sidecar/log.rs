//! A log that no one reads: samples are forwarded all the same.

use std::{
    io::{Read, Write},
    thread,
};

use super::{Stage, batch};

#[tokio::test]
async fn a_log_that_is_not_read_keeps_no_batch_waiting() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let size = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    writer.write_all(&vec![b'\n'; size]).unwrap();
    let mut stage = Stage::new().await;
    stage.log = Some(writer);
    let mut rig = stage.ready().await;
    for _ in 0..10 {
        assert_eq!(rig.status(batch(["up"])).await, 204);
    }
    // Nothing was lost for those who read late.
    assert_eq!(rig.metric("prom_remotewrite_dropped_log_lines_total").await, 0);
    let reading = thread::spawn(move || {
        let mut log = String::new();
        reader.read_to_string(&mut log).map(|_| log)
    });
    rig.end().await;
    let log = reading.join().unwrap().unwrap();
    assert!(log.contains("msg=listening"), "{log}");
}

/// Its end is not delayed for long either.
#[tokio::test]
async fn a_log_that_nobody_reads_keeps_no_sidecar_from_ending() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let size = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    writer.write_all(&vec![b'\n'; size]).unwrap();
    let mut stage = Stage::new().await;
    stage.log = Some(writer);
    let mut rig = stage.ready().await;
    rig.end().await;
    drop(reader);
}
