//! The file `BACKUP`: written last, so that its being there and whole says that everything it lists is.
//!
//! ```text
//! pantau backup 1
//! made 2026-11-24T16:00:00Z by 0.1.0
//! file 5c2a90f1 48123 store/MANIFEST              CRC-32C, bytes, path within the backup; one line a file
//! end 9 10483221 08d1b3aa                         files, bytes of all, CRC-32C of all lines before
//! ```

use super::{CareError, Sum};
use pantau_proto::TimeMs;
use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::{self, Write as _},
    path::{Component, Path},
};

pub(super) const NAME: &str = "BACKUP";
const FIRST: &str = "pantau backup ";
const FORMAT: &str = "1";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// When it was begun, and by which release.
    pub(super) made: String,
    /// Paths within the backup.
    pub(super) files: Vec<(String, Sum)>,
}

impl Marker {
    pub(super) fn new(made: TimeMs, files: Vec<(String, Sum)>) -> Self {
        let time =
            jiff::Timestamp::from_millisecond(made.0).map_or_else(|_| made.0.to_string(), |t| t.to_string());
        Self { made: format!("{time} by {}", env!("CARGO_PKG_VERSION")), files }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, sum)| sum.bytes).sum()
    }

    pub(super) fn encode(&self) -> String {
        let mut text = format!("{FIRST}{FORMAT}\nmade {}\n", self.made);
        for (path, Sum { bytes, crc }) in &self.files {
            // Writing to a string does not fail.
            let _ = writeln!(text, "file {crc:08x} {bytes} {path}");
        }
        let crc = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, "end {} {} {crc:08x}", self.files.len(), self.bytes());
        text
    }

    /// What is wrong, in words, when it is not whole.
    pub(super) fn decode(text: &str) -> Result<Self, String> {
        let format = text.strip_prefix(FIRST).and_then(|rest| rest.lines().next());
        match format {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(format!("format {other:?} is not known to this release, which reads {FORMAT}"));
            }
            None => return Err("it is no mark of a backup".to_owned()),
        }
        let torn = || "it is damaged".to_owned();
        let end = text.rfind("\nend ").map(|at| at + 1).ok_or_else(torn)?;
        let (before, last) = text.split_at(end);
        let mut lines = before.lines().skip(1);
        let made = lines.next().and_then(|line| line.strip_prefix("made ")).ok_or_else(torn)?.to_owned();
        let files = lines.map(parse_file).collect::<Option<Vec<_>>>().ok_or_else(torn)?;
        let marker = Self { made, files };
        if marker.encode() != format!("{before}{last}") { Err(torn()) } else { Ok(marker) }
    }

    /// Writes it as the last file of a backup: whole, or not at all.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let temporary = dir.join("BACKUP.tmp");
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(self.encode().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, dir.join(NAME))?;
        super::sync_dir(dir)
    }

    /// Reads that of the backup in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, CareError> {
        let file = dir.join(NAME);
        let unusable = |detail: String| CareError::Unusable {
            file: file.clone(),
            detail,
            mend: "restore another backup, or use the release that made this one",
        };
        let bytes = match std::fs::read(&file) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(CareError::NoBackup(dir.to_owned()));
            }
            read => read.map_err(|error| unusable(error.to_string()))?,
        };
        let text = String::from_utf8(bytes).map_err(|_| unusable("it is damaged".to_owned()))?;
        Self::decode(&text).map_err(unusable)
    }
}

fn parse_file(line: &str) -> Option<(String, Sum)> {
    let mut words = line.strip_prefix("file ")?.splitn(3, ' ');
    let crc = u32::from_str_radix(words.next()?, 16).ok()?;
    let bytes = words.next()?.parse().ok()?;
    let path = words.next()?;
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    inside.then(|| (path.to_owned(), Sum { bytes, crc }))
}
