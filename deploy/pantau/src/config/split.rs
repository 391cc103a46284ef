//! Deals the lines of one TOML file out to those who read them, every line in its place.

use pantau_settings::Fault;

use super::PRINTED_BY;

const OWN: &[&str] = &["pantau"];
const INGEST: &[&str] = &["http", "grpc", "store", "limits", "retention", "gateway", "station"];
const GATEWAY: &[&str] = &["mqtt", "decode", "spool", "status", "log"];

/// The same file three times, each with the lines of the other two left blank.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tables {
    pub(super) own: String,
    pub(super) ingest: String,
    pub(super) gateway: String,
}

/// # Errors
/// A table that nobody reads, or a key before the first table; with its line.
pub(super) fn split(text: &str) -> Result<Tables, (usize, Fault)> {
    let mut tables = Tables::default();
    let mut reader: Option<fn(&mut Tables) -> &mut String> = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(name) = header(line) {
            let first = name.split('.').next().unwrap_or(name).trim();
            reader = Some(if OWN.contains(&first) {
                |tables| &mut tables.own
            } else if INGEST.contains(&first) {
                |tables| &mut tables.ingest
            } else if GATEWAY.contains(&first) {
                |tables| &mut tables.gateway
            } else {
                let mend = format!("correct or remove it; `{PRINTED_BY}` prints every table");
                return Err((number + 1, Fault::new(first, format!("there is no table [{name}]"), mend)));
            });
        }
        match reader {
            Some(reader) => reader(&mut tables).push_str(line),
            None if line.trim().is_empty() || line.trim_start().starts_with('#') => {}
            None => {
                let mend = format!("put it under its table; `{PRINTED_BY}` prints every table");
                let key = line.split('=').next().unwrap_or(line).trim();
                return Err((number + 1, Fault::new(key, "is a key before the first table", mend)));
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
