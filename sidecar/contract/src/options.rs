//! Switches and limits of the sidecar.

use std::{fmt, str::FromStr, time::Duration};

use crate::{ByteSize, InvalidValue, names::env};

/// Reads a boolean as people write it in an environment.
pub fn parse_bool(text: &str) -> Result<bool, InvalidValue> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(InvalidValue::one_of(text, &["true", "false"])),
    }
}

/// A closed set of words: an enum, its words, and the conversions between them.
/// A word may have other spellings, which are accepted and not documented.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $other:literal)*),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every accepted word.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                match text.to_ascii_lowercase().as_str() {
                    $($word $(| $other)* => Ok(Self::$variant),)+
                    _ => Err(InvalidValue::one_of(text, Self::WORDS)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Who may write.
    AcceptFrom {
        /// Connections both ends of which are loopback addresses: the pod itself.
        Loopback = "loopback",
        /// Anybody who reaches the port.
        Any = "any",
    }
}

words! {
    /// What Prometheus is told when Azure refuses.
    ResponseMode {
        /// What time or an operator can mend is answered so that Prometheus
        /// tries again; only what can never succeed is final.
        Protective = "protective",
        /// As received.
        Transparent = "transparent",
    }
}

words! {
    /// How much is logged.
    LogLevel {
        /// What is wrong now.
        Error = "error",
        /// What will be wrong.
        Warn = "warn",
        /// What an operator wants to know.
        Info = "info",
        /// What a developer wants to know.
        Debug = "debug",
        /// Everything but secrets.
        Trace = "trace",
    }
}

words! {
    /// How it is logged.
    LogFormat {
        /// `key=value`, as Prometheus and Microsoft's image log.
        Logfmt = "logfmt",
        /// One JSON object a line.
        Json = "json",
    }
}

/// Bounds on memory and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of all requests under way; past it, a request is told to come
    /// again (503).
    pub max_in_flight: ByteSize,
    /// Open connections.
    pub max_connections: u32,
    /// One request's body, at most [`Limits::max_in_flight`]; a larger one is
    /// refused for good (413).
    pub max_request: ByteSize,
    /// What one request claims to decompress to; likewise.
    pub max_decompressed: ByteSize,
    /// How long a client may take for a request's head, and to begin its first.
    pub header_timeout: Duration,
    /// Idle timeout for client connections.
    pub idle_timeout: Duration,
    /// From a request's first byte to its answer.
    pub upstream_timeout: Duration,
    /// From SIGTERM to the end, at the latest.
    pub shutdown_timeout: Duration,
}

/// Less than one write of Prometheus with its default queue: 2,000 samples are about
/// 100 KiB, and twice that decompressed.
const SMALLEST_USUAL: ByteSize = ByteSize::kibibytes(64);

impl Limits {
    /// The first limit that is so small that its unit was probably forgotten: one
    /// sentence.
    pub(crate) fn warning(&self) -> Option<String> {
        let limits = [
            (env::MAX_IN_FLIGHT_BYTES, self.max_in_flight),
            (env::MAX_REQUEST_BYTES, self.max_request),
            (env::MAX_DECOMPRESSED_BYTES, self.max_decompressed),
        ];
        let (name, size) = limits.into_iter().find(|(_, size)| *size < SMALLEST_USUAL)?;
        Some(format!(
            "{name}={size} is less than a usual write of Prometheus (100 KiB), which is answered 413 and lost: is a unit such as Mi missing?"
        ))
    }

    /// The limits of one of so many destinations: each has an equal share of what
    /// bounds memory, and takes no request that is larger than its share.
    #[must_use]
    pub fn divided(self, destinations: usize) -> Self {
        let max_in_flight = self.max_in_flight.divided(destinations);
        let max_request = self.max_request.min(max_in_flight);
        Self { max_in_flight, max_request, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // 32 of the largest requests that Azure takes (1 MiB), and half of
            // the smallest memory limit that charts give such a sidecar (64 Mi).
            max_in_flight: ByteSize::mebibytes(32),
            // Prometheus opens at most as many as it has shards: 50 by default,
            // 200 at the most that is recommended.
            max_connections: 1024,
            // Far above what Prometheus sends (2,000 samples: about 100 KiB),
            // so that a 413 of Azure's can be answered by splitting.
            max_request: ByteSize::mebibytes(16),
            // Prometheus' own receiver stops at 32 MiB (CVE-2026-42154).
            max_decompressed: ByteSize::mebibytes(64),
            // A local client writes its head at once.
            header_timeout: Duration::from_secs(10),
            // Above Prometheus' own 5 min, so that it closes first and no POST
            // races with a close.
            idle_timeout: Duration::from_mins(6),
            // Below Prometheus' remote_timeout of 30 s, so that it hears our
            // answer and not its own timeout.
            upstream_timeout: Duration::from_secs(25),
            // Prometheus flushes for up to a minute after its SIGTERM.
            shutdown_timeout: Duration::from_secs(90),
        }
    }
}
