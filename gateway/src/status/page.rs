//! The page for people, in Indonesian and English: plain HTML that renews itself every five seconds.

mod sensors;

use std::fmt::Write as _;

use crate::figures::Figures;
use crate::mqtt_client::State;
use crate::polled;

/// The languages of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Indonesian,
    English,
}

impl Language {
    /// The first known language that an Accept-Language header names (its order, not its weights, counts);
    /// Indonesian where it names none.
    pub(super) fn wanted(header: &str) -> Self {
        let known = header.split(',').find_map(|part| {
            match part.trim().split([';', '-']).next()?.to_ascii_lowercase().as_str() {
                "id" | "in" => Some(Self::Indonesian),
                "en" => Some(Self::English),
                _ => None,
            }
        });
        known.unwrap_or(Self::Indonesian)
    }

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Indonesian => "id",
            Self::English => "en",
        }
    }

    const fn say(self, indonesian: &'static str, english: &'static str) -> &'static str {
        match self {
            Self::Indonesian => indonesian,
            Self::English => english,
        }
    }
}

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:44rem;padding:0 1rem;\
color:#1b2630;background:#fff}table{border-collapse:collapse;width:100%}th,td{padding:.4rem .6rem;\
border-bottom:1px solid #d5dde3;text-align:left;font-weight:400}td{text-align:right;font-variant-numeric:tabular-nums}\
p.state{padding:.6rem .8rem;border-left:.4rem solid #1f7a4d;background:#eef6f1}p.bad{border-color:#b3261e;background:#fbeeed}\
@media(prefers-color-scheme:dark){body{color:#e4eaee;background:#12181d}th,td{border-color:#33414c}\
p.state{background:#16261e}p.bad{background:#2c1817}}";

/// The whole page.
pub(super) fn render(figures: &Figures, language: Language) -> String {
    let title = language.say("Gerbang Pantau", "Pantau gateway");
    let gateway = escape(&figures.gateway);
    let (bad, state) = state(figures, language);
    let class = if bad { "state bad" } else { "state" };
    let mut rows = String::new();
    for (name, value) in table(figures, language) {
        let _ = write!(rows, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    let (brokers, offline) = (brokers(figures, language), offline(figures, language));
    let sensors = sensors::render(figures, language);
    let foot =
        language.say("Halaman ini diperbarui setiap 5 detik.", "This page renews itself every 5 seconds.");
    format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\"><title>{title} {gateway}</title>\
         <style>{STYLE}</style></head><body><h1>{title} <code>{gateway}</code></h1><p class=\"{class}\" \
         role=\"status\">{state}</p><table>{rows}</table>{brokers}{sensors}{offline}<p><small>{foot} Epoch {}, v{} · <a href=\"/metrics\">/metrics</a>\
         </small></p></body></html>",
        language.code(),
        figures.epoch,
        env!("CARGO_PKG_VERSION"),
    )
}

fn state(figures: &Figures, language: Language) -> (bool, &'static str) {
    if figures.poisoned {
        return (
            true,
            language.say(
                "Cakram gagal ditulis: tidak ada data yang diterima. Mulai ulang gerbang dan periksa cakram.",
                "The disk failed: nothing is taken. Restart the gateway and check the disk.",
            ),
        );
    }
    if figures.full {
        return (
            true,
            language.say(
                "Spool penuh: perangkat menyimpan datanya sendiri sampai ada ruang lagi.",
                "The spool is full: devices keep their readings until there is room again.",
            ),
        );
    }
    if !figures.connected {
        return (
            true,
            language.say(
                "Tidak tersambung ke ingest: data disimpan di sini dengan aman dan dikirim nanti.",
                "Not connected to ingest: readings are kept safely here and sent later.",
            ),
        );
    }
    if !figures.clock_trusted {
        return (
            true,
            language.say(
                "Jam belum dipercaya: data tanpa waktu sendiri menunggu di sini, paling lama satu jam, lalu ditandai.",
                "The clock is not trusted yet: readings without a time of their own wait here for an hour at most, and are flagged then.",
            ),
        );
    }
    if figures.brokers.iter().any(|broker| matches!(broker.state, State::Away(_) | State::Refused(_))) {
        return (
            true,
            language.say(
                "Ada broker yang tidak mengirim: lihat di bawah. Data yang lain berjalan seperti biasa.",
                "A broker sends nothing: see below. Everything else goes on as usual.",
            ),
        );
    }
    if figures.sensors.iter().any(|sensor| matches!(sensor.state, polled::State::Faulty(_))) {
        return (
            true,
            language.say(
                "Ada sensor yang rusak atau tidak menjawab: lihat di bawah. Yang lain berjalan seperti biasa.",
                "A sensor is faulty or does not answer: see below. Everything else goes on as usual.",
            ),
        );
    }
    (false, language.say("Semua berjalan baik.", "All is well."))
}

fn table(figures: &Figures, language: Language) -> Vec<(&'static str, String)> {
    let say = |indonesian, english| language.say(indonesian, english);
    let number = |value| grouped(value, language);
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let mean_fsync = match figures.fsync.count {
        0 => "–".to_owned(),
        count => format!("{:.1} ms", figures.fsync.sum * 1_000.0 / count as f64),
    };
    vec![
        (
            say("Jam", "Clock"),
            match figures.clock_trusted {
                true => say("dipercaya", "trusted"),
                false => say("belum dipercaya", "not trusted yet"),
            }
            .to_owned(),
        ),
        (say("Menunggu jam", "Waiting for the clock"), number(figures.held)),
        (say("Perangkat tersambung", "Devices connected"), number(figures.connections)),
        (
            say("Login atau TLS ditolak", "Logins or TLS refused"),
            number(figures.refused + figures.tls_failed),
        ),
        (say("Perangkat daring", "Devices that said they are online"), number(figures.online.online)),
        (say("Perangkat luring", "Devices that are said to be offline"), number(figures.online.offline)),
        (say("Diterima sejak mulai", "Accepted since the start"), number(figures.accepted)),
        (say("Tersimpan di cakram", "Synced to the disk"), number(figures.spooled)),
        (say("Dikonfirmasi ingest", "Acknowledged by ingest"), number(figures.acked)),
        (say("Menunggu dikirim", "Waiting to be sent"), number(figures.backlog_readings)),
        (say("Menunggu, ukuran", "Waiting, size"), bytes(figures.backlog_bytes)),
        (say("Menunggu, paling lama", "Waiting, longest"), duration(figures.backlog_ms)),
        (say("Tidak terbaca (karantina)", "Unreadable (quarantine)"), number(figures.quarantined)),
        (say("Di antaranya tanpa hak", "Of these, sent without the right to"), number(figures.not_allowed)),
        (say("Ditolak ingest (karantina)", "Refused by ingest (quarantine)"), number(figures.rejected)),
        (say("Hilang", "Lost"), number(figures.lost)),
        (
            say(
                "Di antaranya QoS 0 dan sensor sendiri saat spool penuh",
                "Of these, QoS 0 and own sensors while the spool was full",
            ),
            number(figures.shed),
        ),
        (say("Konfirmasi ditahan", "Acknowledgements withheld"), number(figures.withheld)),
        (say("Kiriman ulang dikenali", "Repeats recognised"), number(figures.redelivered)),
        (say("Rata-rata fsync", "Mean fsync"), mean_fsync),
        (
            say("Spool di cakram", "Spool on disk"),
            format!("{} / {}", bytes(figures.spool_bytes), bytes(figures.spool_max_bytes)),
        ),
        (say("Ruang cakram bebas", "Free disk space"), figures.free_bytes.map_or("–".into(), bytes)),
    ]
}

/// How it stands with the brokers, and since when.
fn brokers(figures: &Figures, language: Language) -> String {
    if figures.brokers.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for broker in &figures.brokers {
        let state = match &broker.state {
            State::Connecting => language.say("menyambung", "connecting").to_owned(),
            State::Connected => language.say("tersambung", "connected").to_owned(),
            State::Stopped => language.say("berhenti", "stopped").to_owned(),
            State::Refused(topics) => format!(
                "{}: {}",
                language.say("broker menolak topik", "the broker refuses topics"),
                escape(&topics.join(", "))
            ),
            State::Away(why) => {
                format!("{}: {}", language.say("tidak tersambung", "not connected"), escape(why))
            }
        };
        let since = u64::try_from(figures.now.0.saturating_sub(broker.since.0)).unwrap_or(0);
        let since = if broker.since.0 > 0 { format!(" ({})", duration(since)) } else { String::new() };
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{} <code>{}</code><br>{state}{since}</th><td>{}</td></tr>",
            escape(&broker.name),
            escape(&broker.address),
            grouped(broker.received, language),
        );
    }
    let title = language.say("Broker, dan pesan darinya", "Brokers, and messages from them");
    format!("<h2>{title}</h2><table>{rows}</table>")
}

/// Which devices are offline, the latest first, and since when.
fn offline(figures: &Figures, language: Language) -> String {
    if figures.online.named.is_empty() {
        return String::new();
    }
    let title = language.say("Luring, terbaru dahulu", "Offline, the latest first");
    let mut rows = String::new();
    for device in &figures.online.named {
        let since = u64::try_from(figures.now.0.saturating_sub(device.since.0)).unwrap_or(0);
        let _ = write!(
            rows,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td></tr>",
            escape(&device.name),
            duration(since)
        );
    }
    format!("<h2>{title}</h2><table>{rows}</table>")
}

fn grouped(value: u64, language: Language) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + 6);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(if language == Language::Indonesian { '.' } else { ',' });
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn bytes(value: u64) -> String {
    match value {
        0..1_024 => format!("{value} B"),
        1_024..1_048_576 => format!("{:.1} KiB", value as f64 / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", value as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", value as f64 / 1_073_741_824.0),
    }
}

fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
