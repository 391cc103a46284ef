//! A complaint about the configuration: where, what, and how to mend it.

use std::path::{Path, PathBuf};

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}\n  mend: {mend}", file.display(), line_part(*line))]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 0 where no line is to blame.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

fn line_part(line: usize) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}

impl ConfigError {
    pub(crate) fn at(file: &Path, line: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { file: file.into(), line, what: what.into(), mend: mend.into() }
    }

    pub(crate) fn from_toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        let mend = if error.message().contains("unknown field") {
            "correct the key or take it out; `pantau-gateway config` prints every key"
        } else {
            "`pantau-gateway config` prints every key with a value that works"
        };
        Self::at(file, line, error.message().trim(), mend)
    }
}

/// A rule that the values break; it knows its key, and the text then gives the line.
#[derive(Debug)]
pub(crate) struct Fault {
    /// `table.key`, or `table[n].key` for the nth of an array of tables (from 0).
    pub(crate) key: String,
    pub(crate) what: String,
    pub(crate) mend: String,
}

impl Fault {
    pub(crate) fn new(key: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into(), mend: mend.into() }
    }

    pub(crate) fn locate(self, file: &Path, text: &str) -> ConfigError {
        ConfigError::at(file, find_key(text, &self.key), format!("{}: {}", self.key, self.what), self.mend)
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The line of a key, or of its table where the key itself is a default, or 0.
fn find_key(text: &str, key: &str) -> usize {
    let (table, leaf) = key.rsplit_once('.').unwrap_or(("", key));
    let (table, nth) = match table.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((name, nth)) => (name, nth.parse().unwrap_or(0)),
        None => (table, 0),
    };
    let (mut seen, mut inside, mut header) = (0_usize, false, 0);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            let name = line.trim_start_matches('[').split(']').next().unwrap_or("").trim();
            inside = name == table && seen == nth;
            if name == table {
                seen += 1;
            }
            if inside {
                header = number + 1;
            }
        } else if inside && line.split('=').next().is_some_and(|name| name.trim() == leaf) {
            return number + 1;
        }
    }
    header
}
