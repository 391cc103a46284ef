//! Turns the configuration into what each part wants to know, so that no part knows the file's shape.

use std::time::Duration;

use crate::config::{self, Config, Profile};
use crate::pins::{self, PinBus};
use crate::spool::Bounds;
use crate::{clock, mqtt_client, mqtt_server};

/// How long connections may take to end when the gateway stops.
pub(crate) const MQTT_GRACE: Duration = Duration::from_secs(3);

/// The MQTT listener's; its other bounds are its own defaults.
pub(crate) fn listener(config: &config::Mqtt) -> mqtt_server::Config {
    let user = |user: &config::User| mqtt_server::User {
        name: user.name.clone(),
        password_hash: user.password_hash.as_ref().map_or(String::new(), |hash| hash.reveal().to_owned()),
        devices: user.devices.clone(),
        topics: user.topics.clone(),
    };
    mqtt_server::Config {
        max_connections: config.max_connections,
        max_packet_bytes: config.max_packet.as_usize(),
        max_sessions: config.max_connections,
        stop_grace: MQTT_GRACE,
        users: config.user.iter().map(user).collect(),
        anonymous: config.anonymous,
        ..mqtt_server::Config::default()
    }
}

/// The brokers'.
pub(crate) fn brokers(config: &Config) -> Vec<mqtt_client::Settings> {
    let settings = |broker: &config::MqttClient| {
        let (host, port) = broker.address()?;
        let password =
            broker.password.as_ref().map_or(String::new(), |password| password.reveal().to_owned());
        let made = || format!("pantau-{}-{}", config.gateway.id, broker.name);
        Some(mqtt_client::Settings {
            name: broker.name.clone(),
            host,
            port,
            v5: broker.protocol == config::Protocol::V5,
            client_id: broker.client_id.clone().unwrap_or_else(made),
            login: broker.username.clone().map(|user| (user, password)),
            filters: broker.filters(),
            retained: broker.retained,
            max_packet_bytes: broker.max_packet.as_usize(),
            retry_max: broker.retry_max,
            stop_grace: MQTT_GRACE,
        })
    };
    // The configuration's check refuses one without an address.
    config.mqtt_client.iter().filter_map(settings).collect()
}

/// The buses of the board with their sensors.
pub(crate) fn pin_buses(config: &Config) -> Vec<PinBus> {
    // The configuration's check refuses one that is unfit.
    let setups: Vec<_> = config.pins.sensor.iter().filter_map(|sensor| sensor.setup().ok()).collect();
    if setups.is_empty() {
        return Vec::new();
    }
    let backend = pins::backend(config.pins.backend, &config.pins.gpiochip);
    pins::buses(setups, &backend, &config.gateway.data_dir.join("pins"), clock::monotonic)
}

/// The spool's.
pub(crate) fn bounds(config: &Config) -> Bounds {
    Bounds {
        max_bytes: config.spool.max_size.0,
        free_floor_bytes: config.spool.free_floor.0,
        segment_bytes: config.spool.segment.0,
        keep_acked: config.spool.keep_acked,
        commit_delay: match config.gateway.profile {
            // The sync itself takes a millisecond or more, so that commits stay well filled under load.
            Profile::Fast => Duration::from_micros(500),
            Profile::Sdcard => Duration::from_secs(1),
        },
        // What devices send while a sync lasts.
        pending_bytes: 32 << 20,
    }
}
