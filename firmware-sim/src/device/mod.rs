//! A field device's side of MQTT: what it has to say ([`Source`]), what it must not forget ([`outbox`]), and
//! the connection ([`line`]).

pub(crate) mod line;
mod outbox;
#[cfg(test)]
mod tests;

use pantau_proto::TimeMs;

/// One publish, with as many readings as its payload carries (0 for garbage).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) readings: u32,
}

/// What a source wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Emission {
    Message(Message),
    /// Cut the connection without a word.
    Cut,
}

/// What the devices of one connection say, and when.
pub(crate) trait Source: Send {
    /// When the next emission is due. None: never again.
    fn due(&self) -> Option<TimeMs>;

    /// The next emission that is due by `now`. None: nothing yet, ask [`Source::due`] again.
    fn take(&mut self, now: TimeMs) -> Option<Emission>;
}
