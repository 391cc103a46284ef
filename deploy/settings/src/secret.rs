//! A secret that no log and no complaint can show.

use std::fmt;
use std::path::Path;

use serde::Deserialize;

use super::Fault;

/// A password hash or token. `Debug` shows stars; there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The first line of a file, without the white space around it. The fault is `key`'s.
    ///
    /// # Errors
    /// When it cannot be read, or its first line is empty.
    pub fn read(file: &Path, key: &str) -> Result<Self, Fault> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let mend = "make the file, readable for this user only, with the secret in its first line";
            Fault::new(key, format!("{} cannot be read: {error}", file.display()), mend)
        })?;
        match text.lines().next().unwrap_or_default().trim() {
            "" => {
                let what = format!("the first line of {} is empty", file.display());
                Err(Fault::new(key, what, "write the secret into it"))
            }
            secret => Ok(Self::new(secret)),
        }
    }

    /// The secret itself; never to be logged.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// There is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "***" })
    }
}
