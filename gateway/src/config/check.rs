//! The rules that the values must keep, each with its mend.

use std::net::SocketAddr;
use std::path::Path;

use pantau_proto::{DeviceName, GatewayId};
use pantau_settings::{Fault, Secret, Settings, Size, between};

use super::{ClientCerts, Config};
use crate::decode;
use crate::mqtt_server::is_topic_filter;

impl Settings for Config {
    const PRINTED_BY: &'static str = "pantau-gateway config";
    const SECRETS: &'static [&'static str] = &["token", "password_hash", "password"];

    fn settle(&mut self, folder: &Path) -> Result<(), Fault> {
        if let Some(tls) = &mut self.mqtt.tls {
            tls.resolve(folder);
        }
        for broker in &mut self.mqtt_client {
            broker.resolve(folder);
        }
        self.read_secrets(folder)?;
        self.check()
    }
}

impl Config {
    /// Reads the files of secrets, relative to `folder`.
    fn read_secrets(&mut self, folder: &Path) -> Result<(), Fault> {
        let certificates = self.mqtt.tls.as_ref().is_some_and(|tls| tls.client_certs != ClientCerts::Off);
        for (n, user) in self.mqtt.user.iter_mut().enumerate() {
            match (&user.password_hash, &user.password_file) {
                (Some(_), None) => {}
                (None, Some(file)) => {
                    let key = format!("mqtt.user[{n}].password_file");
                    user.password_hash = Some(Secret::read(&folder.join(file), &key)?);
                }
                (None, None) if certificates => {}
                (Some(_), Some(_)) | (None, None) => {
                    return Err(Fault::new(
                        format!("mqtt.user[{n}].name"),
                        format!("user {:?} needs exactly one of password_hash and password_file", user.name),
                        "give the argon2 hash by value or name a file that holds it; without either a user needs a certificate (client_certs under [mqtt.tls])",
                    ));
                }
            }
        }
        for (n, client) in self.mqtt_client.iter_mut().enumerate() {
            let Some(file) = &client.password_file else { continue };
            let key = format!("mqtt_client[{n}].password_file");
            if client.password.is_some() {
                return Err(Fault::new(key, "both password and password_file are given", "keep one of them"));
            }
            client.password = Some(Secret::read(&folder.join(file), &key)?);
        }
        if let Some(file) = &self.uplink.token_file {
            if !self.uplink.token.is_empty() {
                return Err(Fault::new(
                    "uplink.token",
                    "both token and token_file are given",
                    "keep one of them",
                ));
            }
            self.uplink.token = Secret::read(&folder.join(file), "uplink.token_file")?;
        }
        Ok(())
    }

    /// The rules between and on the values.
    fn check(&self) -> Result<(), Fault> {
        self.check_gateway()?;
        self.check_mqtt()?;
        for (n, client) in self.mqtt_client.iter().enumerate() {
            client.check(&|key| format!("mqtt_client[{n}].{key}"))?;
            if self.mqtt_client[..n].iter().any(|other| other.name == client.name) {
                return Err(Fault::new(
                    format!("mqtt_client[{n}].name"),
                    format!("broker {:?} is there twice", client.name),
                    "give each its own name: it is a part of the session's",
                ));
            }
        }
        super::pins::check(&self.pins)?;
        super::modbus::check(&self.modbus, &self.pins)?;
        self.check_spool()?;
        self.check_uplink()?;
        if exposed(self.status.listen) && !self.status.anyone_on_the_network_may_read {
            return Err(Fault::new(
                "status.listen",
                format!(
                    "{} can be reached from the network and the status page asks for no password",
                    self.status.listen
                ),
                "listen on 127.0.0.1, or write `anyone_on_the_network_may_read = true` under [status]",
            ));
        }
        for (n, rule) in self.decode.iter().enumerate() {
            decode::check(rule)
                .map_err(|wrong| Fault::new(format!("decode[{n}].{}", wrong.key), wrong.what, wrong.mend))?;
        }
        Ok(())
    }

    fn check_gateway(&self) -> Result<(), Fault> {
        self.gateway.id.parse::<GatewayId>().map_err(|error| {
            Fault::new(
                "gateway.id",
                format!("{:?} is no gateway id: {error}", self.gateway.id),
                "use 1 to 64 letters, digits and . _ : - , starting with a letter or digit",
            )
        })?;
        if self.gateway.data_dir.as_os_str().is_empty() {
            return Err(Fault::new("gateway.data_dir", "is empty", "name a folder"));
        }
        Ok(())
    }

