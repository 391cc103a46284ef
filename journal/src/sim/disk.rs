//! The state of the simulated disk: names and inodes, each as seen and as durable.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use super::PowerCut;
use crate::files::FileEntry;

const SECTOR: usize = 512;

/// A change of a file that no sync has covered.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write(u64, Vec<u8>),
    Len(u64),
}

/// A change of names that no folder sync has covered.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Link(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) current: Vec<u8>,
    durable: Vec<u8>,
    dirty: Vec<Change>,
    pub(super) modified_ms: i64,
}

pub(super) struct Disk {
    pub(super) generation: u64,
    pub(super) names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    dirty_names: Vec<NameChange>,
    pub(super) inodes: HashMap<u64, Inode>,
    next_inode: u64,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) capacity: u64,
    pub(super) fail_write: Option<u64>,
    pub(super) fail_sync: Option<u64>,
    pub(super) fail_reads: bool,
    pub(super) drop_syncs: bool,
    pub(super) syncs: u64,
    seed: u64,
    clock: i64,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self {
            generation: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            dirty_names: Vec::new(),
            inodes: HashMap::new(),
            next_inode: 1,
            locks: BTreeSet::new(),
            capacity: u64::MAX,
            fail_write: None,
            fail_sync: None,
            fail_reads: false,
            drop_syncs: false,
            syncs: 0,
            seed: 0,
            clock: 0,
        }
    }

    /// splitmix64: the same run gives the same numbers.
    pub(super) fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Counts a fault down; true when it is due.
    pub(super) fn due(left: &mut Option<u64>) -> bool {
        match left {
            Some(0) => {
                *left = None;
                true
            }
            Some(n) => {
                *n -= 1;
                false
            }
            None => false,
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.names.values().filter_map(|i| self.inodes.get(i)).map(|i| i.current.len() as u64).sum()
    }

    pub(super) fn new_inode(&mut self) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(inode, Inode::default());
        inode
    }

    pub(super) fn set_contents(&mut self, path: &Path, bytes: Vec<u8>) {
        let known = self.names.get(path).copied();
        let inode = known.unwrap_or_else(|| self.new_inode());
        self.names.insert(path.to_owned(), inode);
        self.durable_names.insert(path.to_owned(), inode);
        let modified_ms = self.clock;
        self.inodes
            .insert(inode, Inode { current: bytes.clone(), durable: bytes, dirty: Vec::new(), modified_ms });
    }

    pub(super) fn change_name(&mut self, change: NameChange) {
        apply_name(&mut self.names, &change);
        self.dirty_names.push(change);
    }

    pub(super) fn resize(&mut self, inode: u64, bytes: u64, only_grow: bool) -> io::Result<()> {
        let now = self.inodes.get(&inode).map_or(0, |i| i.current.len() as u64);
        if only_grow && bytes <= now { Ok(()) } else { self.change(inode, Change::Len(bytes)) }
    }

    pub(super) fn change(&mut self, inode: u64, change: Change) -> io::Result<()> {
        let before = self.inodes.get(&inode).map_or(0, |i| i.current.len() as u64);
        let after = match &change {
            Change::Write(offset, bytes) => before.max(offset + bytes.len() as u64),
            Change::Len(bytes) => *bytes,
        };
        if after > before && self.used().saturating_add(after - before) > self.capacity {
            return Err(io::Error::from_raw_os_error(28));
        }
        self.clock += 1;
        if let Some(inode) = self.inodes.get_mut(&inode) {
            inode.modified_ms = self.clock;
            apply(&mut inode.current, &change);
            inode.dirty.push(change);
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, inode: u64) -> io::Result<()> {
        let fails = Self::due(&mut self.fail_sync);
        let Some(inode) = self.inodes.get_mut(&inode) else { return Ok(()) };
        if fails {
            // The kernel marks the pages clean: they stay visible and never reach the disk.
            inode.dirty.clear();
            return Err(io::Error::from_raw_os_error(5));
        }
        if !self.drop_syncs {
            for change in inode.dirty.drain(..) {
                apply(&mut inode.durable, &change);
            }
            self.syncs += 1;
        }
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        if Self::due(&mut self.fail_sync) {
            return Err(io::Error::from_raw_os_error(5));
        }
        if !self.drop_syncs {
            let (synced, rest) =
                std::mem::take(&mut self.dirty_names).into_iter().partition(|c| c.dir() == Some(path));
            self.dirty_names = rest;
            let synced: Vec<NameChange> = synced;
            synced.iter().for_each(|change| apply_name(&mut self.durable_names, change));
            self.syncs += 1;
        }
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> Vec<FileEntry> {
        let inside = self.names.iter().filter(|(p, _)| p.parent() == Some(path));
        let entry = inside.filter_map(|(p, inode)| {
            let inode = self.inodes.get(inode)?;
            let name = p.file_name()?.to_str()?.to_owned();
            Some(FileEntry { name, bytes: inode.current.len() as u64, modified_ms: inode.modified_ms })
        });
        entry.collect()
    }

    pub(super) fn kill(&mut self) {
        self.generation += 1;
        self.locks.clear();
        self.fail_write = None;
        self.fail_sync = None;
        self.fail_reads = false;
        self.drop_syncs = false;
    }

    pub(super) fn crash(&mut self, cut: PowerCut) {
        self.kill();
        if let PowerCut::Tear(seed) = cut {
            self.seed = self.seed.wrapping_add(seed);
        }
        let changes = std::mem::take(&mut self.dirty_names);
        let kept = match cut {
            PowerCut::LoseAll => 0,
            PowerCut::KeepAll => changes.len(),
            PowerCut::Tear(_) => (self.random() % (changes.len() as u64 + 1)) as usize,
        };
        changes[..kept].iter().for_each(|change| apply_name(&mut self.durable_names, change));
        self.names = self.durable_names.clone();
        let mut inodes: Vec<_> = std::mem::take(&mut self.inodes).into_iter().collect();
        inodes.sort_by_key(|(number, _)| *number);
        inodes.retain(|(number, _)| self.names.values().any(|n| n == number));
        for (_, inode) in &mut inodes {
            for change in std::mem::take(&mut inode.dirty) {
                match cut {
                    PowerCut::LoseAll => {}
                    PowerCut::KeepAll => apply(&mut inode.durable, &change),
                    PowerCut::Tear(_) => self.tear(&mut inode.durable, &change),
                }
            }
            inode.current = inode.durable.clone();
        }
        self.inodes = inodes.into_iter().collect();
    }

    /// Applies any sectors of a write, or a change of length, or not.
    fn tear(&mut self, bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Len(_) if self.random().is_multiple_of(2) => apply(bytes, change),
            Change::Len(_) => {}
            Change::Write(offset, data) => {
                let mut at = 0;
                while at < data.len() {
                    let place = offset + at as u64;
                    let left = SECTOR - (place % SECTOR as u64) as usize;
                    let part = left.min(data.len() - at);
                    if self.random().is_multiple_of(2) {
                        apply(bytes, &Change::Write(place, data[at..at + part].to_vec()));
                    }
                    at += part;
                }
            }
        }
    }
}

impl NameChange {
    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Link(path, _) | Self::Rename(_, path) | Self::Unlink(path) => path.parent(),
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Len(len) => bytes.resize(usize::try_from(*len).unwrap_or(usize::MAX), 0),
        Change::Write(offset, data) => {
            let start = usize::try_from(*offset).unwrap_or(usize::MAX);
            if bytes.len() < start + data.len() {
                bytes.resize(start + data.len(), 0);
            }
            bytes[start..start + data.len()].copy_from_slice(data);
        }
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, u64>, change: &NameChange) {
    match change {
        NameChange::Link(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        NameChange::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        NameChange::Unlink(path) => {
            names.remove(path);
        }
    }
}
