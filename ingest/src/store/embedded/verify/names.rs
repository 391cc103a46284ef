//! The series log: its header and every record that counts.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::super::manifest::Manifest;
use super::super::names::{self, NameLog};
use super::{Finding, Look, VerifyError};

const NAME: &str = "series.log";

/// Checks as many bytes as the manifest counts; without one, all there are.
pub(super) fn check<F: FileLayer>(
    look: &mut Look<'_, F>,
    manifest: Option<&Manifest>,
) -> Result<(), VerifyError> {
    let path = look.dir.join(NAME);
    let counted = manifest.map(|manifest| manifest.names_bytes);
    let file = match look.files.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(bytes) = counted.filter(|bytes| *bytes > 0) {
                tell(look, None, format!("the file is missing ({bytes} bytes)"), "the names of all series");
            }
            return Ok(());
        }
        Err(error) => return Err(look.io(NAME, error)),
    };
    let there = look.files.file_len(&file).map_err(|error| look.io(NAME, error))?;
    let bytes = counted.unwrap_or(there);
    if bytes == 0 {
        return Ok(());
    }
    look.checked.files += 1;
    look.checked.bytes += bytes.min(there);
    if there < bytes {
        let what = format!("the file ends here instead of at byte {bytes}");
        tell(look, Some(there), what, "the names of the series behind");
    }
    let files = look.files;
    let read = |buffer: &mut [u8], at: u64| files.read_at(&file, buffer, at);
    let mut damaged = Vec::new();
    let mut sound = 0;
    names::walk(bytes.min(there), read, &mut |at, found| match found {
        Ok(_) => sound += 1,
        Err(what) => damaged.push((at, what)),
    })
    .map_err(|error| look.io(NAME, error))?;
    look.checked.series += sound;
    for (at, what) in damaged {
        let cost = match what {
            names::Damage::Header => "nothing: the names can be read",
            names::Damage::Record => {
                "the names of the series up to the next sound one: their readings are kept, but not listed"
            }
            names::Damage::Rest => {
                "the names of the series from here on: their readings are kept, but not listed"
            }
        };
        tell(look, Some(at), what.to_string(), cost);
    }
    Ok(())
}

fn tell<F: FileLayer>(look: &mut Look<'_, F>, offset: Option<u64>, what: String, cost: &str) {
    look.tell(Finding {
        file: NAME.to_owned(),
        offset,
        what,
        cost: cost.to_owned(),
        mend: "stop ingest and copy the file back from a backup, if series.log there is as long or longer"
            .to_owned(),
    });
}

/// The names by number, as far as they can be read.
pub(super) fn read<F: FileLayer>(files: &F, dir: &Path) -> HashMap<u32, Arc<str>> {
    let mut names = HashMap::new();
    let read = NameLog::open(files, dir, None, &mut |series| {
        names.insert(series.id.0, series.name);
    });
    // What could be read is better than nothing.
    drop(read);
    names
}
