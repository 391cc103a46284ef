//! TLS: certificates and keys as files, and what rustls is told. rustls with ring; no provider is the process's default.
//!
//! Always: a file that cannot be used is named with its key in the configuration, with what is wrong and with the mend; no
//! key shows in any text. The time of every check is the gateway's own clock, which may not be set yet: what is only not
//! valid yet is said and never refused, and every connection looks anew.

#[cfg(test)]
pub(crate) mod tests;
mod x509;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pantau_proto::TimeMs;
use pantau_settings::Fault;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore, ServerConfig,
};

use crate::config::{ClientCerts, Config, MqttClient, MqttTls};
use crate::decode::written;

use self::x509::facts;
pub(crate) use self::x509::names;

/// The clock that certificates are looked at by.
#[derive(Debug)]
struct Clock(fn() -> TimeMs);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from((self.0)().0).unwrap_or(0))))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What the listener is told.
///
/// # Errors
/// A file cannot be used.
pub(crate) fn server(tls: &MqttTls, clock: fn() -> TimeMs) -> Result<Arc<ServerConfig>, Fault> {
    let chain = certificates(&tls.cert, "mqtt.tls.cert")?;
    let key = private_key(&tls.key, "mqtt.tls.key")?;
    let provider = provider();
    let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(Clock(clock)))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new("mqtt.tls", error.to_string(), "report this: it is not your doing"))?;
    let builder = match (&tls.client_ca, tls.client_certs) {
        (Some(file), certs @ (ClientCerts::Required | ClientCerts::Optional)) => {
            let roots = Arc::new(roots(file, "mqtt.tls.client_ca")?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier =
                if certs == ClientCerts::Optional { verifier.allow_unauthenticated() } else { verifier };
            let verifier = verifier.build().map_err(|error| {
                Fault::new(
                    "mqtt.tls.client_ca",
                    error.to_string(),
                    "name a file with the authority's certificate",
                )
            })?;
            builder.with_client_cert_verifier(verifier)
        }
        _ => builder.with_no_client_auth(),
    };
    let config = builder.with_single_cert(chain, key).map_err(|error| pair(&error, "mqtt.tls", &tls.key))?;
    Ok(Arc::new(config))
}

/// What the client of a broker is told.
///
/// # Errors
/// A file cannot be used; `key` names the keys of the broker's table.
pub(crate) fn client(
    broker: &MqttClient,
    clock: fn() -> TimeMs,
    key: &dyn Fn(&str) -> String,
) -> Result<Arc<ClientConfig>, Fault> {
    let roots = match &broker.ca_file {
        Some(file) => roots(file, &key("ca_file"))?,
        None => system_roots(&key("ca_file"))?,
    };
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(Clock(clock)))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new(key("url"), error.to_string(), "report this: it is not your doing"))?
        .with_root_certificates(roots);
    let config = match (&broker.cert_file, &broker.key_file) {
        (Some(cert), Some(private)) => {
            let chain = certificates(cert, &key("cert_file"))?;
            let secret = private_key(private, &key("key_file"))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|error| pair(&error, &key("key_file"), private))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// What is to be said of the listener's certificate at this time; a clock that is not set yet makes everything wrong, so
/// neither is an error.
pub(crate) fn warning(tls: &MqttTls, now: TimeMs) -> Option<String> {
    let chain = certificates(&tls.cert, "mqtt.tls.cert").ok()?;
    let facts = facts(chain.first()?)?;
    let (file, now_is) = (tls.cert.display(), written(now.0));
    if now.0 < facts.not_before {
        let begins = written(facts.not_before);
        return Some(format!(
            "the certificate in {file} is not valid before {begins}, and this machine's clock says {now_is}: if the clock is not set yet, this mends itself"
        ));
    }
    (now.0 > facts.not_after).then(|| {
        let ended = written(facts.not_after);
        format!(
            "the certificate in {file} has expired at {ended} (this machine's clock says {now_is}): devices that check it stay away until a new one is there and SIGHUP is sent"
        )
    })
}

/// The same for a configuration.
#[must_use]
pub fn tls_warning(config: &Config, now: TimeMs) -> Option<String> {
    warning(config.mqtt.tls.as_ref()?, now)
}

/// Why TLS failed, in words that lead to the mend; `None` where it is not TLS that failed.
pub(crate) fn failure(error: &std::io::Error) -> Option<String> {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>())?;
    Some(match tls {
        Error::NoCertificatesPresented => "it has no certificate, and client_certs = \"required\"".into(),
        Error::InvalidCertificate(wrong) => invalid(wrong),
        Error::AlertReceived(AlertDescription::UnknownCA) => {
            "the other side does not know who signed our certificate: give it the authority's certificate"
                .into()
        }
        Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "by the other side's clock our certificate is not valid (any more, or yet)".into()
        }
        other => other.to_string(),
    })
}

