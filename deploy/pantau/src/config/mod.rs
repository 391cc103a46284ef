//! The one file that `pantau serve` reads: `[pantau]` and the tables of gateway and ingest beside each other.
//!
//! Gateway and ingest read their own tables with their own rules: [`split`] gives each the file with the other
//! tables' lines left blank, so that every complaint still names the right line. What ties the two together (the
//! address, the gateway's id and token, the folders) is set here and cannot be set wrongly.

mod split;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use split::{Tables, split};

/// The commented default, as `pantau config` prints it.
pub(crate) const DEFAULT_TOML: &str = include_str!("default.toml");

/// `[pantau]`: what belongs to the box as a whole.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Own {
    /// Folder of everything; made when it is missing.
    pub(crate) data_dir: PathBuf,
    /// How the built-in gateway is called.
    pub(crate) gateway: String,
    /// How often its spool syncs.
    pub(crate) profile: pantau_gateway::config::Profile,
}

impl Default for Own {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("pantau-data"),
            gateway: "here".to_owned(),
            profile: pantau_gateway::config::Profile::Fast,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OwnFile {
    pantau: Own,
}

/// Both halves of a box, ready to be tied together.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) ingest: pantau_ingest::config::Config,
    pub(crate) gateway: pantau_gateway::config::Config,
}

/// Why the file cannot be used: place and mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{}: cannot be read: {source}\n  mend: name an existing file with --config, or print one: pantau config > pantau.toml", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error(
        "{file}:{line}: there is no table [{name}]\n  mend: correct or remove it; `pantau config` prints every table"
    )]
    UnknownTable { file: String, line: usize, name: String },
    #[error(
        "{file}:{line}: a key before the first table\n  mend: put it under its table; `pantau config` prints every table"
    )]
    NoTable { file: String, line: usize },
    #[error(
        "{file}:{line}: {problem}\n  mend: `pantau config` prints every key of [pantau] with its default"
    )]
    Own { file: String, line: usize, problem: String },
    #[error(transparent)]
    Ingest(#[from] pantau_ingest::config::ConfigError),
    #[error(transparent)]
    Gateway(#[from] pantau_gateway::config::ConfigError),
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// With file, line and mend.
    pub(crate) fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { file: file.to_path_buf(), source })?;
        Self::parse(&text, file)
    }

    /// Reads and checks text; `file` is how complaints call it, and what files of secrets are relative to.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        let Tables { own, ingest, gateway } = split(text, &name)?;
        let own = toml::from_str::<OwnFile>(&own).map_err(|error| ConfigError::Own {
            line: error.span().map_or(0, |span| own[..span.start].matches('\n').count() + 1),
            problem: error.message().to_owned(),
            file: name.clone(),
        })?;
        let mut config = Self {
            ingest: pantau_ingest::config::Config::parse(&ingest, &name)?,
            gateway: pantau_gateway::config::Config::parse(file, &gateway)?,
        };
        config.settle(&own.pantau);
        Ok(config)
    }

    /// Gives both halves their names and folders.
    pub(crate) fn settle(&mut self, own: &Own) {
        self.ingest.ingest.data_dir = own.data_dir.join("ingest");
        self.gateway.gateway.data_dir = own.data_dir.join("gateway");
        self.gateway.gateway.id = own.gateway.clone();
        self.gateway.gateway.profile = own.profile;
    }
}
