//! Where in a TOML text a key stands, and which key stands at an offset.

use toml::de::{DeTable, DeValue};

/// The line of a byte offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The line of `table.key` or `table[n].key`; of the table where the key itself is a default; 0 where neither is written.
pub(crate) fn line_of_key(text: &str, key: &str) -> usize {
    let Ok(document) = DeTable::parse(text) else { return 0 };
    let (mut table, mut line) = (document.get_ref(), 0);
    for part in key.split('.') {
        let (name, nth) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((name, nth)) => (name, nth.parse().unwrap_or(0)),
            None => (part, 0),
        };
        let Some((written, value)) = table.get_key_value(name) else { break };
        let element = value.get_ref().as_array().and_then(|array| array.get(nth));
        line = line_of(text, element.map_or(written.span(), |element| element.span()).start);
        match element.unwrap_or(value).get_ref().as_table() {
            Some(inner) => table = inner,
            None => break,
        }
    }
    line
}

/// The key whose name or value covers an offset, with the tables around it; empty where there is none.
pub(crate) fn key_at(text: &str, offset: usize) -> String {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut path = String::new();
    if !find(document.get_ref(), offset, &mut path) {
        // The parser gave this line up: what stands before its sign is the key.
        let start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
        let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        path.extend(line.split_once('=').map(|(key, _)| key.trim()).filter(|key| key.chars().all(plain)));
    }
    path
}

fn find(table: &DeTable<'_>, offset: usize, path: &mut String) -> bool {
    let length = path.len();
    for (key, value) in table {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key.get_ref());
        let inside = match value.get_ref() {
            DeValue::Table(inner) => find(inner, offset, path),
            DeValue::Array(inner) => inner
                .iter()
                .any(|element| element.get_ref().as_table().is_some_and(|inner| find(inner, offset, path))),
            _ => false,
        };
        if inside || key.span().contains(&offset) || value.span().contains(&offset) {
            return true;
        }
        path.truncate(length);
    }
    false
}
