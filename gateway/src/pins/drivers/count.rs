//! A count that outlives the process.
//!
//! ```text
//! NAME.count:   pantau-count 1 TOTAL CRC-32C-OF-WHAT-STANDS-BEFORE
//! ```
//! Always: the file is replaced in one step and synced, so that it holds the old count or the new one; one that is damaged
//! is told and never taken for 0.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

/// A count and its file.
#[derive(Debug)]
pub(crate) struct Count {
    file: PathBuf,
    total: u64,
    saved: bool,
}

impl Count {
    /// Reads it; a file that is not there is a count of 0.
    ///
    /// # Errors
    /// What is wrong with the file, and how to mend it.
    pub(crate) fn open(file: PathBuf) -> Result<Self, String> {
        let total = match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => {
                let file = file.display();
                return Err(format!("its count in {file} cannot be read ({error}): give the gateway's user the right to"));
            }
            Ok(text) => read(&text).ok_or_else(|| {
                let file = file.display();
                format!("its count in {file} is damaged: write \"{}\" with the right number (then its checksum is not asked), or remove the file to begin at 0", "pantau-count 1 NUMBER by-hand")
            })?,
        };
        Ok(Self { file, total, saved: true })
    }

    /// All pulses.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Counts, and makes it durable if there is anything new.
    ///
    /// # Errors
    /// When it cannot be saved; it is counted all the same.
    pub(crate) fn add(&mut self, pulses: u64) -> Result<(), String> {
        self.total = self.total.saturating_add(pulses);
        self.saved &= pulses == 0;
        if !self.saved {
            self.save().map_err(|error| {
                let file = self.file.display();
                format!("its count cannot be saved in {file} ({error}): make room, or give the gateway's user the right to")
            })?;
            self.saved = true;
        }
        Ok(())
    }

    fn save(&self) -> io::Result<()> {
        let folder = self.file.parent().unwrap_or(self.file.as_path());
        fs::create_dir_all(folder)?;
        let new = self.file.with_extension("new");
        let mut file = File::create(&new)?;
        let text = format!("pantau-count 1 {}", self.total);
        writeln!(file, "{text} {:08x}", crc32c::crc32c(text.as_bytes()))?;
        file.sync_all()?;
        fs::rename(&new, &self.file)?;
        File::open(folder)?.sync_all()
    }
}

fn read(text: &str) -> Option<u64> {
    let (said, crc) = text.trim_end().rsplit_once(' ')?;
    let total = said.strip_prefix("pantau-count 1 ")?.parse().ok()?;
    (crc == "by-hand" || crc == format!("{:08x}", crc32c::crc32c(said.as_bytes()))).then_some(total)
}
