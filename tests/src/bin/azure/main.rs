//! The stand-in for Azure as a program, for a cluster: the very code that tests run in
//! their own process, on addresses that stay, with an admin port that reports what was
//! stored and rejected, and that makes it misbehave.

mod admin;
mod arguments;
mod faults;
mod keys;
mod registration;
mod status;

use std::{
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
};

use clap::Parser;
use tests::{
    azure::Azure,
    failure::{Context, Outcome},
    say,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use self::{
    admin::Admin,
    arguments::Arguments,
    registration::{Registration, read},
};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(failure);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Outcome<()> {
    let registration: Registration = read(&arguments.registration)?;
    let setup = registration.setup()?;
    let site = arguments.site().await?;
    let azure = Arc::new(Azure::serve(site, setup));
    let ready = Arc::new(AtomicBool::new(!registration.trusts_a_cluster()));
    if registration.trusts_a_cluster() {
        let client = kube::Client::try_default().await.context("find the API server")?;
        tokio::spawn(keys::follow(client, Arc::clone(&azure), Arc::clone(&ready)));
    }
    let listener = TcpListener::bind(arguments.admin).await.context("listen for the admin")?;
    let router = admin::router(Admin { azure, ready });
    say(format_args!("stand-in for Azure, admin on {}", arguments.admin));
    // As a container's first process it has no signal handlers but its own.
    let mut end = signal(SignalKind::terminate()).context("wait for a signal")?;
    tokio::select! {
        ended = async { axum::serve(listener, router).await } => ended.context("serve the admin"),
        _ = end.recv() => Ok(()),
    }
}
