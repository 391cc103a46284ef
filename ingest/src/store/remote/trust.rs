//! Whom a database's certificate may be signed by. TLS to a database is a feature of the build (`influxdb-tls`), because its
//! rustls is an old release that nothing else needs; a build without it refuses `https` addresses.

use reqwest::ClientBuilder;

/// Whether this build speaks TLS to a database.
pub(super) const TLS: bool = cfg!(feature = "influxdb-tls");

const NONE: &str = "no certificate in PEM is in it";

/// Checks a bundle of certificates in PEM.
///
/// # Errors
/// When it has none, or one that is no certificate.
pub(crate) fn check(pem: &[u8]) -> Result<(), String> {
    if pem.is_empty() {
        return Err(NONE.to_owned());
    }
    trusting(ClientBuilder::new(), true, pem)?
        .build()
        .map(drop)
        .map_err(|error| super::writer::reason(&error))
}

/// Who names the signers means these and no others. Without TLS there is nothing to be trusted.
#[cfg(feature = "influxdb-tls")]
pub(super) fn trusting(client: ClientBuilder, secure: bool, pem: &[u8]) -> Result<ClientBuilder, String> {
    let client = client.https_only(secure).tls_built_in_root_certs(secure && pem.is_empty());
    if pem.is_empty() {
        return Ok(client);
    }
    let found = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| super::writer::reason(&error))?;
    if found.is_empty() {
        return Err(NONE.to_owned());
    }
    Ok(found.into_iter().fold(client, ClientBuilder::add_root_certificate))
}

/// There is nothing to be trusted.
#[cfg(not(feature = "influxdb-tls"))]
pub(super) fn trusting(client: ClientBuilder, _: bool, pem: &[u8]) -> Result<ClientBuilder, String> {
    if pem.is_empty() {
        Ok(client)
    } else {
        Err("this program was built without TLS to databases".to_owned())
    }
}
