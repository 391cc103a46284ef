//! A time-series database of somebody else as the store: InfluxDB 2 or later, or VictoriaMetrics, by the v2 write API.
//!
//! ```text
//! append(commits)
//!   line.rs      readings as lines
//!   writer.rs    bodies ──HTTP──► database: 204 for every line, or the reading is refused
//!   control/     a record a commit, without its readings: ranges, new series, refused payloads, losses, counts; one fsync
//! then the acks leave
//!   settle.rs    VictoriaMetrics only: waits until what it took is kept
//! StoreReader    range, aggregate: influx.rs or victoria.rs asks the database; latest: newest.rs; the rest: control
//! ```
//!
//! What always holds:
//! - The readings of a commit are in the database before its record is journaled here, and the record before the ack. A
//!   crash in between sends the readings again, and series + time makes them the same points.
//! - The control journal is an embedded store whose commits have no readings, so that recovery, the quarantine's feed,
//!   the bounds on disk and the way that a torn end is cut are the same code.
//! - Nothing of the readings is kept here: what the database loses after its 204 is lost, as far as the gateways' spools
//!   do not still have it.

mod alarm;
pub(crate) mod check;
mod influx;
mod line;
mod newest;
mod queries;
mod reader;
mod server;
mod settle;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod trust;
mod victoria;
mod writer;

use pantau_journal::FileLayer;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::alarm::Alarm;
use self::line::Heads;
use self::newest::Newest;
use self::queries::Queries;
use self::settle::Settling;
use self::writer::{Bounds, Writer};
use super::embedded::{self, Compactor, Flusher, Recovery, Replayed};

#[cfg(test)]
pub(crate) use tests::{Database, Metrics};

pub use newest::Loader;
pub use reader::RemoteReader;
pub(crate) use server::address;
pub use server::{Kind, Server};
pub use store::RemoteStore;

/// What a remote store needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The control journal.
    pub control: embedded::Config,
    /// The database.
    pub server: Server,
}

/// Why a remote store cannot be opened. A database that is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The control journal cannot be opened.
    #[error(transparent)]
    Control(#[from] embedded::OpenError),
    /// The client cannot be made.
    #[error("the client of the database: {0}")]
    Client(String),
}

/// A remote store that is ready; the database was not asked for anything yet.
pub struct Opened<F: FileLayer> {
    /// For the one writer thread.
    pub store: RemoteStore<F>,
    /// For everyone else.
    pub reader: RemoteReader<F>,
    /// For a thread of its own.
    pub flusher: Flusher<F>,
    /// For a thread of its own.
    pub compactor: Compactor<F>,
    /// For a task of its own.
    pub loader: Loader<F>,
    /// What was found in the control journal.
    pub recovery: Recovery,
}

/// Opens the store. Requests run on `runtime`, whose threads must not be those that call the store. After `stop` the
/// database is waited for no longer than a moment.
///
/// # Errors
/// When the control journal or the client cannot be had.
pub fn open<F: FileLayer>(
    files: F,
    config: Config,
    runtime: Handle,
    stop: CancellationToken,
    on_replay: &mut dyn FnMut(Replayed<'_>),
) -> Result<Opened<F>, OpenError> {
    let opened = embedded::open(files, config.control, on_replay)?;
    let Config { server, .. } = config;
    let alarm = Alarm::default();
    let newest = Newest::default();
    let queries = Queries::of(&server).map_err(OpenError::Client)?;
    let settling = match (server.kind, &queries) {
        (Kind::Victoria { settle }, Queries::Victoria(victoria)) => {
            Some(Settling { victoria: victoria.clone(), settle })
        }
        _ => None,
    };
    let reader = RemoteReader {
        control: opened.reader,
        queries,
        newest: newest.clone(),
        alarm: alarm.clone(),
        runtime: runtime.clone(),
    };
    let writer = Writer {
        client: server.writing().map_err(OpenError::Client)?,
        bucket: server.bucket,
        bounds: Bounds::default(),
        alarm,
        stop: stop.clone(),
    };
    let store = RemoteStore {
        control: opened.store,
        reader: reader.clone(),
        writer,
        settling,
        heads: Heads::default(),
        amended: Vec::new(),
    };
    let loader = Loader { reader: reader.clone(), stop };
    let embedded::Opened { flusher, compactor, recovery, .. } = opened;
    Ok(Opened { store, reader, flusher, compactor, loader, recovery })
}