    fn check_mqtt(&self) -> Result<(), Fault> {
        let mqtt = &self.mqtt;
        if !mqtt.plain && mqtt.tls.is_none() {
            return Err(Fault::new(
                "mqtt.plain",
                "no device could connect: there is no listener without encryption and none with it",
                "add [mqtt.tls], or set plain = true",
            ));
        }
        let open = [
            Some(mqtt.listen).filter(|_| mqtt.plain),
            mqtt.tls.as_ref().filter(|tls| tls.client_certs != ClientCerts::Required).map(|tls| tls.listen),
        ];
        let open = open.into_iter().flatten().find(|listen| exposed(*listen));
        if let Some(listen) = open.filter(|_| mqtt.anonymous && !mqtt.anyone_on_the_network_may_publish) {
            return Err(Fault::new(
                "mqtt.anonymous",
                format!("{listen} can be reached from the network and would let anyone publish"),
                "add [[mqtt.user]] tables and set anonymous = false, listen on 127.0.0.1, or write `anyone_on_the_network_may_publish = true` under [mqtt]",
            ));
        }
        if !mqtt.anonymous && mqtt.user.is_empty() {
            return Err(Fault::new(
                "mqtt.anonymous",
                "no device could log in: anonymous is false and there is no [[mqtt.user]]",
                "add a [[mqtt.user]] table, or set anonymous = true for a listener on 127.0.0.1",
            ));
        }
        for (n, user) in mqtt.user.iter().enumerate() {
            if user.name.is_empty() || user.name.len() > 256 {
                return Err(Fault::new(
                    format!("mqtt.user[{n}].name"),
                    "must have 1 to 256 bytes",
                    "name the user",
                ));
            }
            if mqtt.user[..n].iter().any(|other| other.name == user.name) {
                return Err(Fault::new(
                    format!("mqtt.user[{n}].name"),
                    format!("user {:?} is there twice", user.name),
                    "keep one of them",
                ));
            }
            if let Some(device) = user.devices.iter().find(|device| !is_pattern(device)) {
                return Err(Fault::new(
                    format!("mqtt.user[{n}].devices"),
                    format!("{device:?} is no device's name"),
                    "name devices, or patterns whose * stands at the end, such as \"roof-*\"; \"*\" alone is all of them",
                ));
            }
            if user.devices.is_empty() && DeviceName::new(&user.name).is_err() {
                return Err(Fault::new(
                    format!("mqtt.user[{n}].name"),
                    format!(
                        "user {:?} could publish for no device: its name is no device's and it has no devices",
                        user.name
                    ),
                    "name the user as its device, or add devices = [\"…\"], or devices = [\"*\"] for one that speaks for all",
                ));
            }
            if let Some(filter) = user.topics.iter().find(|filter| !is_topic_filter(filter)) {
                return Err(Fault::new(
                    format!("mqtt.user[{n}].topics"),
                    format!("{filter:?} is no topic filter"),
                    "+ stands for a whole level, # for the last ones",
                ));
            }
            if user.password_hash.as_ref().is_some_and(|hash| !is_argon2(hash.reveal())) {
                return Err(Fault::new(
                    format!(
                        "mqtt.user[{n}].{}",
                        if user.password_file.is_some() { "password_file" } else { "password_hash" }
                    ),
                    format!("what user {:?} has is no argon2 hash", user.name),
                    "make one: printf %s 'the password' | argon2 SOME-RANDOM-SALT -id -e -k 4096 -t 3 -p 1",
                ));
            }
        }
        if let Some(tls) = &mqtt.tls {
            tls.check()?;
        }
        between("mqtt.max_connections", mqtt.max_connections, 1, 100_000)?;
        between("mqtt.max_packet", mqtt.max_packet, Size(1 << 10), Size(1 << 20))
    }

    fn check_spool(&self) -> Result<(), Fault> {
        let spool = &self.spool;
        between("spool.segment", spool.segment, Size(1 << 20), Size(1 << 30))?;
        if !spool.segment.0.is_multiple_of(4096) {
            return Err(Fault::new(
                "spool.segment",
                format!("{} is no multiple of 4 KiB", spool.segment),
                "use a power of two, such as \"16 MiB\"",
            ));
        }
        let least = Size(4 * spool.segment.0);
        if spool.max_size < least {
            return Err(Fault::new(
                "spool.max_size",
                format!("{} is less than four segments of {}", spool.max_size, spool.segment),
                format!("allow \"{least}\" or more, or make segment smaller"),
            ));
        }
        Ok(())
    }

    fn check_uplink(&self) -> Result<(), Fault> {
        let url = &self.uplink.url;
        if url.starts_with("https://") {
            return Err(Fault::new(
                "uplink.url",
                "https is not built into this version",
                "use http:// on a network that you trust, or a tunnel such as WireGuard or ssh",
            ));
        }
        let host = url.strip_prefix("http://").unwrap_or("").trim_end_matches('/');
        if host.is_empty() || host.contains('/') || url.parse::<tonic::transport::Uri>().is_err() {
            return Err(Fault::new("uplink.url", format!("{url:?} is no address"), "write http://host:port"));
        }
        let token = self.uplink.token.reveal();
        if token.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(Fault::new(
                "uplink.token",
                "the token has blanks or other unfit characters",
                "use the token as ingest has it",
            ));
        }
        between("uplink.window", self.uplink.window, 1, 1_024)
    }
}

/// Checks what people call a bus, a broker or a sensor; that of a sensor is also the device of its series.
pub(super) fn plain_name(name: &str, key: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        let what = format!("{name:?} is no name");
        return Err(Fault::new(key, what, "use 1 to 64 letters, digits and . _ -"));
    }
    Ok(())
}

fn is_argon2(hash: &str) -> bool {
    argon2::password_hash::PasswordHash::new(hash).is_ok_and(|hash| {
        argon2::Algorithm::try_from(hash.algorithm).is_ok()
            && argon2::Params::try_from(&hash).is_ok()
            && hash.salt.is_some()
            && hash.hash.is_some()
    })
}

/// A name, or the begin of one before a star.
fn is_pattern(device: &str) -> bool {
    match device.strip_suffix('*') {
        Some("") => true,
        // A begin such as "roof-" need not be a name, but one more letter must make it one.
        Some(begin) => DeviceName::new(format!("{begin}0")).is_ok(),
        None => DeviceName::new(device).is_ok(),
    }
}

fn exposed(listen: SocketAddr) -> bool {
    !listen.ip().is_loopback()
}
