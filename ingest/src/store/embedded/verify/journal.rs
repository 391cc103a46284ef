//! The write-ahead journal: every frame and record, and that nothing is missing between it and the files.

use pantau_journal::{FileLayer, Inspection, Position, inspect};

use super::super::manifest::Manifest;
use super::super::record;
use super::{Finding, Look, VerifyError};

/// What was seen, and what is wrong with it.
struct Seen {
    inspection: Inspection,
    undecoded: Vec<(Position, String)>,
    findings: Vec<Finding>,
}

/// Checks the journal beside the manifest that was read before.
pub(super) fn check<F: FileLayer>(
    look: &mut Look<'_, F>,
    manifest: Option<&Manifest>,
) -> Result<(), VerifyError> {
    let mut seen = see(look, manifest)?;
    if !seen.findings.is_empty() {
        // A start of ingest in between repairs and renames; what stands is damage.
        let again = see(look, manifest)?;
        seen.findings.retain(|finding| again.findings.contains(finding));
    }
    look.checked.files += seen.inspection.segments.len() as u64;
    look.checked.bytes += seen.inspection.segments.iter().map(|segment| segment.bytes).sum::<u64>();
    look.checked.commits += seen.inspection.records;
    seen.findings.into_iter().for_each(|finding| look.tell(finding));
    Ok(())
}

fn see<F: FileLayer>(look: &Look<'_, F>, manifest: Option<&Manifest>) -> Result<Seen, VerifyError> {
    let mut undecoded = Vec::new();
    let inspection = inspect(look.files, &look.dir.join("journal"), &mut |position, payload| {
        if let Err(error) = record::decode(payload) {
            undecoded.push((position, error.to_string()));
        }
    })?;
    let mut seen = Seen { inspection, undecoded, findings: Vec::new() };
    // Read after the journal: segments are freed only when a manifest covers them.
    let now = Manifest::load(look.files, look.dir).ok().flatten();
    seen.judge(manifest, now.as_ref());
    Ok(seen)
}

impl Seen {
    fn judge(&mut self, before: Option<&Manifest>, now: Option<&Manifest>) {
        let covered = now.map_or(0, |manifest| manifest.covered);
        for lost in &self.inspection.unreadable {
            let name =
                lost.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            self.findings.push(finding(
                format!("journal/{name}"),
                Some(lost.offset),
                lost.detail.clone(),
                lost.range.start.0,
                lost.range.end.0,
                covered,
            ));
        }
        for (position, error) in &self.undecoded {
            let what = format!("the commit at position {position} cannot be understood: {error}");
            self.findings.push(finding(
                "journal".to_owned(),
                None,
                what,
                position.0,
                position.0 + 1,
                covered,
            ));
        }
        let (next, kept) = (self.inspection.next().0, self.inspection.kept());
        if let Some(before) = before.filter(|manifest| manifest.covered > next) {
            let what = format!("it ends at position {next} although files cover it up to {}", before.covered);
            self.findings.push(Finding {
                cost: "no reading in the files; it was replaced, or its end is lost".to_owned(),
                ..finding("journal".to_owned(), None, what, 0, 0, covered)
            });
        }
        if let (Some(kept), Some(_)) = (kept.filter(|kept| kept.0 > covered), now) {
            let what = format!("it begins at position {kept} although files cover it only up to {covered}");
            self.findings.push(finding("journal".to_owned(), None, what, covered, kept.0, covered));
        }
    }
}

fn finding(file: String, offset: Option<u64>, what: String, from: u64, to: u64, covered: u64) -> Finding {
    let lost = to.saturating_sub(from.max(covered));
    let cost = if to <= from {
        "no commit is known to be lost".to_owned()
    } else if lost == 0 {
        format!(
            "no reading: files have the commits {from} to {to}; at most refused payloads in them are not listed"
        )
    } else {
        format!("{lost} commits of positions {from} to {to}")
    };
    let mend = "start ingest: it sets the damaged segment aside, and gateways send again what they still have of it; or \
                restore a backup";
    Finding { file, offset, what, cost, mend: mend.to_owned() }
}
