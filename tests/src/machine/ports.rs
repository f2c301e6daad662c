//! Ports for programs that need a fixed one.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    sync::{LazyLock, Mutex},
};

use crate::{
    failure::{Context, Failure, Outcome},
    locked,
};

static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port that is free on both loopback addresses, chosen by the system, and given to no
/// one else in this process.
///
/// Another process could take it before it is used; a program that can listen on port 0
/// and report what it got should do that.
pub fn free() -> Outcome<u16> {
    // The system seldom repeats itself; a bound all the same.
    for _ in 0..64 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
        let port = listener.local_addr().context("find a free port")?.port();
        let free_on_6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port))
            .map_or_else(|error| error.kind() != std::io::ErrorKind::AddrInUse, |_| true);
        if free_on_6 && locked(&GIVEN).insert(port) {
            return Ok(port);
        }
    }
    Err(Failure::new("the system has no free port"))
}
