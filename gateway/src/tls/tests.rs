#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

use super::*;

/// 2026-11-24.
pub(crate) const NOW: TimeMs = TimeMs(1_795_500_000_000);

pub(crate) fn now() -> TimeMs {
    NOW
}

/// Signs certificates in a folder of its own.
pub(crate) struct Authority {
    pub(crate) folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) ca: PathBuf,
}

/// The years of a certificate.
#[derive(Clone, Copy)]
pub(crate) enum Valid {
    Now,
    Expired,
    NotYet,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "a city's authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key), ca }
    }

    /// Files with a certificate and its key.
    pub(crate) fn sign(&self, file: &str, common: &str, names: &[&str], valid: Valid) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !common.is_empty() {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let (from, to) = match valid {
            Valid::Now => (2020, 2099),
            Valid::Expired => (2020, 2021),
            Valid::NotYet => (2090, 2099),
        };
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (cert_file, key_file) =
            (self.folder.path().join(format!("{file}.pem")), self.folder.path().join(format!("{file}.key")));
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        (cert_file, key_file)
    }

    /// A listener's settings with a certificate for 127.0.0.1.
    pub(crate) fn listener(&self, file: &str, client_certs: ClientCerts) -> MqttTls {
        let (cert, key) = self.sign(file, "gateway", &["127.0.0.1"], Valid::Now);
        MqttTls {
            listen: ([127, 0, 0, 1], 0).into(),
            cert,
            key,
            client_ca: (client_certs != ClientCerts::Off).then(|| self.ca.clone()),
            client_certs,
        }
    }
}

/// What a device with these files is told; without any it shows no certificate.
pub(crate) fn device(ca: &Path, own: Option<&(PathBuf, PathBuf)>) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(ca, "").unwrap());
    Arc::new(match own {
        Some((cert, key)) => builder
            .with_client_auth_cert(certificates(cert, "").unwrap(), private_key(key, "").unwrap())
            .unwrap(),
        None => builder.with_no_client_auth(),
    })
}

#[test]
fn a_certificate_says_its_names_and_its_time() {
    let authority = Authority::new();
    let read = |file: &Path| facts(&certificates(file, "").unwrap()[0]).unwrap();
    let both = read(&authority.sign("a", "air-1", &["air-2", "10.0.0.1", "air-3"], Valid::Now).0);
    assert_eq!(both.names, ["air-1", "air-2", "air-3"]);
    assert_eq!(both.not_before, 1_577_836_800_000);
    // Written as GeneralizedTime, as years from 2050 on are.
    assert_eq!(both.not_after, 4_070_908_800_000);
    assert_eq!(read(&authority.sign("b", "", &["only"], Valid::Now).0).names, ["only"]);
    assert_eq!(read(&authority.sign("c", "Stasiun Größe", &[], Valid::Now).0).names, ["Stasiun Größe"]);
    assert!(names(b"").is_empty());
}

#[test]
fn what_is_no_certificate_is_none_however_it_is_cut_or_bent() {
    let authority = Authority::new();
    let whole = certificates(&authority.sign("a", "air-1", &["air-2"], Valid::Now).0, "").unwrap().remove(0);
    for end in 0..whole.len() {
        assert_eq!(facts(&whole[..end]), None, "cut at {end}");
    }
    for at in 0..whole.len() {
        for bent in [0, 0x7f, 0x80, 0x84, 0xff] {
            let mut bytes = whole.to_vec();
            bytes[at] = bent;
            // It may still be one; it must not panic.
            let _ = facts(&bytes);
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_is_wrong_and_the_mend() {
    let authority = Authority::new();
    let good = authority.listener("good", ClientCerts::Required);
    assert!(server(&good, now).is_ok());
    let folder = authority.folder.path();
    let other = authority.sign("other", "other", &[], Valid::Now);
    let torn = folder.join("torn.pem");
    let pem = std::fs::read_to_string(&good.cert).unwrap();
    std::fs::write(&torn, &pem[..pem.len() / 2]).unwrap();
    let damaged = folder.join("damaged.pem");
    std::fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let empty = folder.join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let cases = [
        (MqttTls { cert: folder.join("none"), ..good.clone() }, "mqtt.tls.cert", "cannot be read"),
        (
            MqttTls { cert: good.key.clone(), ..good.clone() },
            "mqtt.tls.cert",
            "holds a private key and no certificate",
        ),
        (MqttTls { cert: empty.clone(), ..good.clone() }, "mqtt.tls.cert", "no certificate in PEM form"),
        (MqttTls { cert: torn, ..good.clone() }, "mqtt.tls.cert", "cut off"),
        (MqttTls { cert: damaged, ..good.clone() }, "mqtt.tls.cert", "damaged"),
        (MqttTls { key: good.cert.clone(), ..good.clone() }, "mqtt.tls.key", "holds no private key"),
        (MqttTls { key: other.1, ..good.clone() }, "mqtt.tls", "does not belong to the certificate"),
        (MqttTls { client_ca: Some(empty), ..good.clone() }, "mqtt.tls.client_ca", "no certificate"),
    ];
    for (tls, key, what) in cases {
        let fault = server(&tls, now).unwrap_err();
        assert!(fault.key == key && fault.what.contains(what) && !fault.mend.is_empty(), "{fault:?}");
        assert!(!format!("{fault:?}").contains("BEGIN PRIVATE KEY-----\n"), "{fault:?}");
    }
}

#[test]
fn a_certificate_out_of_its_time_is_a_warning_because_the_clock_may_be_wrong() {
    let authority = Authority::new();
    let mut tls = authority.listener("good", ClientCerts::Off);
    assert_eq!(warning(&tls, NOW), None);
    // A Raspberry Pi without a clock begins in 1970.
    let early = warning(&tls, TimeMs(0)).unwrap();
    assert!(
        early.contains("2020-01-01") && early.contains("1970-01-01") && early.contains("not set yet"),
        "{early}"
    );
    (tls.cert, tls.key) = authority.sign("old", "gateway", &["127.0.0.1"], Valid::Expired);
    assert!(server(&tls, now).is_ok());
    assert!(warning(&tls, NOW).unwrap().contains("has expired at 2021-01-01"));
}
