//! What the webhook and the sidecar must agree on.
//!
//! The webhook writes a container into a pod; the sidecar is what then runs in it.
//! Everything that crosses from one to the other has its name, its encoding and its
//! decoding here, once, so that the two cannot drift apart. The sidecar, as the reader,
//! owns the language: which is why this crate is in its folder.
//!
//! In reading order:
//!
//! * [`names`]: container, port, paths, volumes, variables;
//! * [`Settings`]: the configuration of a sidecar with one destination.
//!   [`Settings::to_env`] is what the webhook writes, [`Settings::from_env`] what the
//!   sidecar reads;
//! * [`Destinations`]: the same for several, each with its [`DestinationName`];
//! * [`annotations`]: what a pod's author writes, and the [`Overrides`] that
//!   it parses into;
//! * [`Identity`], [`Cloud`], [`IngestionUrl`], …: the values;
//! * [`SettingError`]: how a bad value is reported, wherever it was found.
//!
//! # Invariants
//!
//! * Nothing here touches the environment, a file, the clock or a socket.
//! * A value that parsed is valid; nobody checks it again.
//! * All errors are reported together, each with its name, its value and
//!   what is accepted; no secret is ever part of one.
//! * Of other crates, only `url` and `strsim` are used, so that the webhook does
//!   not compile an HTTP client to learn a port.

mod address;
pub mod annotations;
mod azure;
mod destination;
mod destinations;
mod entra;
mod errors;
mod identity;
mod ingestion;
mod kubernetes;
mod measures;
pub mod names;
mod options;
mod overrides;
mod proxy;
mod settings;
mod suggest;
mod text;
mod token_proxy;

pub use address::without_userinfo;
pub use azure::{Audience, AuthorityHost, Cloud, IdentityEndpoint, MetadataHost};
pub use destination::{DESTINATION_VARIABLES, Destination, DestinationName, MAX_DESTINATIONS};
pub use destinations::Destinations;
pub use entra::{ClientId, TenantId};
pub use errors::{InvalidValue, SettingError, report};
pub use identity::{Certificate, Identity, IdentityType};
pub use ingestion::IngestionUrl;
pub use kubernetes::{
    CertificateName, Image, ImagePullPolicy, LivenessProbe, MountPath, ObjectName, Quantity,
    ReadinessProbe, SidecarMode,
};
pub use measures::{ByteSize, Port, format_duration, parse_duration};
pub use options::{AcceptFrom, Limits, LogFormat, LogLevel, ResponseMode, parse_bool};
pub use overrides::{Key, Overrides};
pub use proxy::Proxy;
pub use settings::Settings;
pub use suggest::did_you_mean;
pub use token_proxy::{Pem, ServerName, TokenProxy, TokenProxyAddress, TokenProxyAuthority};
