//! Turns the configuration into what each part wants to know, so that no part knows the file's shape.

use std::time::Duration;

use pantau_settings::Fault;

use crate::config::{self, Config, Profile};
use crate::pins::{self, PinBus};
use crate::spool::Bounds;
use crate::{clock, modbus, mqtt_client, mqtt_server, polled, tls};

/// How long connections may take to end when the gateway stops.
pub(crate) const MQTT_GRACE: Duration = Duration::from_secs(3);

/// The MQTT listener's; its other bounds are its own defaults.
///
/// # Errors
/// A file for TLS cannot be used (any more: the configuration's check has read it).
pub(crate) fn listener(config: &config::Mqtt) -> Result<mqtt_server::Config, Fault> {
    let user = |user: &config::User| mqtt_server::User {
        name: user.name.clone(),
        password_hash: user.password_hash.as_ref().map(|hash| hash.reveal().to_owned()),
        devices: user.devices.clone(),
        topics: user.topics.clone(),
    };
    Ok(mqtt_server::Config {
        max_connections: config.max_connections,
        max_packet_bytes: config.max_packet.as_usize(),
        max_sessions: config.max_connections,
        stop_grace: MQTT_GRACE,
        users: config.user.iter().map(user).collect(),
        anonymous: config.anonymous,
        tls: config.tls.as_ref().map(|tls| tls::server(tls, clock::now)).transpose()?,
        ..mqtt_server::Config::default()
    })
}

/// The brokers'.
///
/// # Errors
/// A file for TLS cannot be used (any more: the configuration's check has read it).
pub(crate) fn brokers(config: &Config) -> Result<Vec<mqtt_client::Settings>, Fault> {
    let settings = |(n, broker): (usize, &config::MqttClient)| {
        let (host, port) = broker.address()?;
        let tls = match broker.tls() {
            true => match tls::client(broker, clock::now, &|key| format!("mqtt_client[{n}].{key}")) {
                Ok(tls) => Some(tls),
                Err(fault) => return Some(Err(fault)),
            },
            false => None,
        };
        let password =
            broker.password.as_ref().map_or(String::new(), |password| password.reveal().to_owned());
        let made = || format!("pantau-{}-{}", config.gateway.id, broker.name);
        Some(Ok(mqtt_client::Settings {
            name: broker.name.clone(),
            host,
            port,
            tls,
            v5: broker.protocol == config::Protocol::V5,
            client_id: broker.client_id.clone().unwrap_or_else(made),
            login: broker.username.clone().map(|user| (user, password)),
            filters: broker.filters(),
            retained: broker.retained,
            max_packet_bytes: broker.max_packet.as_usize(),
            retry_max: broker.retry_max,
            stop_grace: MQTT_GRACE,
        }))
    };
    // The configuration's check refuses one without an address.
    config.mqtt_client.iter().enumerate().filter_map(settings).collect()
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

/// A Modbus bus with its name and the plans of its devices.
pub(crate) struct ModbusBus {
    pub(crate) name: String,
    pub(crate) way: modbus::Way,
    pub(crate) devices: Vec<modbus::Device>,
    pub(crate) plans: Vec<polled::Plan>,
}

/// The Modbus buses.
pub(crate) fn modbus_buses(config: &Config) -> Vec<ModbusBus> {
    let bus = |bus: &config::Modbus| {
        let (baud, parity, stop_bits) = (bus.baud, bus.parity, bus.stop_bits);
        let way = match (&bus.serial, bus.address()) {
            (Some(path), _) => modbus::Way::Serial(path.clone(), modbus::Line { baud, parity, stop_bits }),
            (None, address) => {
                let (host, port) = address?;
                modbus::Way::Tcp { host, port, rtu: bus.framing == config::Framing::Rtu }
            }
        };
        let name = format!("{} {}", bus.name, way.name());
        let (devices, plans) = bus.device.iter().map(modbus_device).unzip();
        Some(ModbusBus { name, way, devices, plans })
    };
    // The configuration's check refuses one without an address.
    config.modbus.iter().filter_map(bus).collect()
}

fn modbus_device(device: &config::Device) -> (modbus::Device, polled::Plan) {
    let register = |register: &config::Register| modbus::registers::Register {
        name: register.quantity.clone(),
        table: register.read,
        address: register.address,
        kind: register.kind(),
        order: register.order,
        scale: modbus::registers::Scale::new(register.scale, register.offset),
        none: register.none.clone(),
    };
    let series = |register: &config::Register| polled::Series {
        name: format!("{}/{}", device.name, register.quantity),
        unit: register.unit.clone(),
    };
    let plan = polled::Plan {
        name: device.name.clone(),
        series: device.registers.iter().map(series).collect(),
        period: device.period,
        // Only for a device whose many answers come so slowly that the next poll is due: silence ends a poll before.
        timeout: device.period.max(device.timeout * 2),
        retries: device.retries,
        faulty_after: device.faulty_after,
    };
    let device = modbus::Device {
        id: device.id,
        timeout: device.timeout,
        registers: device.registers.iter().map(register).collect(),
        max_gap: device.max_gap,
        max_read: device.max_read,
    };
    (device, plan)
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
