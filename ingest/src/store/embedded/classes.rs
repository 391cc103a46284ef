//! Which class of retention a file or a quantity belongs to: what the manifest keeps of it. A class has a number, which
//! stands in its files' headers and names, and a name, by which the configuration knows it.
//!
//! ```text
//! u32 n, n × text                    names of classes 1 to n; class 0 is "default"
//! u32 n, n × (text, u16)             quantities that are not in class 0, with their class
//! u32 n, n × u64                     cuts: numbers of files
//! ```
//! What always holds: a number is never given to another name, so that old files stay what they are when a class leaves
//! the configuration. When a quantity changes its class, the number of the next file becomes a **cut**: files before and
//! behind a cut are not merged. For the old class may get files after the new one's, and a merge with those would lift
//! older readings of that quantity over newer ones.

use std::collections::BTreeMap;

use super::bytes::{self, Cursor, Malformed};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    /// Of classes 1 to n; empty for one whose name was lost with a manifest.
    names: Vec<String>,
    members: BTreeMap<String, u16>,
    /// Rising.
    pub(crate) cuts: Vec<u64>,
}

impl Classes {
    /// Makes room for a class that a file has and no name is known of.
    pub(crate) fn adopt(&mut self, class: u16) {
        if self.names.len() < usize::from(class) {
            self.names.resize(usize::from(class), String::new());
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        bytes::put_len(out, self.names.len());
        self.names.iter().for_each(|name| bytes::put_text(out, name));
        bytes::put_len(out, self.members.len());
        for (quantity, class) in &self.members {
            bytes::put_text(out, quantity);
            out.extend_from_slice(&class.to_le_bytes());
        }
        bytes::put_len(out, self.cuts.len());
        bytes::put_u64s(out, self.cuts.iter().copied());
    }

    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let mut classes = Self::default();
        for _ in 0..cursor.count(2)? {
            classes.names.push(cursor.text()?.to_owned());
        }
        for _ in 0..cursor.count(4)? {
            let quantity = cursor.text()?.to_owned();
            classes.members.insert(quantity, cursor.u16()?);
        }
        for _ in 0..cursor.count(8)? {
            classes.cuts.push(cursor.u64()?);
        }
        Ok(classes)
    }
}
