//! `pantau-gateway device add`: makes a device's login at the pole, and says what to type into it.
//!
//! Always: the password is random, shown once and kept nowhere, only its hash is; the configuration is exchanged as a whole
//! (a new file in its place, with the old one's owner and mode), after the new text was checked as a gateway would; what
//! was in it stays as it was, comments included.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use argon2::password_hash::{PasswordHasher as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use pantau_proto::DeviceName;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::cli::AddDevice;
use crate::config::{ClientCerts, Config};

/// No letter or digit that is taken for another one, and 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789R";
/// Groups of four: 80 bits, which no guessing over a network finds.
const GROUPS: usize = 4;

/// Adds the device to the configuration and returns what is to be typed into it.
///
/// # Errors
/// In words, with the mend. The configuration is then as it was.
pub fn add(asked: &AddDevice) -> Result<String, String> {
    let file = asked.file.config.as_path();
    let name = asked.name.as_str();
    DeviceName::new(name).map_err(|error| format!("{name:?} is no name of a device: {error}"))?;
    let text = pantau_settings::text(file, "pantau-gateway config").map_err(|error| error.to_string())?;
    let old: Config = pantau_settings::parse(&text, file).map_err(|error| error.to_string())?;
    if old.mqtt.user.iter().any(|user| user.name == name) {
        return Err(format!(
            "{}: there is a user {name:?} already\n  mend: for a new password, take its [[mqtt.user]] table away first",
            file.display()
        ));
    }
    let password = password(rand::random());
    let hash = hash(&password, rand::random())?;
    let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let text = format!("{text}{line_end}\n[[mqtt.user]]\nname = {name:?}\npassword_hash = \"{hash}\"\n");
    let new: Config = pantau_settings::parse(&text, file).map_err(|error| {
        format!("{error}\n  (that is with the new [[mqtt.user]] table at its end; the file is as it was)")
    })?;
    exchange(file, &text).map_err(|error| format!("{} cannot be exchanged: {error}", file.display()))?;
    let host = asked.host.clone().unwrap_or_else(hostname);
    Ok(instructions(&new, name, &password, &host))
}

/// For example `k7mp-x2qd-…`.
fn password(random: [u8; 4 * GROUPS]) -> String {
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
    let groups = random.chunks(4).map(|group| group.iter().map(letter).collect::<String>());
    groups.collect::<Vec<_>>().join("-")
}

/// With costs that a small gateway bears at each login.
fn hash(password: &str, salt: [u8; 16]) -> Result<String, String> {
    let params = Params::new(4096, 3, 1, None).map_err(|error| error.to_string())?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(password.as_bytes(), &salt).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

/// A new file in the place of the old one, or none: a power cut leaves one of them whole.
fn exchange(file: &Path, text: &str) -> std::io::Result<()> {
    // What a link leads to is exchanged, not the link.
    let file = file.canonicalize()?;
    let folder = file.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let was = file.metadata()?;
    let mut beside = file.clone().into_os_string();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        new.write_all(text.as_bytes())?;
        chown(&beside, Some(was.uid()), Some(was.gid()))?;
        new.set_permissions(std::fs::Permissions::from_mode(was.mode() & 0o7777))?;
        new.sync_all()?;
        std::fs::rename(&beside, &file)
    })();
    if written.is_err() {
        // What is left of it is in nobody's way: the next try begins it anew.
        let _ = std::fs::remove_file(&beside);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this machine's address".to_owned(),
        name => name.to_owned(),
    }
}

/// What to type into the device.
fn instructions(config: &Config, name: &str, password: &str, host: &str) -> String {
    let mqtt = &config.mqtt;
    // A password cannot take the place of a certificate.
    let tls = mqtt.tls.as_ref().filter(|tls| tls.client_certs != ClientCerts::Required);
    let ways = [
        tls.map(|tls| ("mqtts", tls.listen, "with TLS")),
        Some(("mqtt", mqtt.listen, "without TLS")).filter(|_| mqtt.plain),
    ];
    let ways: Vec<(&str, SocketAddr, &str)> = ways.into_iter().flatten().collect();
    let mut text = format!("Device {name} was added. Type into it:\n\n");
    for (_, listen, how) in &ways {
        let at = if listen.ip().is_unspecified() || listen.ip().is_loopback() {
            host.to_owned()
        } else {
            listen.ip().to_string()
        };
        let note = match listen.ip().is_loopback() {
            true => "   (listens only on this machine; set `listen` to 0.0.0.0 for others)",
            false => "",
        };
        text += &format!("  host      {at}\n  port      {} ({how}){note}\n", listen.port());
    }
    text += &format!("  user      {name}\n  password  {password}\n");
    for rule in config.decode_rules() {
        text += &format!("  topic     {}   ({})\n", topic(&rule.topics, name), rule.format.name());
    }
    let Some((scheme, listen, _)) = ways.first() else {
        text += "\nNo listener takes passwords: client_certs is \"required\" and plain = false. It needs a certificate.\n";
        return text;
    };
    let at = if listen.ip().is_unspecified() || listen.ip().is_loopback() {
        host.to_owned()
    } else {
        listen.ip().to_string()
    };
    let url = format!("{scheme}://{name}:{password}@{at}:{}", listen.port());
    text += "\nThe password is shown this once; the gateway keeps only its hash.\n";
    text += "A running gateway knows the device after `systemctl reload pantau-gateway` (or kill -HUP).\n";
    // Longer than a code can be is only a host that nobody has.
    if let Ok(code) = QrCode::new(url.as_bytes()) {
        let code = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        text += &format!("\n{code}\n{url}\n");
    }
    text
}

/// A topic of a rule's filter on which this device publishes.
fn topic(filter: &str, name: &str) -> String {
    let mut levels: Vec<&str> = filter.split('/').collect();
    let device = levels.iter().position(|level| *level == "{device}");
    let device = device.or_else(|| levels.iter().position(|level| matches!(*level, "+" | "#")));
    if let Some(device) = device {
        let rest = levels[device] == "#";
        levels[device] = name;
        if rest {
            levels.push("…");
        }
    }
    levels.iter().map(|level| if *level == "#" { "…" } else { level }).collect::<Vec<_>>().join("/")
}
