//! Bounds on memory and time, and whether they agree with each other.

use std::time::Duration;

use super::reader::SettingsReader;
use crate::{ByteSize, InvalidValue, Limits, SettingError, names::env, parse_duration};

impl<L: Fn(&str) -> Option<String>> SettingsReader<L> {
    pub(super) fn limits(&mut self) -> Limits {
        let usual = Limits::default();
        let mut duration =
            |name, usual: Duration| self.parsed_with(name, parse_duration).unwrap_or(usual);
        let header_timeout = duration(env::HEADER_TIMEOUT, usual.header_timeout);
        let idle_timeout = duration(env::IDLE_TIMEOUT, usual.idle_timeout);
        let upstream_timeout = duration(env::UPSTREAM_TIMEOUT, usual.upstream_timeout);
        let shutdown_timeout = duration(env::SHUTDOWN_TIMEOUT, usual.shutdown_timeout);
        let count = |text: &str| match text.parse() {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(InvalidValue::expected("a whole number above 0")),
        };
        let max_in_flight = self.parsed(env::MAX_IN_FLIGHT_BYTES).unwrap_or(usual.max_in_flight);
        Limits {
            max_in_flight,
            max_connections: self
                .parsed_with(env::MAX_CONNECTIONS, count)
                .unwrap_or(usual.max_connections),
            max_request: self.max_request(max_in_flight, usual.max_request),
            max_decompressed: self
                .parsed(env::MAX_DECOMPRESSED_BYTES)
                .unwrap_or(usual.max_decompressed),
            header_timeout,
            idle_timeout,
            upstream_timeout,
            shutdown_timeout,
        }
    }

    /// A request that is larger than all requests together may be would be told
    /// to retry for ever. The default gives way; a value that was set does not.
    fn max_request(&mut self, max_in_flight: ByteSize, usual: ByteSize) -> ByteSize {
        let max_request: Option<ByteSize> = self.parsed(env::MAX_REQUEST_BYTES);
        if let Some(max_request) = max_request.filter(|max_request| *max_request > max_in_flight) {
            let default =
                if self.text(env::MAX_IN_FLIGHT_BYTES).is_none() { " (default)" } else { "" };
            self.errors.push(SettingError {
                name: env::MAX_REQUEST_BYTES.to_owned(),
                value: Some(max_request.to_string()),
                expected: format!(
                    "at most {}={max_in_flight}{default}: raise that, too, together with the container's memory limit",
                    env::MAX_IN_FLIGHT_BYTES
                ),
                suggestion: None,
            });
        }
        max_request.unwrap_or(usual.min(max_in_flight))
    }
}
