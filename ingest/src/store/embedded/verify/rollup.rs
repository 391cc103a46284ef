//! One roll-up: header, directory, and every pack.

use std::io;

use pantau_journal::FileLayer;

use super::super::rollup::Rollup;
use super::report::COPY_BACK;
use super::{Finding, Look};

/// Checks the roll-up `name` of the data folder; `expected` is the size that the manifest gives.
///
/// # Errors
/// `NotFound` when it is not there; others when it may not be opened.
pub(super) fn check<F: FileLayer>(
    look: &mut Look<'_, F>,
    name: &str,
    expected: Option<u64>,
) -> io::Result<()> {
    let path = look.dir.join("data").join(name);
    // Where the readings are, nothing but time is lost with it.
    let spare = look.files.open(&path.with_extension("pts")).is_ok();
    let mut found: Vec<(Option<u64>, String, String)> = Vec::new();
    let bytes = look.files.file_len(&look.files.open(&path)?)?;
    look.checked.files += 1;
    look.checked.bytes += bytes;
    if let Some(expected) = expected.filter(|expected| *expected != bytes) {
        let what = format!("the file has {bytes} bytes instead of {expected}");
        found.push((Some(bytes.min(expected)), what, "see the findings below".to_owned()));
    }
    match Rollup::open(look.files, &path) {
        Ok((rollup, mended)) => {
            if rollup.id.rollup_name() != name {
                let what = "the header names another file".to_owned();
                found.push((Some(0), what, "everything in it".to_owned()));
            }
            if let Some(mended) = mended {
                found.push((
                    Some(Rollup::PACKS_AT),
                    format!("the directory cannot be used: {mended}"),
                    "what is given up".to_owned(),
                ));
            }
            rollup.check(look.files, &mut |pack, error| {
                let (first, last) = (pack.first, pack.last);
                let cost = format!("what it says of series number {first} to {last}");
                found.push((Some(pack.offset), error.to_string(), cost));
            })?;
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            found.push((Some(0), error.to_string(), "everything in it".to_owned()));
        }
        Err(error) => return Err(error),
    }
    for (offset, what, cost) in found {
        let (cost, mend) = if spare {
            let mend = "stop ingest, remove the file and start it again: the roll-up is made anew".to_owned();
            ("no reading; answers are read from the readings".to_owned(), mend)
        } else {
            (format!("{cost}; the readings were dropped by retention"), COPY_BACK.to_owned())
        };
        look.tell(Finding { file: format!("data/{name}"), offset, what, cost, mend });
    }
    Ok(())
}
