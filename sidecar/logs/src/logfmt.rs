//! `ts=… level=info msg="…" key=value`, one line an event.

use std::fmt;

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// Formats events; the message's key is `msg`, as Go's loggers have it.
pub(crate) struct Logfmt;

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("ts=")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, " level={}", level(*event.metadata().level()))?;
        let mut fields = Fields { writer: writer.by_ref(), result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        writeln!(writer)
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Writes an event's fields; the message is recorded first.
struct Fields<'a> {
    writer: Writer<'a>,
    result: fmt::Result,
}

impl Fields<'_> {
    fn add(&mut self, field: &Field, value: &str) {
        let key = if field.name() == "message" { "msg" } else { field.name() };
        self.result = self.result.and_then(|()| {
            for text in [" ", key, "="] {
                self.writer.write_str(text)?;
            }
            if needs_quotes(value) {
                write!(self.writer, "{value:?}")
            } else {
                self.writer.write_str(value)
            }
        });
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

fn needs_quotes(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\');
    value.is_empty() || !value.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt::layer, layer::SubscriberExt, registry::Registry};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_line_an_event_whatever_is_in_it() {
        let written = Written::default();
        let to = written.clone();
        let lines = layer().event_format(Logfmt).with_writer(move || to.clone());
        tracing::subscriber::with_default(Registry::default().with(lines), || {
            tracing::warn!(answered = 503, upstream = "a b", quoted = %"x\"\ny", "no {}", "token");
        });
        let line = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let (_, after_time) = line.split_once(' ').unwrap();
        assert_eq!(
            after_time,
            "level=warn msg=\"no token\" answered=503 upstream=\"a b\" quoted=\"x\\\"\\ny\"\n"
        );
    }
}
