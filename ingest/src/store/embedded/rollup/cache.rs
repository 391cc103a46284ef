//! Packs that were read lately, decoded: a question about many series, or about the next one, finds its neighbours' rows
//! in the pack that was just read. Bounded; which file and which columns is part of the key, and files never change.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::datafile::FileId;
use super::pack::{Pack, Wanted};

/// Packs at most: a month each of five years of a series. At most 14 MiB.
const MOST: usize = 64;

/// File, offset, columns.
type Key = (FileId, u64, Wanted);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// From the one used longest ago to the one used last.
    packs: Mutex<VecDeque<(Key, Arc<Pack>)>>,
}

impl Cache {
    /// The pack of that key, read now if it is not here.
    pub(super) fn get(&self, key: Key, read: impl FnOnce() -> io::Result<Pack>) -> io::Result<Arc<Pack>> {
        {
            let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = packs.iter().rposition(|(found, _)| *found == key)
                && let Some(found) = packs.remove(at)
            {
                let pack = found.1.clone();
                packs.push_back(found);
                return Ok(pack);
            }
        }
        let pack = Arc::new(read()?);
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        if packs.len() >= MOST {
            packs.pop_front();
        }
        packs.push_back((key, pack.clone()));
        Ok(pack)
    }
}
