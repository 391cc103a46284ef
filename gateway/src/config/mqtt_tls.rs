//! `[mqtt.tls]`: the listener with TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pantau_settings::{Fault, address};
use serde::Deserialize;

use crate::{clock, tls};

/// The listener with TLS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttTls {
    /// Address and port; port 0 takes any.
    #[serde(default = "listen", deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The gateway's certificate and those between it and the authority, in PEM form.
    pub cert: PathBuf,
    /// The certificate's private key, in PEM form.
    pub key: PathBuf,
    /// The authority that signs certificates of devices.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Whether devices show a certificate.
    #[serde(default)]
    pub client_certs: ClientCerts,
}

/// Whether devices show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCerts {
    /// They are not asked for one.
    #[default]
    Off,
    /// Those without one log in by a password.
    Optional,
    /// Who has none is not let in.
    Required,
}

const fn listen() -> SocketAddr {
    super::loopback(8883)
}

impl MqttTls {
    /// Paths that are relative begin in the configuration's folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.cert, &mut self.key].into_iter().chain(&mut self.client_ca) {
            *path = folder.join(&*path);
        }
    }

    /// The rules between the keys, and whether the files can be used.
    pub(super) fn check(&self) -> Result<(), Fault> {
        match (&self.client_ca, self.client_certs) {
            (None, ClientCerts::Optional | ClientCerts::Required) => Err(Fault::new(
                "mqtt.tls.client_certs",
                "without client_ca no certificate of a device could be believed",
                "name the file of the authority that signs them as client_ca, or set client_certs = \"off\"",
            )),
            (Some(_), ClientCerts::Off) => Err(Fault::new(
                "mqtt.tls.client_ca",
                "is not used while client_certs is \"off\"",
                "set client_certs = \"required\" or \"optional\", or take client_ca away",
            )),
            _ => tls::server(self, clock::now).map(drop),
        }
    }
}
