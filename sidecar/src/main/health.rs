//! Whether the sidecar in this pod is alive, for exec probes.
//!
//! The kubelet runs it every few seconds: no runtime, no TLS, no root
//! certificates, and no variable but the port. It connects to loopback
//! addresses and uses no proxy.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use contract::{Port, names};

/// For each step. Below the 10 s that the webhook gives the probe, so that the
/// reason is in the probe's event, and long enough for a busy node.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The beginning of the one answer that counts.
const OK: &[u8] = b"HTTP/1.1 200 ";

/// Asks for `/health`.
///
/// # Errors
/// One line with the reason why the sidecar does not count as alive.
pub(crate) fn health(listening_port: Option<&str>) -> Result<(), String> {
    let text = listening_port.map(str::trim).filter(|text| !text.is_empty());
    let port = match text {
        None => Port::DEFAULT,
        Some(text) => text.parse().map_err(|rejected: contract::InvalidValue| {
            rejected.at(names::env::LISTENING_PORT, text).to_string()
        })?,
    };
    ask(port.get()).map_err(|error| {
        format!(
            "the sidecar does not answer {} on loopback port {port}: {error}",
            names::HEALTH_PATH
        )
    })
}

fn ask(port: u16) -> io::Result<()> {
    let connect =
        |address: IpAddr| TcpStream::connect_timeout(&SocketAddr::new(address, port), TIMEOUT);
    // The listener takes both families where the machine has both. One that times out
    // exists, and is blocked.
    let mut stream = match connect(Ipv4Addr::LOCALHOST.into()) {
        Err(error) if error.kind() != io::ErrorKind::TimedOut => {
            connect(Ipv6Addr::LOCALHOST.into()).map_err(|_| error)?
        }
        stream => stream?,
    };
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        names::HEALTH_PATH
    );
    stream.write_all(request.as_bytes())?;
    let mut begun = [0; OK.len()];
    stream.read_exact(&mut begun).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    })?;
    if begun == OK {
        return Ok(());
    }
    Err(io::Error::other(format!("it answered {:?}", String::from_utf8_lossy(&begun))))
}
