//! Which containers take samples to Azure and were written by hand: those that the webhook
//! knows, which it leaves alone, and others that only people are told of.

use contract::names;
use webhook::{
    decide::{is_hand_written, repository},
    pod::Container,
};

/// Azure/aad-auth-proxy: the end of its image, and the usual name of its container.
pub(crate) const AUTH_PROXY: &str = "aad-auth-proxy";

/// Whether it is Azure/aad-auth-proxy.
pub(crate) fn is_auth_proxy(container: Container<'_>) -> bool {
    container.image().contains(&format!("/{AUTH_PROXY}"))
}

/// Whether it is one that migration starts at. Where its variables are elsewhere, the image
/// tells it, or the name.
pub(crate) fn is_source(container: Container<'_>) -> bool {
    let has_image = repository(container.image()).ends_with(&format!("/{}", names::CONTAINER));
    let is_named = container.name() == names::CONTAINER && container.has_variables_elsewhere();
    is_hand_written(container) || is_auth_proxy(container) || has_image || is_named
}
