//! Topic names and filters, because the codec checks neither and because the gateway must know which
//! subscriptions can ever receive something of its own.
//!
//! Rules from MQTT 3.1.1 and 5.0, section 4.7.

/// What the gateway itself publishes; the last is how Sparkplug edge nodes are asked for their births.
const OURS: [&str; 4] = ["pantau/cmd/#", "pantau/alarm/#", "pantau/time", "spBv1.0/+/NCMD/#"];

/// A topic that something can be published to: not empty, no wildcard, no NUL.
pub(crate) fn is_name(topic: &str) -> bool {
    !topic.is_empty() && !topic.bytes().any(|byte| matches!(byte, b'+' | b'#' | 0))
}

/// A well-formed topic filter: `#` alone and last, `+` alone in its level, no NUL.
pub(crate) fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let well_formed = match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            _ => !level.contains(['+', '#']),
        };
        if !well_formed {
            return false;
        }
    }
    true
}

/// Whether the gateway publishes on this topic.
pub(crate) fn is_ours(topic: &str) -> bool {
    is_name(topic) && can_match_ours(topic)
}

/// Whether a filter can match anything that the gateway publishes.
pub(crate) fn can_match_ours(filter: &str) -> bool {
    OURS.iter().any(|ours| overlap(filter, ours))
}

/// Whether some topic matches both filters.
fn overlap(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(x), Some(y)) if x == y || x == "+" || y == "+" => {}
            _ => return false,
        }
    }
}

/// Whether a topic matches a well-formed filter. Wildcards do not reach topics that begin with `$`.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some(wanted), Some(level)) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
}
