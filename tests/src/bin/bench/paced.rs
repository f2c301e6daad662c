//! A steady rate: what latency is where there is no queue of one's own making.
//!
//! Threads with blocking sockets, since timers of a runtime are a millisecond
//! coarse. A request that had to wait for the one before it is measured from
//! when it was due, so that a slow answer isn't hidden by what it held up.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ::tests::failure::{Context, Failure, Outcome};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{
    latency::Latencies,
    load::{Target, whole_answer},
};

/// Sends so many requests a second in all, over so many TLS connections.
pub(crate) fn run(
    target: &Target,
    connections: u32,
    per_second: f64,
    time: Duration,
) -> Outcome<Latencies> {
    let pause = Duration::from_secs_f64(f64::from(connections) / per_second);
    let begun = Instant::now();
    let mut senders = Vec::new();
    for number in 0..connections {
        let target = target.clone();
        // Evenly between each other.
        let first = begun + pause * number / connections;
        senders.push(thread::spawn(move || send(&target, first, pause, begun + time)));
    }
    let mut all = Latencies::default();
    for sender in senders {
        let ended = sender.join().map_err(|_| Failure::new("a sender panicked"))?;
        all.append(ended?);
    }
    Ok(all)
}

fn send(target: &Target, first: Instant, pause: Duration, until: Instant) -> Outcome<Latencies> {
    let mut stream = connect(target)?;
    let mut latencies = Latencies::default();
    let mut due = first;
    while due < until {
        let now = Instant::now();
        let begun = if now < due {
            thread::sleep(due - now);
            Instant::now()
        } else {
            due
        };
        exchange(&mut stream, &target.request)?;
        latencies.push(begun.elapsed());
        due += pause;
    }
    Ok(latencies)
}

fn connect(target: &Target) -> Outcome<StreamOwned<ClientConnection, TcpStream>> {
    let stream = TcpStream::connect(target.address).context("connect")?;
    stream.set_nodelay(true).context("send without delay")?;
    let config: Arc<ClientConfig> = target.tls.clone().context("agree on TLS")?;
    let name = ServerName::try_from("localhost").context("name the server")?;
    let client = ClientConnection::new(config, name).context("agree on TLS")?;
    Ok(StreamOwned::new(client, stream))
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> Outcome<()> {
    stream.write_all(request).context("send a request")?;
    stream.flush().context("send a request")?;
    let (mut input, mut space) = (Vec::new(), [0; 16 << 10]);
    loop {
        let read = stream.read(&mut space).context("read an answer")?;
        input.extend_from_slice(space.get(..read).unwrap_or_default());
        match whole_answer(&input) {
            Some(answer) if answer.status == 200 => return Ok(()),
            Some(answer) => return Err(Failure::new(format!("the answer was {}", answer.status))),
            None if read == 0 => return Err(Failure::new("the connection ended")),
            None => {}
        }
    }
}
