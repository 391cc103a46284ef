//! The one file that `pantau serve` reads: `[pantau]` and the tables of gateway and ingest beside each other.
//!
//! Gateway and ingest read their own tables with their own rules: [`split`] gives each the file with the other
//! tables' lines left blank, so that every complaint still names the right line. What ties the two together (the
//! address, the gateway's id and token, the folders) is set here and cannot be set wrongly.

mod split;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use pantau_settings::{Complaint, Fault, Settings};
use serde::Deserialize;

use split::{Tables, split};

/// The commented default, as `pantau config` prints it.
pub(crate) const DEFAULT_TOML: &str = include_str!("default.toml");
/// The command that prints it.
const PRINTED_BY: &str = "pantau config";

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

impl Settings for OwnFile {
    const PRINTED_BY: &'static str = PRINTED_BY;

    fn settle(&mut self, _: &Path) -> Result<(), Fault> {
        self.pantau.gateway.parse::<pantau_proto::GatewayId>().map(drop).map_err(|error| {
            Fault::new(
                "pantau.gateway",
                format!("{:?} is no gateway id: {error}", self.pantau.gateway),
                "use 1 to 64 letters, digits and . _ : - , starting with a letter or digit",
            )
        })
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn load(file: &Path) -> Result<Self, Complaint> {
        Self::parse(&pantau_settings::text(file, PRINTED_BY)?, file)
    }

    /// Reads and checks text; `file` is how complaints call it, and what files of secrets are relative to.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Self, Complaint> {
        let Tables { own, ingest, gateway } =
            split(text).map_err(|(line, fault)| Complaint::at(file, line, fault))?;
        let own: OwnFile = pantau_settings::parse(&own, file)?;
        let mut config = Self {
            ingest: pantau_settings::parse(&ingest, file)?,
            gateway: pantau_settings::parse(&gateway, file)?,
        };
        let own_name = |other: &pantau_ingest::config::Gateway| other.id.as_str() == own.pantau.gateway;
        if let Some(n) = config.ingest.gateways.iter().position(own_name) {
            let what = format!("{:?} is the built-in gateway's name", own.pantau.gateway);
            let mend = "choose another one, or another `gateway` under [pantau]";
            return Err(Complaint::of(file, text, Fault::new(format!("gateway[{n}].id"), what, mend)));
        }
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
