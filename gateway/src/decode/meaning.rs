//! What a foreign field stands for, by its path and the format's own names; see [`super::fields`] for the order.

use pantau_proto::{quantity, units};

use super::names::{self, Known, Plain, UNSAID};

/// No name that a table could hold is longer, in bytes, whatever signs it has.
const MAX_NAME: usize = 128;

/// A format's own names: plain name, quantity (empty: passed over), unit.
pub(super) type Own = &'static [(&'static str, &'static str, &'static str)];

/// What a field stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    Ignored,
    Unknown,
    /// Quantity (or quantity/channel), channel, unit.
    Is(&'a str, &'a str, &'a str),
}

/// What the parts of a path mean together.
pub(super) fn looked_up<'a>(own: Own, path: &[&'a str], unit: &'a str) -> Meaning<'a> {
    let Some((last, before)) = path.split_last() else { return Meaning::Unknown };
    let Some(first) = before.first() else { return single(own, last, unit) };
    let digits = last.bytes().all(|byte| byte.is_ascii_digit());
    if digits || last.eq_ignore_ascii_case("value") {
        return match looked_up(own, before, unit) {
            Meaning::Is(measure, "", unit) if digits => Meaning::Is(measure, last, unit),
            meaning => meaning,
        };
    }
    match single(own, last, unit) {
        Meaning::Is(measure, "", unit) => Meaning::Is(measure, first, unit),
        meaning => meaning,
    }
}

/// What a name alone means; `unit` is what the payload says beside it, or empty.
pub(super) fn single<'a>(own: Own, name: &'a str, unit: &'a str) -> Meaning<'a> {
    // A list under a name that is as long as its packet asks for it again and again.
    if name.len() > MAX_NAME {
        return Meaning::Unknown;
    }
    if let Some(meaning) = whole(own, name, unit) {
        return meaning;
    }
    if let Some((stem, suffix)) = names::with_unit(name)
        && let Some(meaning @ Meaning::Is(..)) = whole(own, stem, suffix)
    {
        return meaning;
    }
    let Some((stem, channel)) = channel_of(name) else { return Meaning::Unknown };
    match whole(own, stem, unit) {
        Some(Meaning::Is(measure, _, unit)) => Meaning::Is(measure, channel, unit),
        Some(Meaning::Ignored) => Meaning::Ignored,
        _ => Meaning::Unknown,
    }
}

fn whole<'a>(own: Own, name: &str, unit: &'a str) -> Option<Meaning<'a>> {
    let plain = Plain::of(name)?;
    let known = match own.iter().find(|(known, _, _)| known.as_bytes() == plain.bytes()) {
        Some((_, "", _)) => Known::Ignored,
        Some((_, measure, unit)) => Known::Is(measure, unit),
        None => names::known(&plain)?,
    };
    Some(match known {
        Known::Ignored => Meaning::Ignored,
        // The unit that is meant anyway needs no search among all units.
        Known::Is(measure, meant) if !unit.is_empty() && unit != meant => {
            if quantity(measure).is_some_and(|quantity| units::conversion(quantity, unit).is_some()) {
                Meaning::Is(measure, "", unit)
            } else {
                Meaning::Unknown
            }
        }
        Known::Is(_, UNSAID) => Meaning::Unknown,
        Known::Is(measure, unit) => Meaning::Is(measure, "", unit),
    })
}

/// `temperature_2` and `temperature2`, `state_l1`, `state_left` as stem and channel.
fn channel_of(name: &str) -> Option<(&str, &str)> {
    if let Some((stem, channel)) = name.rsplit_once(['_', '-', ' ', '#']) {
        let gang = |rest: &str| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit();
        let fits = !channel.is_empty() && channel.bytes().all(|byte| byte.is_ascii_digit())
            || channel.strip_prefix('l').is_some_and(gang)
            || matches!(channel, "left" | "right" | "center" | "top" | "bottom" | "a" | "b" | "c");
        return (fits && !stem.is_empty()).then_some((stem, channel));
    }
    let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    (!stem.is_empty() && stem.len() < name.len()).then(|| name.split_at(stem.len()))
}
