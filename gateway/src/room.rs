//! Says that the spool's disk has no room, in figures and with the mend, before a device has to find out.

use std::time::{Duration, Instant};

use pantau_journal::{FileLayer, Shortage, StdFiles};

use crate::config::Config;
use crate::wiring;

/// How long it is at least said to be full: at its bound a disk goes to and fro.
const QUIET: Duration = Duration::from_secs(60);

/// What is wrong with the disk of a spool that may not be there yet; `None` when nothing is.
#[must_use]
pub fn warning(config: &Config) -> Option<String> {
    warning_on(&StdFiles::new(), config)
}

pub(crate) fn warning_on<F: FileLayer>(files: &F, config: &Config) -> Option<String> {
    let dir = config.gateway.data_dir.join("spool");
    let shortage = wiring::bounds(config).shortage(files, &dir)?;
    Some(format!("the disk of {} is too small for the spool: {}", dir.display(), consequence(shortage)))
}

fn consequence(shortage: Shortage) -> String {
    format!(
        "{shortage}; until then devices get no acks. Free as much, or lower free_floor or segment under [spool]"
    )
}

/// Watches the disk while the gateway runs.
#[derive(Debug)]
pub(crate) struct Watch {
    lacking: bool,
    said: Instant,
}

impl Watch {
    /// `warned`: whether it was said already that there is no room.
    pub(crate) fn new(warned: bool, now: Instant) -> Self {
        Self { lacking: warned, said: now }
    }

    /// Says what has changed; what changes to and fro only now and then.
    pub(crate) fn look(&mut self, shortage: Option<Shortage>, now: Instant) {
        let quiet = self.lacking && now.saturating_duration_since(self.said) < QUIET;
        if shortage.is_some() == self.lacking || quiet {
            return;
        }
        (self.lacking, self.said) = (shortage.is_some(), now);
        match shortage {
            Some(shortage) => tracing::warn!("the spool's disk is full: {}", consequence(shortage)),
            None => tracing::info!("the spool's disk has room again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_now_and_then_is_said_to_be_so_for_a_minute() {
        let full = Some(Shortage { free: 1, needed: 2, floor: 1 });
        let start = crate::clock::monotonic();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut watch = Watch::new(false, start);
        let mut said = |shortage, seconds| {
            watch.look(shortage, after(seconds));
            watch.lacking
        };
        assert!(!said(None, 1));
        assert!(said(full, 2), "at once");
        assert!(said(None, 61), "not yet a minute");
        assert!(said(full, 62));
        assert!(!said(None, 63), "a minute after it was said");
    }
}
