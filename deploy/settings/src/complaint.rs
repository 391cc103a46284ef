//! What an operator reads when a configuration cannot be used.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Settings, place, values};

/// A rule that a value breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// `table.key`, or `table[n].key` for the nth of an array of tables (from 0).
    pub key: String,
    /// What is wrong, with the value.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

impl Fault {
    /// A fault of `key`.
    pub fn new(key: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Which of several tables it is, the line says.
        let mut inside = false;
        for c in self.key.chars() {
            inside = (inside || c == '[') && c != ']';
            if !inside && c != ']' {
                write!(f, "{c}")?;
            }
        }
        if !self.key.is_empty() {
            f.write_str(": ")?;
        }
        write!(f, "{}\n  mend: {}", self.what, self.mend)
    }
}

/// Checks the bounds of a value.
///
/// # Errors
/// When it is outside of `least..=most`.
pub fn between<T: PartialOrd + fmt::Display>(key: &str, value: T, least: T, most: T) -> Result<(), Fault> {
    if value >= least && value <= most {
        return Ok(());
    }
    let what = format!("{value} is not between {least} and {most}");
    Err(Fault::new(key, what, format!("use a value between {least} and {most}")))
}

/// A fault and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {fault}", file.display(), line_part(*line))]
pub struct Complaint {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 0 where no line is to blame.
    pub line: usize,
    /// What is wrong.
    pub fault: Fault,
}

fn line_part(line: usize) -> String {
    if line == 0 { String::new() } else { format!(":{line}") }
}

impl Complaint {
    /// A fault of a file's text, at the line of its key.
    pub fn of(file: &Path, text: &str, fault: Fault) -> Self {
        Self::at(file, place::line_of_key(text, &fault.key), fault)
    }

    /// A fault at a line of a file; 0 where none is to blame.
    pub fn at(file: &Path, line: usize, fault: Fault) -> Self {
        Self { file: file.into(), line, fault }
    }
}

/// Words of serde and the parser, and what an operator reads instead.
const WORDS: [(&str, &str); 14] = [
    ("unknown field ", "there is no key "),
    ("unknown variant ", "there is no choice "),
    ("missing field ", "lacks "),
    ("invalid type: ", "is "),
    ("invalid value: ", "is "),
    ("is integer ", "is the number "),
    ("is floating point ", "is the number "),
    ("is string ", "is the text "),
    ("is boolean ", "is "),
    ("expected a string", "expected text in quotes"),
    ("expected a boolean", "expected true or false"),
    ("expected f64", "expected a number"),
    ("expected usize", "expected a whole number from 0"),
    ("expected u32", "expected a whole number from 0"),
];

/// What serde and the parser say, in words for an operator.
pub(crate) fn of_toml<T: Settings>(file: &Path, text: &str, error: &toml::de::Error) -> Complaint {
    let at = error.span().map_or(0, |span| span.start);
    let key = place::key_at(text, at);
    let printed = T::PRINTED_BY;
    let (said, mend) = values::parted(error.message().trim());
    let mut what = WORDS.iter().fold(said.to_owned(), |what, (from, to)| what.replace(from, to));
    if let Some(end) = what.find("expected struct ") {
        what.replace_range(end.., "expected a table");
    }
    let mend = match mend {
        Some(mend) => mend.to_owned(),
        None if said == "invalid type: map, expected a sequence" => {
            "is one table, and there may be several".clone_into(&mut what);
            format!("write [[{key}]]")
        }
        None if T::SECRETS.contains(&key.rsplit('.').next().unwrap_or_default()) => {
            // Whatever stands there is not repeated.
            "is no text in quotes".clone_into(&mut what);
            "put it in quotes".to_owned()
        }
        None if said.starts_with("unknown field ") => {
            format!("correct the key or take it out; `{printed}` prints every key")
        }
        None => format!("`{printed}` prints every key with a value that works"),
    };
    let line = error.span().map_or(0, |span| place::line_of(text, span.start));
    Complaint::at(file, line, Fault::new(key, what, mend))
}
