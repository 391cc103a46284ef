//! How every part of Pantau reads its TOML file, so that an operator meets one form of value and one form of complaint.
//!
//! Always true: a complaint names file, line, key, what is wrong and how to mend it; a size or a length of time is text
//! with its unit; a secret never shows, in no complaint and no `Debug`. Knows no key of any part.
//!
//! ```text
//! text ──toml──► T ──Settings::settle (secrets' files, rules between values)──► T
//!          └───────────────┴── Fault{key, what, mend} ──place──► Complaint{file, line, …}
//! ```

mod complaint;
mod place;
mod secret;
#[cfg(test)]
mod tests;
mod values;

use std::path::Path;

use serde::de::DeserializeOwned;

pub use complaint::{Complaint, Fault, between};
pub use secret::Secret;
pub use values::{Size, address, duration, wrong};

/// What a part is told by its file.
pub trait Settings: DeserializeOwned {
    /// The command that prints every key with a value that works.
    const PRINTED_BY: &'static str;
    /// Keys whose values never show.
    const SECRETS: &'static [&'static str] = &[];

    /// Reads the files that it names, relative to `folder`, and checks what no single value can say of itself.
    ///
    /// # Errors
    /// The first rule that is broken.
    fn settle(&mut self, folder: &Path) -> Result<(), Fault>;
}

/// Reads and checks a file.
///
/// # Errors
/// The first thing that is wrong.
pub fn load<T: Settings>(file: &Path) -> Result<T, Complaint> {
    parse(&text(file, T::PRINTED_BY)?, file)
}

/// The text of a file such as a command prints it.
///
/// # Errors
/// When it cannot be read.
pub fn text(file: &Path, printed_by: &str) -> Result<String, Complaint> {
    std::fs::read_to_string(file).map_err(|error| {
        let mend = match error.kind() {
            std::io::ErrorKind::InvalidData => "save it as text in UTF-8".to_owned(),
            _ => format!("name a file that this user can read, or make one with `{printed_by}`"),
        };
        Complaint::at(file, 0, Fault::new("", format!("cannot be read: {error}"), mend))
    })
}

/// The same for text that is at hand; `file` is how complaints call it, and files that it names are relative to its folder.
///
/// # Errors
/// As [`load`].
pub fn parse<T: Settings>(text: &str, file: &Path) -> Result<T, Complaint> {
    let mut settings: T =
        toml::from_str(text).map_err(|error| complaint::of_toml::<T>(file, text, &error))?;
    settings
        .settle(file.parent().unwrap_or(Path::new("")))
        .map_err(|fault| Complaint::of(file, text, fault))?;
    Ok(settings)
}
