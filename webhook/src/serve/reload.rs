//! Watches the configuration file: a changed and valid one is loaded, an invalid one is
//! rejected, and the previous one stays in use.

use std::{fmt::Write as _, path::PathBuf, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};

use super::{POLL_INTERVAL, routes::Shared};
use crate::config::Config;

/// Looks at the file every two seconds, for ever. `seen` is the text that is in
/// use.
pub async fn watch(path: PathBuf, mut seen: String, shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    let mut readable = true;
    let mut good = true;
    loop {
        ticks.tick().await;
        match tokio::fs::read_to_string(&path).await {
            Ok(text) => {
                readable = true;
                if text != seen {
                    good = take(&shared, &text);
                    seen = text;
                }
                shared.metrics.config_is_current(good);
            }
            Err(error) => {
                if readable {
                    tracing::error!(path = %path.display(), %error, "kept the old configuration");
                }
                readable = false;
                shared.metrics.config_is_current(false);
            }
        }
    }
}

/// Whether it is in use now.
fn take(shared: &Shared, text: &str) -> bool {
    match Config::parse(text) {
        Ok(config) => {
            shared.config.store(Arc::new(config));
            shared.config_hash.store(Arc::new(content_hash(text)));
            shared.metrics.config_used();
            shared.metrics.config_reloaded(true);
            tracing::info!("loaded a new configuration");
            true
        }
        Err(errors) => {
            shared.metrics.config_reloaded(false);
            let error = contract::report(&errors);
            tracing::error!(error, "kept the old configuration");
            false
        }
    }
}

/// The SHA-256 hash of a configuration's text, in hexadecimal.
pub fn content_hash(text: &str) -> String {
    let mut hexadecimal = String::new();
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        // Writing into a String cannot fail.
        let _ = write!(hexadecimal, "{byte:02x}");
    }
    hexadecimal
}
