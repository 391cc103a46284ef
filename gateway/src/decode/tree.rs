//! A JSON document as a flat, borrowed tree: what the decoders of foreign JSON look things up in.
//!
//! ```text
//! {"a":{"b":1},"c":[2]}   ─►   nodes: {} a{} b:1 c[] 2      each node knows where its subtree ends
//! ```
//! Always: one pass and one growing vector, keys and texts are borrowed where they hold no escapes; nesting beyond
//! [`MAX_DEPTH`] and more than [`MAX_NODES`] values are refused; members that the caller does not want are passed
//! over without being kept. A number keeps all its digits as far as 64 bits hold them.

use std::borrow::Cow;
use std::fmt;

use pantau_proto::v1::Reason;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Refusal;
use super::text::Text;

/// Values of one payload at most.
pub(super) const MAX_NODES: usize = 20_000;
/// Levels of nesting at most.
pub(super) const MAX_DEPTH: usize = 16;

/// Whether the member `key` at this depth (1 for those of the whole document) is wanted.
pub(super) type Wanted = fn(depth: usize, key: &str) -> bool;

/// A JSON value, without what is inside of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Whole(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List,
    Map,
}

#[derive(Debug)]
struct Node<'a> {
    /// Empty for the members of a list.
    key: Cow<'a, str>,
    value: Value<'a>,
    /// One after the last node of the subtree.
    end: usize,
}

/// The document.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
}

impl<'a> Tree<'a> {
    pub(super) fn read(payload: &'a [u8], wanted: Wanted) -> Result<Self, Refusal> {
        let mut nodes = Vec::with_capacity((payload.len() / 8).clamp(8, 256));
        let mut input = serde_json::Deserializer::from_slice(payload);
        let root = Put { nodes: &mut nodes, depth: 0, key: Cow::Borrowed(""), wanted };
        match root.deserialize(&mut input).and_then(|()| input.end()) {
            Ok(()) => Ok(Self { nodes }),
            Err(error) => {
                let reason = if nodes.len() >= MAX_NODES { Reason::TooLarge } else { Reason::BadPayload };
                Err(Refusal::new(reason, format!("not the JSON that is expected: {error}")))
            }
        }
    }

    pub(super) fn root(&self) -> At<'_, 'a> {
        At { tree: self, at: 0 }
    }
}

/// A place in the document.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'t, 'a> {
    tree: &'t Tree<'a>,
    at: usize,
}

impl<'t, 'a> At<'t, 'a> {
    fn node(self) -> &'t Node<'a> {
        &self.tree.nodes[self.at]
    }

    pub(super) fn value(self) -> &'t Value<'a> {
        &self.node().value
    }

    /// The name that it has in its map; empty in a list.
    pub(super) fn key(self) -> &'t str {
        &self.node().key
    }

    /// What is directly inside.
    pub(super) fn members(self) -> impl Iterator<Item = At<'t, 'a>> {
        let (tree, end) = (self.tree, self.node().end);
        let first = (self.at + 1 < end).then_some(At { tree, at: self.at + 1 });
        std::iter::successors(first, move |one| {
            let next = one.node().end;
            (next < end).then_some(At { tree, at: next })
        })
    }

    /// The member of a map.
    pub(super) fn get(self, key: &str) -> Option<At<'t, 'a>> {
        matches!(self.value(), Value::Map).then(|| self.members().find(|member| member.key() == key))?
    }

    /// Where a JSON pointer leads, given as its steps.
    pub(super) fn follow(self, steps: &[String]) -> Option<At<'t, 'a>> {
        steps.iter().try_fold(self, |at, step| match at.value() {
            Value::List => at.members().nth(step.parse().ok()?),
            _ => at.get(step),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "readings are doubles")]
    pub(super) fn number(self) -> Option<f64> {
        match self.value() {
            Value::Whole(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn text(self) -> Option<&'t str> {
        match self.value() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

struct Put<'n, 'a> {
    nodes: &'n mut Vec<Node<'a>>,
    depth: usize,
    key: Cow<'a, str>,
    wanted: Wanted,
}

impl<'a> Put<'_, 'a> {
    fn leaf<E: Error>(self, value: Value<'a>) -> Result<(), E> {
        let end = self.room()?;
        self.nodes.push(Node { key: self.key, value, end });
        Ok(())
    }

    fn room<E: Error>(&self) -> Result<usize, E> {
        if self.nodes.len() >= MAX_NODES {
            return Err(E::custom(format_args!("more than {MAX_NODES} values")));
        }
        Ok(self.nodes.len() + 1)
    }

    /// Opens a list or a map; returns its place.
    fn open<E: Error>(&mut self, value: Value<'a>) -> Result<usize, E> {
        let end = self.room()?;
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        let key = std::mem::take(&mut self.key);
        self.nodes.push(Node { key, value, end });
        Ok(end - 1)
    }
}

impl<'de> DeserializeSeed<'de> for Put<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Put<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.leaf(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.leaf(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.leaf(Value::Whole(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "beyond 63 bits only the size counts")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.leaf(i64::try_from(value).map_or(Value::Float(value as f64), Value::Whole))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.leaf(Value::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<(), E> {
        self.leaf(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.leaf(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let at = self.open(Value::List)?;
        let (depth, wanted) = (self.depth + 1, self.wanted);
        while list
            .next_element_seed(Put { nodes: &mut *self.nodes, depth, key: Cow::Borrowed(""), wanted })?
            .is_some()
        {}
        self.nodes[at].end = self.nodes.len();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let at = self.open(Value::Map)?;
        let (depth, wanted) = (self.depth + 1, self.wanted);
        while let Some(key) = map.next_key_seed(Text)? {
            if wanted(depth, &key) {
                map.next_value_seed(Put { nodes: &mut *self.nodes, depth, key, wanted })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        self.nodes[at].end = self.nodes.len();
        Ok(())
    }
}
