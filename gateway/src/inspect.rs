//! `spool inspect`: what is in the spool of a gateway that is not running, as text. Changes nothing beyond what opening
//! the journal mends.

use std::fmt::Write as _;

use crate::config::Config;
use crate::spool::{self, SpoolError};

/// The report.
///
/// # Errors
/// When the spool cannot be opened, for example because the gateway is running.
pub fn report(config: &Config) -> Result<String, SpoolError> {
    let dir = config.gateway.data_dir.join("spool");
    let files = pantau_journal::StdFiles::new();
    let seen = spool::inspect(files, &dir, crate::wiring::bounds(config))?;
    let mut text = format!(
        "{}\nepoch {}\npositions kept {} to {}\nnot acknowledged {}\nsessions {}\n",
        dir.display(),
        seen.epoch.map_or("none yet".into(), |epoch| epoch.to_string()),
        seen.kept,
        seen.next,
        seen.backlog,
        seen.sessions,
    );
    for (start, end) in &seen.acked {
        let _ = writeln!(text, "acknowledged [{start}, {end})");
    }
    for loss in &seen.losses {
        let _ =
            writeln!(text, "lost {} readings at [{}, {}): {}", loss.count, loss.start, loss.end, loss.detail);
    }
    for segment in &seen.segments {
        let _ = writeln!(text, "segment [{}, {}) {} bytes", segment.first, segment.end, segment.bytes);
    }
    Ok(text)
}
