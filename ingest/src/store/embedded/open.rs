//! Opening is recovery: manifest, series log, indexes of the files, journal. There is no other way to get a store, so there
//! is no other state to think of than what this leaves.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::Config;
use super::catalog::Catalog;
use super::compact::Compactor;
use super::flush::Flusher;
use super::manifest::Manifest;
use super::reader::EmbeddedReader;
use super::recover::{load, open_files, replay};
use super::retention::Retention;
use super::state::{Shared, State};
use super::writer::EmbeddedStore;
use crate::store::types::Commit;

/// Why a store cannot be opened. Damage is no reason: see [`Recovery::damage`].
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The write-ahead journal cannot be opened.
    #[error("the store's journal: {0}")]
    Journal(#[from] pantau_journal::OpenError),
    /// The file system failed.
    #[error("cannot open the store in {dir}: {source}")]
    Io {
        /// The store's folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A store that is ready.
pub struct Opened<F: FileLayer> {
    /// For the one writer thread.
    pub store: EmbeddedStore<F>,
    /// For everyone else.
    pub reader: EmbeddedReader<F>,
    /// For a thread of its own: `flusher.run()`.
    pub flusher: Flusher<F>,
    /// For a thread of its own: `compactor.run(now)`.
    pub compactor: Compactor<F>,
    /// What was found.
    pub recovery: Recovery,
}

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    /// Readings taken from the journal into memory.
    pub replayed_readings: u64,
    /// Commits read from the journal, also those whose readings are in files already.
    pub replayed_commits: u64,
    /// Bytes of a torn end of the journal that were cut (never acknowledged).
    pub torn_tail_bytes: u64,
    /// Everything found damaged, in words that name the place. Empty in a healthy store.
    pub damage: Vec<String>,
    /// Classes that have files and are not configured any more, so that nothing of them is ever dropped.
    pub kept_for_ever: Vec<String>,
}

/// A commit found in the journal while opening, for indexes that are kept beside the store (the quarantine).
#[derive(Debug)]
pub struct Replayed<'a> {
    /// Its journal position.
    pub position: u64,
    /// What was committed; `commit.refused` and `commit.losses` are what an index wants. May have been seen before.
    pub commit: &'a Commit,
}

/// Opens the store in `config.dir`, making it when there is none. `on_replay` sees every commit that the journal still has,
/// in order; nothing is freed before [`EmbeddedReader::set_indexed`] was told about it.
///
/// # Errors
/// When the folder is in use, or the file system fails. Never because of damage.
pub fn open<F: FileLayer>(
    files: F,
    config: Config,
    on_replay: &mut dyn FnMut(Replayed<'_>),
) -> Result<Opened<F>, OpenError> {
    let dir = config.dir.clone();
    let io_error = |source| OpenError::Io { dir: dir.clone(), source };
    files.create_dir(&dir).map_err(io_error)?;
    files.create_dir(&dir.join("data")).map_err(io_error)?;
    let pantau_journal::Opened { journal, committer, recovery: found } =
        pantau_journal::open(files.clone(), &dir.join("journal"), config.journal.clone())?;
    let mut recovery = Recovery { torn_tail_bytes: found.torn_tail_bytes, ..Recovery::default() };
    recovery.damage.extend(found.damaged.iter().map(|damage| format!("journal: {damage:?}")));

    let mut state = State::default();
    let mut catalog = Catalog::default();
    let (mut manifest, name_log) =
        load(&files, &dir, &mut recovery.damage, &mut catalog).map_err(io_error)?;
    catalog.sort();
    state.grow(manifest.series as usize);
    let Manifest { classes, files: parts, next_file, .. } = &mut manifest;
    if classes.take_in(&config.retention, parts, *next_file) {
        manifest.generation += 1;
        manifest.store(&files, &dir).map_err(io_error)?;
    }
    recovery.kept_for_ever = unconfigured(&manifest, &config.retention);
    let mut stored_last = Vec::new();
    let data = open_files(&files, &dir, &manifest, &mut state, &mut stored_last, &mut recovery.damage);
    let data = data.map_err(io_error)?;
    state.files = Arc::new(data);
    state.gateways = manifest.gateways.clone();
    state.counters = manifest.counters;
    state.expired = manifest.expired;
    if manifest.covered > found.next.0 {
        recovery.damage.push(format!(
            "journal: it ends at {} although files cover it up to {}; it was replaced or restored",
            found.next.0, manifest.covered
        ));
        manifest.covered = found.next.0;
        manifest.generation += 1;
        manifest.store(&files, &dir).map_err(io_error)?;
    }
    state.covered = manifest.covered;
    state.applied = manifest.covered;
    replay(&journal, found.kept, &mut state, &mut catalog, &mut recovery, on_replay).map_err(io_error)?;
    if state.active.bytes() >= config.memory_bytes / 2 {
        state.freeze();
    }
    let shared = Arc::new(Shared::new(state, catalog, manifest));
    Ok(Opened {
        store: EmbeddedStore {
            shared: shared.clone(),
            journal: journal.clone(),
            committer: Some(committer),
            table_bytes: config.memory_bytes / 2,
            max_wait: config.max_wait,
            buffer: Vec::new(),
        },
        reader: EmbeddedReader {
            shared: shared.clone(),
            journal: journal.clone(),
            files: files.clone(),
            packs: Arc::default(),
        },
        compactor: Compactor::new(shared.clone(), files.clone(), &config),
        flusher: Flusher {
            shared,
            journal,
            files,
            dir: config.dir,
            names: name_log,
            stored_last,
            flush_after: config.flush_after,
        },
        recovery,
    })
}

fn unconfigured(manifest: &Manifest, retention: &Retention) -> Vec<String> {
    let classes: BTreeSet<u16> = manifest.files.iter().map(|part| part.id.class).collect();
    let gone = classes.into_iter().filter(|class| manifest.classes.keep(*class, retention).is_none());
    gone.map(|class| manifest.classes.called(class)).collect()
}
