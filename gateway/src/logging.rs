//! The log on standard error: one line an event, from the configured level on; libraries speak from `warn` on.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Level;

/// Starts logging, once a process; later calls change nothing.
pub fn init(level: Level) {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("pantau", level);
    let format = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    drop(tracing_subscriber::registry().with(targets).with(format).try_init());
}
