//! Says that the store's disk has no room, in figures and with the mend, before a gateway has to find out.

use crate::{config::Config, startup};
use pantau_journal::{FileLayer, Shortage, StdFiles};

/// What is wrong with the disk of a store that may not be there yet; `None` when nothing is.
pub fn warning(config: &Config) -> Option<String> {
    warning_on(&StdFiles::default(), config)
}

pub(crate) fn warning_on<F: FileLayer>(files: &F, config: &Config) -> Option<String> {
    let engine = startup::engine(config);
    let shortage = pantau_journal::shortage(files, &engine.dir.join("journal"), &engine.journal)?;
    Some(format!("the disk of {} is too small: {}", engine.dir.display(), consequence(shortage)))
}

pub(crate) fn consequence(shortage: Shortage) -> String {
    format!("{shortage}; until then gateways get no acks. Free as much, or lower free_floor under [store]")
}
