//! `ts=… level=info msg="…" key=value`, one line an event.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Subscriber,
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
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        write!(writer, " level={level}")?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        writeln!(writer, "{}{}", fields.message, fields.others)
    }
}

/// An event's fields, written out: the message apart, because it comes first.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        let (key, text) = match field.name() {
            "message" => ("msg", &mut self.message),
            name => (name, &mut self.others),
        };
        // To write to a string cannot fail.
        let _ = if needs_quotes(value) {
            write!(text, " {key}={value:?}")
        } else {
            write!(text, " {key}={value}")
        };
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

fn needs_quotes(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
    value.is_empty() || !value.chars().all(plain)
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
