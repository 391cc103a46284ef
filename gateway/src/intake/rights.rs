//! What a client of the listener may say: on which topics, and for which devices.
//!
//! Always: a message is judged by what comes of it. Wherever a format takes the device from (the topic, the payload, a base
//! name), it is the device of the reading that has to be allowed, so no format is a way around. Both must allow it, topic
//! and device.

use crate::mqtt_server::topic_matches;

/// The rights of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Who it is, for the sentence of a refusal.
    user: String,
    /// Names of devices; one that ends in `*` stands for all names that begin so.
    devices: Vec<String>,
    /// MQTT topic filters.
    topics: Vec<String>,
}

impl Rights {
    /// `devices` without an entry: the one that is named as the user; `topics` without one: all.
    #[must_use]
    pub fn new(user: &str, devices: &[String], topics: &[String]) -> Self {
        let devices = if devices.is_empty() { vec![user.to_owned()] } else { devices.to_vec() };
        Self { user: user.to_owned(), devices, topics: topics.to_vec() }
    }

    /// Whether it may speak for this device.
    pub(crate) fn device(&self, device: &str) -> bool {
        self.devices.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(begin) => device.starts_with(begin),
            None => device == allowed,
        })
    }

    /// Whether it may publish on this topic.
    pub(crate) fn topic(&self, topic: &str) -> bool {
        self.topics.is_empty() || self.topics.iter().any(|filter| topic_matches(filter, topic))
    }

    /// Why a message on a topic was refused, and the mend.
    pub(crate) fn topic_refused(&self, topic: &str) -> String {
        format!(
            "user {:?} may not publish on {topic:?}: none of its topics in [[mqtt.user]] matches",
            self.user
        )
    }

    /// Why a message for a device was refused, and the mend.
    pub(crate) fn device_refused(&self, device: &str) -> String {
        format!(
            "user {:?} may not publish for device {device:?}: name it, or a pattern such as \"roof-*\", in devices of its [[mqtt.user]]",
            self.user
        )
    }
}

/// Who sends, and what of it is taken.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The client identifier, or the name of what is no client.
    pub name: &'a str,
    /// Without any, everything is taken.
    pub rights: Option<&'a Rights>,
}

impl<'a> Source<'a> {
    /// One that may say everything.
    #[must_use]
    pub const fn trusted(name: &'a str) -> Self {
        Self { name, rights: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_speaks_for_its_own_device_and_on_all_topics_unless_it_is_said() {
        let own = Rights::new("air-1", &[], &[]);
        assert!(own.device("air-1") && own.topic("pantau/air-1"));
        for other in ["air-10", "air-", "AIR-1", ""] {
            assert!(!own.device(other), "{other}");
        }
        let several = Rights::new("roof", &["roof-*".into(), "mast".into()], &["v3/#".into(), "a/+".into()]);
        assert!(several.device("roof-7") && several.device("mast") && !several.device("roof"));
        assert!(several.topic("v3/x/y") && several.topic("a/b"));
        assert!(!several.topic("a/b/c") && !several.topic("pantau/roof-7"));
        assert!(Rights::new("all", &["*".into()], &[]).device("whatever"));
    }
}
