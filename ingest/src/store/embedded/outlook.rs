//! What retention will do, seen from outside: from the manifest alone, beside a process that has the store open.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;

use pantau_journal::FileLayer;

use super::copy::CopyError;
use super::manifest::Manifest;
use super::months::month_name;
use super::retain::{self, What};
use super::retention::Retention;

/// A month of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Month {
    /// The class, and its month as in `2026-03`.
    pub(crate) class: String,
    pub(crate) month: String,
    /// Bytes of the files of readings, and of roll-ups.
    pub(crate) raw_bytes: u64,
    pub(crate) rollup_bytes: u64,
    /// When each goes, milliseconds; `None`: never.
    pub(crate) raw_end: Option<i64>,
    pub(crate) rollup_end: Option<i64>,
    /// Whether that is over at the time that was asked for.
    pub(crate) raw_goes: bool,
    pub(crate) rollup_goes: bool,
}

/// All months of all classes, and the time that counts as `now`: no later than the readings in the files allow, unless
/// it was `supposed`.
pub(crate) fn outlook<F: FileLayer>(
    files: &F,
    dir: &Path,
    retention: &Retention,
    now: i64,
    supposed: bool,
) -> Result<(Vec<Month>, i64), CopyError> {
    let path = dir.join("MANIFEST");
    let manifest = match Manifest::load(files, dir) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Err(CopyError::NoStore(dir.to_owned())),
        Err(source) if source.kind() == io::ErrorKind::InvalidData => {
            return Err(CopyError::Manifest { path, source });
        }
        Err(source) => return Err(CopyError::Unreadable { path, source }),
    };
    let now = if supposed { now } else { retain::believed(now, &manifest.files) };
    let keep = |class| manifest.classes.keep(class, retention);
    let due = retain::due(&manifest.files, &HashSet::new(), keep, now);
    let mut months: BTreeMap<(u16, i64), Month> = BTreeMap::new();
    for part in &manifest.files {
        let (class, month) = (part.id.class, part.id.month);
        let of = months.entry((class, month)).or_insert_with(|| {
            let (raw_end, rollup_end) = retain::ends(keep(class), month);
            let (class, month) = (manifest.classes.called(class), month_name(month));
            Month { class, month, raw_end, rollup_end, ..Month::default() }
        });
        of.raw_bytes += part.bytes;
        of.rollup_bytes += part.rollup_bytes;
        let whole = due.drops.contains(&(part.id, What::Whole));
        of.rollup_goes |= whole;
        of.raw_goes |= part.bytes > 0
            && (whole || due.drops.contains(&(part.id, What::Raw)) || due.prepare.contains(&(month, class)));
    }
    Ok((months.into_values().collect(), now))
}
