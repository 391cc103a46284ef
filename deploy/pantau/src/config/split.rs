//! Deals the lines of one TOML file out to those who read them, every line in its place.

use super::ConfigError;

const OWN: &[&str] = &["pantau"];
const INGEST: &[&str] = &["http", "grpc", "store", "limits", "gateway", "station"];
const GATEWAY: &[&str] = &["mqtt", "decode", "spool", "status", "log"];

/// The same file three times, each with the lines of the other two left blank.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tables {
    pub(super) own: String,
    pub(super) ingest: String,
    pub(super) gateway: String,
}

/// # Errors
/// A table that nobody reads, or a key before the first table.
pub(super) fn split(text: &str, file: &str) -> Result<Tables, ConfigError> {
    let mut tables = Tables::default();
    let mut reader: Option<fn(&mut Tables) -> &mut String> = None;
    for (number, line) in text.lines().enumerate() {
        let place = || (file.to_owned(), number + 1);
        if let Some(name) = header(line) {
            let first = name.split('.').next().unwrap_or(name).trim();
            reader = Some(if OWN.contains(&first) {
                |tables| &mut tables.own
            } else if INGEST.contains(&first) {
                |tables| &mut tables.ingest
            } else if GATEWAY.contains(&first) {
                |tables| &mut tables.gateway
            } else {
                let (file, line) = place();
                return Err(ConfigError::UnknownTable { file, line, name: name.to_owned() });
            });
        }
        match reader {
            Some(reader) => reader(&mut tables).push_str(line),
            None if line.trim().is_empty() || line.trim_start().starts_with('#') => {}
            None => {
                let (file, line) = place();
                return Err(ConfigError::NoTable { file, line });
            }
        }
        for all in [&mut tables.own, &mut tables.ingest, &mut tables.gateway] {
            all.push('\n');
        }
    }
    Ok(tables)
}

/// The name in a `[table]` or `[[table]]` line. Quoted names are none of ours, and arrays of arrays are not used,
/// so a line of an array cannot be taken for a header.
fn header(line: &str) -> Option<&str> {
    let line = line.split('#').next().unwrap_or(line).trim();
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    let inner = inner.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(inner).trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    (!inner.is_empty() && inner.chars().all(plain)).then_some(inner)
}