fn invalid(wrong: &CertificateError) -> String {
    let clock =
        |time: &UnixTime| written(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000));
    match wrong {
        CertificateError::NotValidYet => {
            "its certificate is not valid yet by this machine's clock, which may not be set".into()
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "its certificate is not valid before {}, and this machine's clock says {}: if the clock is not set yet, this mends itself",
            clock(not_before),
            clock(time)
        ),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "its certificate has expired at {} (this machine's clock says {}): it needs a new one",
            clock(not_after),
            clock(time)
        ),
        // The second: an authority of the same name, with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is signed by an authority that is not in the file of those that are believed"
                .into()
        }
        // What openssl signs when no extensions are named.
        CertificateError::Other(other) if format!("{other:?}").contains("UnsupportedCertVersion") => {
            "its certificate is of X.509 version 1: sign it anew as version 3 (openssl x509 -req … -extfile, with basicConstraints=CA:FALSE in the file)".into()
        }
        other => format!("its certificate cannot be used: {other}"),
    }
}

fn pair(error: &Error, key: &str, file: &Path) -> Fault {
    let what = match error {
        Error::InconsistentKeys(_) => {
            format!("the key in {} does not belong to the certificate", file.display())
        }
        other => format!("certificate and key cannot be used: {other}"),
    };
    Fault::new(key, what, "name the certificate and the key that were made together")
}

/// All certificates of a file, at least one.
fn certificates(file: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found: Result<Vec<_>, PemError> =
        CertificateDer::pem_file_iter(file).and_then(std::iter::Iterator::collect);
    let found = found.map_err(|error| unreadable(&error, file, key))?;
    if found.is_empty() {
        let holds_key = PrivateKeyDer::from_pem_file(file).is_ok();
        let what = match holds_key {
            true => format!("{} holds a private key and no certificate", file.display()),
            false => format!("{} holds no certificate in PEM form", file.display()),
        };
        return Err(Fault::new(key, what, "name a file that has -----BEGIN CERTIFICATE----- in it"));
    }
    if let Some(bad) = found.iter().position(|certificate| facts(certificate).is_none()) {
        let what = format!("certificate {} of {} is damaged", bad + 1, file.display());
        return Err(Fault::new(key, what, "copy the file anew from where it was made"));
    }
    Ok(found)
}

fn private_key(file: &Path, key: &str) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| match error {
        PemError::NoItemsFound => Fault::new(
            key,
            format!("{} holds no private key that can be used without a password", file.display()),
            "name a file that has -----BEGIN PRIVATE KEY----- in it (openssl pkey -in … makes one of an encrypted key)",
        ),
        error => unreadable(&error, file, key),
    })
}

fn unreadable(error: &PemError, file: &Path, key: &str) -> Fault {
    match error {
        PemError::Io(error) => Fault::new(
            key,
            format!("{} cannot be read: {error}", file.display()),
            "name a file that this user can read; a path is relative to the configuration's folder",
        ),
        // The text of a damaged PEM may be a key's.
        _ => Fault::new(
            key,
            format!("{} is no PEM file, or is cut off", file.display()),
            "copy the file anew; PEM is text with -----BEGIN …----- and -----END …-----",
        ),
    }
}

fn roots(file: &Path, key: &str) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, key)? {
        roots.add(certificate).map_err(|error| {
            let what =
                format!("{} holds a certificate that cannot be an authority's: {error}", file.display());
            Fault::new(key, what, "name a file with the authority's certificate")
        })?;
    }
    Ok(roots)
}

/// Those that the system believes.
fn system_roots(key: &str) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // One that cannot be used is no reason to do without the others.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Fault::new(
            key,
            "this system has no authorities that it believes",
            "install ca-certificates, or name the broker's authority as ca_file",
        ));
    }
    Ok(roots)
}
