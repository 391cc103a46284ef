//! MQTT topic filters, and which part of a topic names the device.

/// What stands for the level that names the device.
const DEVICE: &str = "{device}";

/// A filter such as `pantau/#` or `city/+/{device}/up`. The level that `{device}` stands for names the device (it
/// matches as `+` does); without one it is the first level that a wildcard matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicFilter {
    /// The literal levels before the first wildcard, with the slash; may be empty.
    prefix: String,
    /// The levels from the first wildcard on.
    levels: Vec<Level>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Any,
    Device,
    Rest,
    Literal(String),
}

/// A topic that matches, and its level that names the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Matched<'t> {
    /// The topic from that level on.
    pub(crate) rest: &'t str,
    /// The level that names the device.
    pub(crate) device: &'t str,
}

impl<'t> Matched<'t> {
    fn at(rest: &'t str) -> Self {
        Self { rest, device: rest.split('/').next().unwrap_or(rest) }
    }
}

impl TopicFilter {
    /// The rules of MQTT 5.0 section 4.7.1, and at least one wildcard, since the device comes from it.
    pub(crate) fn parse(filter: &str) -> Result<Self, String> {
        if filter.is_empty() || filter.len() > 1_024 || filter.contains('\0') {
            return Err(format!("{filter:?} is no topic filter: it must have 1 to 1,024 bytes and no NUL"));
        }
        let parts: Vec<&str> = filter.split('/').collect();
        let last = parts.len() - 1;
        for (n, part) in parts.iter().enumerate() {
            let bad = match *part {
                "+" | DEVICE => false,
                "#" => n != last,
                part => part.contains(['+', '#', '{', '}']),
            };
            if bad {
                return Err(format!(
                    "{filter:?} is no topic filter: + and {DEVICE} stand alone in their level, # alone at the end"
                ));
            }
        }
        if parts.iter().filter(|part| **part == DEVICE).count() > 1 {
            return Err(format!("{filter:?} names {DEVICE} more than once"));
        }
        let Some(first) = parts.iter().position(|part| matches!(*part, "+" | "#" | DEVICE)) else {
            return Err(format!("{filter:?} has neither + nor #, so that no level is left for the device"));
        };
        let prefix = parts[..first].iter().map(|part| format!("{part}/")).collect();
        let levels = parts[first..]
            .iter()
            .map(|part| match *part {
                "+" => Level::Any,
                DEVICE => Level::Device,
                "#" => Level::Rest,
                part => Level::Literal(part.into()),
            })
            .collect();
        Ok(Self { prefix, levels })
    }

    /// Topics that start with `$` match no filter that starts with a wildcard; `a/#` is not matched by `a`, which
    /// would leave no device.
    pub(crate) fn matched<'t>(&self, topic: &'t str) -> Option<Matched<'t>> {
        let rest = topic.strip_prefix(self.prefix.as_str())?;
        if self.prefix.is_empty() && topic.starts_with('$') {
            return None;
        }
        let (mut from, mut left) = (rest, Some(rest));
        for level in &self.levels {
            if *level == Level::Rest {
                return Some(Matched::at(from));
            }
            let here = left?;
            let part = here.split('/').next()?;
            match level {
                Level::Device => from = here,
                Level::Literal(literal) if part != literal => return None,
                Level::Any | Level::Rest | Level::Literal(_) => {}
            }
            left = here.get(part.len() + 1..);
        }
        left.is_none().then(|| Matched::at(from))
    }
}
