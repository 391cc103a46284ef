//! MQTT topic filters, and which part of a topic names the device.

/// A filter such as `pantau/#`. What a topic has after the filter's literal first levels names the device (and,
/// for some formats, quantity and channel).
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
    Rest,
    Literal(String),
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
                "+" => false,
                "#" => n != last,
                part => part.contains(['+', '#']),
            };
            if bad {
                return Err(format!(
                    "{filter:?} is no topic filter: + stands alone in its level, # alone at the end"
                ));
            }
        }
        let Some(first) = parts.iter().position(|part| matches!(*part, "+" | "#")) else {
            return Err(format!("{filter:?} has neither + nor #, so that no level is left for the device"));
        };
        let prefix = parts[..first].iter().map(|part| format!("{part}/")).collect();
        let levels = parts[first..]
            .iter()
            .map(|part| match *part {
                "+" => Level::Any,
                "#" => Level::Rest,
                part => Level::Literal(part.into()),
            })
            .collect();
        Ok(Self { prefix, levels })
    }

    /// The part of a topic after the literal prefix if the topic matches. Topics that start with `$` match no
    /// filter that starts with a wildcard; `a/#` is not matched by `a`, which would leave no device.
    pub(crate) fn rest<'t>(&self, topic: &'t str) -> Option<&'t str> {
        let rest = topic.strip_prefix(self.prefix.as_str())?;
        if self.prefix.is_empty() && topic.starts_with('$') {
            return None;
        }
        let mut parts = rest.split('/');
        for level in &self.levels {
            match level {
                Level::Rest => return Some(rest),
                Level::Any => drop(parts.next()?),
                Level::Literal(literal) => {
                    if parts.next()? != literal {
                        return None;
                    }
                }
            }
        }
        parts.next().is_none().then_some(rest)
    }
}
