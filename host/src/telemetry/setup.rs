//! Where log lines go and which are shown.

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Which log lines are shown, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// In the syntax of tracing's `EnvFilter`; comes before `verbosity`.
    pub filter: Option<String>,
    /// 0 shows warnings and errors; each step up shows one level more, each step down one less.
    pub verbosity: i8,
    /// One JSON object a line, instead of text.
    pub json: bool,
    /// Text has colour.
    pub color: bool,
}

impl Options {
    fn filter(&self) -> EnvFilter {
        let by_verbosity = match self.verbosity {
            ..0 => "error",
            0 => "warn",
            1 => "warn,orchestrator_host=info,orchestrator=info,run=info",
            2 => "info,orchestrator_host=debug,orchestrator=debug,run=debug",
            3.. => "debug,orchestrator_host=trace,orchestrator=trace,run=trace",
        };
        let chosen = self.filter.as_deref().and_then(|filter| EnvFilter::try_new(filter).ok());
        chosen.unwrap_or_else(|| EnvFilter::new(by_verbosity))
    }
}

/// Sends log lines to standard error; the first call of a process counts.
///
/// Only `tracing` is listened to, never the `log` crate: suppaftp writes there what it sends, with
/// passwords at its lowest level.
pub fn init(options: &Options) {
    let subscriber = tracing_subscriber::registry().with(options.filter());
    let _ = tracing::subscriber::set_global_default(subscriber.with(lines(options)));
}

fn lines<S>(options: &Options) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(options.color);
    if options.json { lines.json().flatten_event(true).boxed() } else { lines.compact().boxed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_falls_back_to_verbosity() {
        let broken = Options { filter: Some("a=b=c=d".to_owned()), ..Options::default() };
        assert_eq!(broken.filter().to_string(), "warn");
        let chosen = Options { filter: Some("debug".to_owned()), verbosity: -1, ..Options::default() };
        assert_eq!(chosen.filter().to_string(), "debug");
    }
}
