//! The chart: what it renders and refuses, and what a real API server makes of
//! it. Nothing of the cluster is played but the nodes: the webhook is the real
//! program on loopback, and of what the chart renders only the webhook's address
//! is another.

mod acceptance;
mod admission;
mod api_server;
mod cert_manager;
mod conditions;
mod creating;
mod documents;
pub(crate) mod foreign;
pub(crate) mod helm;
pub(crate) mod injected;
mod istio;
mod lifecycle;
mod monitoring;
mod neighbours;
pub(crate) mod objects;
mod own_resources;
mod packaging;
mod policy;
mod refusals;
mod release;
mod rights;
mod rotation;
mod safeguards;
mod schema;
pub(crate) mod serving;
pub(crate) mod trial;
mod upgrade;
mod values;
mod verify;
