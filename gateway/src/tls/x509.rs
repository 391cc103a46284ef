//! Who a certificate names and when it is valid, of its DER (RFC 5280, section 4.1). rustls checks certificates; it does
//! not say what is in them.
//!
//! ```text
//! Certificate { tbs { [0] version, serial, algorithm, issuer, validity, subject, key, …, [3] extensions }, … }
//! ```
//! Always: nothing is believed here; a client's certificate comes here only after rustls has verified it. What does not
//! read as expected is `None`, never a panic.

use crate::decode::Civil;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// A DNS name among the subject's alternative names.
const DNS_NAME: u8 = 0x82;
/// 2.5.4.3, the common name.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17, the subject's alternative names.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// What is in a certificate, as far as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// The subject's common name, then its DNS names.
    pub(super) names: Vec<String>,
    /// Milliseconds since the epoch.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

/// The names of a certificate: the subject's common name, then its DNS names.
pub(crate) fn names(certificate: &[u8]) -> Vec<String> {
    facts(certificate).map_or(Vec::new(), |facts| facts.names)
}

pub(super) fn facts(certificate: &[u8]) -> Option<Facts> {
    let mut tbs = Der(Der(Der(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    tbs.optional(VERSION)?;
    tbs.expect(INTEGER)?;
    // Algorithm and issuer.
    tbs.expect(SEQUENCE)?;
    tbs.expect(SEQUENCE)?;
    let mut validity = Der(tbs.expect(SEQUENCE)?);
    let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
    let mut names = common_names(Der(tbs.expect(SEQUENCE)?))?;
    // The key, and identifiers that nobody uses.
    tbs.expect(SEQUENCE)?;
    while let Some((tag, content)) = tbs.next()? {
        if tag == EXTENSIONS {
            names.extend(dns_names(Der(Der(content).expect(SEQUENCE)?))?);
        }
    }
    Some(Facts { names, not_before, not_after })
}

fn common_names(mut subject: Der<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !subject.0.is_empty() {
        let mut set = Der(subject.expect(SET)?);
        while !set.0.is_empty() {
            let mut attribute = Der(set.expect(SEQUENCE)?);
            if attribute.expect(OID)? == COMMON_NAME {
                let (_, text) = attribute.next()??;
                names.extend(std::str::from_utf8(text).ok().map(str::to_owned));
            }
        }
    }
    Some(names)
}

fn dns_names(mut extensions: Der<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while !extensions.0.is_empty() {
        let mut extension = Der(extensions.expect(SEQUENCE)?);
        if extension.expect(OID)? != ALTERNATIVE_NAMES {
            continue;
        }
        // Whether it is critical stands before it, or nothing does.
        while let Some((tag, content)) = extension.next()? {
            if tag == OCTETS {
                let mut list = Der(Der(content).expect(SEQUENCE)?);
                while let Some((tag, name)) = list.next()? {
                    let name = std::str::from_utf8(name).ok().filter(|_| tag == DNS_NAME);
                    names.extend(name.map(str::to_owned));
                }
            }
        }
    }
    Some(names)
}

fn time(validity: &mut Der<'_>) -> Option<i64> {
    let (tag, text) = validity.next()??;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i64 = year.parse().ok()?;
            // RFC 5280: 50 and more is of the last century.
            (if year < 50 { 2_000 + year } else { 1_900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |n: usize| rest.get(2 * n..2 * n + 2)?.parse::<i64>().ok();
    let civil = Civil {
        year,
        month: part(0)?,
        day: part(1)?,
        hour: part(2)?,
        minute: part(3)?,
        second: part(4)?,
        millis: 0,
        zone: 0,
    };
    civil.ms()
}

/// What is left to be read.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The next element; the inner `None` is the end, the outer one what is no DER.
    #[expect(clippy::option_option, reason = "the end and what is no DER are not the same")]
    fn next(&mut self) -> Option<Option<(u8, &'d [u8])>> {
        let Some((tag, rest)) = self.0.split_first() else { return Some(None) };
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            short @ 0..=0x7f => (usize::from(*short), rest),
            long => {
                let (bytes, rest) =
                    rest.split_at_checked(usize::from(long & 0x7f)).filter(|(bytes, _)| {
                        // More would be a certificate of gigabytes.
                        (1..=4).contains(&bytes.len())
                    })?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Some((*tag, content)))
    }

    /// The content of the next element, which must be of this kind.
    fn expect(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next()?.filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// Goes over the next element if it is of this kind.
    fn optional(&mut self, tag: u8) -> Option<()> {
        if self.0.first() == Some(&tag) {
            self.next()?;
        }
        Some(())
    }
}
