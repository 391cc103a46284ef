//! What of a configuration counts without a restart: who may publish what, and certificates.
//!
//! Always: staged. A configuration comes here only after it was checked as a whole; what cannot be used is refused with its
//! reason and the old one goes on. What was changed and waits for a restart is named.

use pantau_proto::TimeMs;

use crate::config::Config;
use crate::mqtt_server::Doorkeeper;
use crate::{tls, wiring};

/// The configuration that counts, and what can be exchanged.
#[derive(Debug)]
pub(crate) struct Reload {
    config: Config,
    door: Doorkeeper,
}

impl Reload {
    pub(crate) fn new(config: Config, door: Doorkeeper) -> Self {
        Self { config, door }
    }

    /// Takes what can be taken of a configuration.
    pub(crate) fn take(&mut self, config: Config, now: TimeMs) {
        if let Err(why) = self.exchange(&config, now) {
            tracing::error!("the configuration was not reloaded, the old one goes on: {why}");
            return;
        }
        let waiting = waiting(&self.config, &config);
        let users = config.mqtt.user.len();
        self.config.mqtt.user = config.mqtt.user;
        self.config.mqtt.anonymous = config.mqtt.anonymous;
        match waiting.is_empty() {
            true => tracing::info!(users, "reloaded: users, rights and certificates"),
            false => tracing::warn!(
                users,
                "reloaded: users, rights and certificates; what was changed in {} waits for a restart",
                waiting.join(", ")
            ),
        }
    }

    fn exchange(&self, config: &Config, now: TimeMs) -> Result<(), String> {
        let door = wiring::listener(&config.mqtt)
            .map_err(|fault| format!("{}: {}\n  mend: {}", fault.key, fault.what, fault.mend))?;
        self.door.exchange(&door).map_err(|error| error.to_string())?;
        // It counts all the same: a clock that is wrong must not keep a good certificate out.
        if let Some(warning) = config.mqtt.tls.as_ref().and_then(|tls| tls::warning(tls, now)) {
            tracing::warn!("{warning}");
        }
        Ok(())
    }
}

/// The tables that differ and are read at the start only.
fn waiting(old: &Config, new: &Config) -> Vec<&'static str> {
    // Settings show themselves by Debug, all but their secrets.
    let text = |config: &Config| {
        let mqtt =
            (&config.mqtt.listen, config.mqtt.plain, config.mqtt.max_connections, config.mqtt.max_packet);
        let tls = config.mqtt.tls.as_ref().map(|tls| tls.listen);
        [
            ("[gateway]", format!("{:?}", config.gateway)),
            ("[mqtt]", format!("{mqtt:?}")),
            ("[mqtt.tls] listen", format!("{tls:?}")),
            ("[[mqtt_client]]", format!("{:?}", config.mqtt_client)),
            ("[[decode]]", format!("{:?}", config.decode)),
            ("[pins]", format!("{:?}", config.pins)),
            ("[[modbus]]", format!("{:?}", config.modbus)),
            ("[spool]", format!("{:?}", config.spool)),
            ("[uplink]", format!("{:?}", config.uplink)),
            ("[status]", format!("{:?}", config.status)),
            ("[log]", format!("{:?}", config.log)),
        ]
    };
    let pairs = text(old).into_iter().zip(text(new));
    pairs.filter(|((_, old), (_, new))| old != new).map(|((name, _), _)| name).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::mqtt_server::Server;
    use crate::mqtt_server::tests::support::{TestIntake, clock};

    fn parse(text: &str) -> Config {
        pantau_settings::parse(text, std::path::Path::new("gw.toml")).unwrap()
    }

    #[test]
    fn what_waits_for_a_restart_is_named_and_what_does_not_is_not() {
        let old = parse("[mqtt]\nanonymous = true");
        let users = "[mqtt]\nanonymous = true\nanyone_on_the_network_may_publish = true";
        assert!(waiting(&old, &parse(users)).is_empty());
        let new = "[mqtt]\nanonymous = true\nmax_connections = 7\n[uplink]\nwindow = 3\n[[decode]]\ntopics = \"a/#\"\nformat = \"number\"";
        assert_eq!(waiting(&old, &parse(new)), ["[mqtt]", "[[decode]]", "[uplink]"]);
    }

    #[tokio::test]
    async fn a_file_that_was_spoilt_between_check_and_use_changes_nothing() {
        let authority = crate::tls::tests::Authority::new();
        let listener = authority.listener("gateway", crate::config::ClientCerts::Off);
        let mut config = parse("[mqtt]\nanonymous = true");
        config.mqtt.tls = Some(listener.clone());
        let door = wiring::listener(&config.mqtt).unwrap();
        let (server, _) = Server::new(door, TestIntake::default(), &[], clock()).unwrap();
        let mut reload = Reload::new(config.clone(), server.doorkeeper());
        std::fs::write(&listener.cert, "no certificate").unwrap();
        let mut worse = config.clone();
        worse.mqtt.anonymous = false;
        reload.take(worse, TimeMs(0));
        assert!(reload.config.mqtt.anonymous, "the old one goes on");
        assert!(reload.exchange(&config, TimeMs(0)).unwrap_err().contains("mqtt.tls.cert"));
    }
}
