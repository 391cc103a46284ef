//! `[[mqtt_client]]`: brokers that the gateway subscribes to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pantau_settings::{Fault, Secret, Size, between, duration};
use serde::Deserialize;

use crate::{clock, tls};

/// A broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttClient {
    /// What the gateway calls it.
    pub name: String,
    /// `mqtt://host:port`, or `mqtts://` with TLS.
    pub url: String,
    /// Topic filters.
    pub topics: Vec<String>,
    /// The version that is spoken.
    #[serde(default)]
    pub protocol: Protocol,
    /// By which the broker knows the session; without one it is made of the gateway's id and the name.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Several gateways with the same word share the messages.
    #[serde(default)]
    pub share: Option<String>,
    /// Take what the broker has retained.
    #[serde(default)]
    pub retained: bool,
    /// The login's name.
    #[serde(default)]
    pub username: Option<String>,
    /// The login's password. After loading read from `password_file` if that is given.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A file that holds the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// With TLS: the authority that has signed the broker's certificate; else those that the system believes.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// With TLS: the gateway's own certificate, and its key.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// The private key of `cert_file`.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// A packet at most.
    #[serde(default = "max_packet")]
    pub max_packet: Size,
    /// The longest wait between two attempts.
    #[serde(default = "retry_max", deserialize_with = "duration")]
    pub retry_max: Duration,
}

/// A version of MQTT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// 3.1.1.
    #[default]
    #[serde(rename = "3.1.1")]
    V3,
    /// 5.0.
    #[serde(rename = "5")]
    V5,
}

const fn max_packet() -> Size {
    Size(256 << 10)
}

const fn retry_max() -> Duration {
    Duration::from_secs(15)
}

impl MqttClient {
    /// Whether the URL asks for TLS.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.url.starts_with("mqtts://")
    }

    /// Paths that are relative begin in the configuration's folder.
    pub(super) fn resolve(&mut self, folder: &Path) {
        for path in [&mut self.ca_file, &mut self.cert_file, &mut self.key_file].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    /// Host and port of the URL.
    #[must_use]
    pub fn address(&self) -> Option<(String, u16)> {
        let (scheme, usual) = if self.tls() { ("mqtts://", 8883) } else { ("mqtt://", 1883) };
        let authority = self.url.strip_prefix(scheme)?.trim_end_matches('/');
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address stand in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, usual),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let fits = !host.is_empty() && !host.contains(['/', '@', ' ']) && port > 0;
        fits.then(|| (host.to_owned(), port))
    }

    /// The topic filters as the broker gets them.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        let shared = |topic: &String| match &self.share {
            Some(share) => format!("$share/{share}/{topic}"),
            None => topic.clone(),
        };
        self.topics.iter().map(shared).collect()
    }

    pub(super) fn check(&self, key: &dyn Fn(&str) -> String) -> Result<(), Fault> {
        let fault = |name: &str, what: String, mend: &str| Err(Fault::new(key(name), what, mend));
        super::check::plain_name(&self.name, &key("name"))?;
        let files =
            [("ca_file", &self.ca_file), ("cert_file", &self.cert_file), ("key_file", &self.key_file)];
        if let Some((name, _)) = files.iter().find(|(_, file)| file.is_some() && !self.tls()) {
            return fault(
                name,
                "belongs to TLS".into(),
                "write the address as mqtts://host:8883, or take it away",
            );
        }
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => return fault("cert_file", "has no key_file beside it".into(), "name both"),
            (None, Some(_)) => return fault("key_file", "has no cert_file beside it".into(), "name both"),
            _ => {}
        }
        if self.url.contains('@') {
            // What stands before it may be a secret, which no complaint shows.
            let what = "the address holds a name or a password".to_owned();
            return fault("url", what, "write mqtt://host:1883, and the login as username and password_file");
        }
        if self.address().is_none() {
            return fault(
                "url",
                format!("{:?} is no address of a broker", self.url),
                "write mqtt://host:1883, or mqtts://host:8883 for TLS",
            );
        }
        if self.topics.is_empty() {
            return fault(
                "topics",
                "nothing is subscribed to".into(),
                "name topic filters, such as [\"tele/#\"]",
            );
        }
        for topic in &self.topics {
            if topic.starts_with("$share/") {
                let what = format!("{topic:?} is a shared subscription already");
                return fault("topics", what, "write the topic alone, and the group's word as share = \"…\"");
            }
            if topic.len() > 1_024 || !rumqttc::valid_filter(topic) || topic.contains('\0') {
                let what = format!("{topic:?} is no topic filter");
                return fault("topics", what, "+ stands for a whole level, # for the last ones");
            }
        }
        if let Some(share) = self.share.as_deref()
            && (share.is_empty() || !share.chars().all(is_plain))
        {
            return fault("share", format!("{share:?} cannot name a group"), "use letters, digits and . _ -");
        }
        if let Some(id) = self.client_id.as_deref()
            && (id.is_empty() || id.len() > 128 || !id.chars().all(|c| c.is_ascii_graphic()))
        {
            let what = format!("{id:?} is no client id");
            return fault("client_id", what, "use 1 to 128 letters, digits and signs, without blanks");
        }
        if self.password.is_some() && self.username.is_none() {
            let what = "a password without a user name".to_owned();
            return fault("password", what, "add username, or take the password away");
        }
        if self.tls() {
            tls::client(self, clock::now, key)?;
        }
        // As the listener's: one message always fits into a record of the spool.
        between(&key("max_packet"), self.max_packet, Size(1 << 10), Size(1 << 20))
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".-_".contains(c)
}
