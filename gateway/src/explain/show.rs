//! The answer of `decode` as a table for people and as JSON for programs.

use std::fmt::Write as _;

use pantau_proto::v1::Reason;
use serde_json::json;

use super::{Explanation, Line};
use crate::decode;

impl Explanation {
    /// Whether anything of the payload could be used.
    #[must_use]
    pub fn is_read(&self) -> bool {
        !self.readings.is_empty() || self.online.is_some()
    }

    fn time(&self, line: &Line) -> String {
        match line.time {
            Some(time) if self.time_from.is_empty() => decode::written(time),
            Some(time) => format!("{} ({})", decode::written(time), self.time_from),
            None => "arrival".into(),
        }
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows = vec![
            ["device", "quantity", "channel", "value", "stored as", "time (from)", "flags"]
                .map(str::to_owned),
        ];
        rows.extend(self.readings.iter().map(|line| {
            [
                line.series.device().to_owned(),
                line.series.quantity().to_owned(),
                line.series.channel().unwrap_or("–").to_owned(),
                format!("{} {}", line.value, line.unit),
                format!("{} {}", line.stored, line.stored_unit),
                self.time(line),
                line.flags.names().collect::<Vec<_>>().join(" "),
            ]
        }));
        let mut text = String::new();
        if rows.len() > 1 {
            let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            let widths: Vec<usize> = (0..7).map(width).collect();
            for row in &rows {
                let cells: Vec<String> =
                    row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
                let _ = writeln!(text, "{}", cells.join("  ").trim_end());
            }
        }
        if let Some((device, online)) = &self.online {
            let _ = writeln!(text, "{device} is {}", if *online { "online" } else { "offline" });
        }
        for request in &self.requests {
            let _ = writeln!(text, "would publish on {request}");
        }
        if !self.ignored.is_empty() {
            let _ = writeln!(text, "passed over: {}", self.ignored.join(", "));
        }
        for refusal in &self.refusals {
            let _ = writeln!(text, "refused: {}: {}", refusal.reason.name(), refusal.detail);
            let _ = writeln!(text, "  mend: {}", mend(refusal.reason));
        }
        if text.is_empty() {
            text.push_str("nothing: the message is known and holds no reading\n");
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> String {
        let readings: Vec<_> = self
            .readings
            .iter()
            .map(|line| {
                json!({
                    "series": line.series.as_str(),
                    "device": line.series.device(),
                    "quantity": line.series.quantity(),
                    "channel": line.series.channel(),
                    "time": line.time.map(decode::written),
                    "time_from": if line.time.is_none() { "arrival" } else { self.time_from },
                    "value": line.value,
                    "unit": line.unit,
                    "stored_value": line.stored,
                    "stored_unit": line.stored_unit,
                    "flags": line.flags.names().collect::<Vec<_>>(),
                })
            })
            .collect();
        let refusals: Vec<_> = self
            .refusals
            .iter()
            .map(|refusal| {
                json!({"reason": refusal.reason.name(), "detail": refusal.detail, "mend": mend(refusal.reason)})
            })
            .collect();
        let online = self.online.as_ref().map(|(device, online)| json!({"device": device, "online": online}));
        let all = json!({
            "readings": readings,
            "refused": refusals,
            "passed_over": self.ignored,
            "online": online,
            "would_publish": self.requests,
        });
        format!("{all:#}\n")
    }
}

/// What helps against each reason, beside what its detail says.
fn mend(reason: Reason) -> &'static str {
    match reason {
        Reason::BadPayload => "compare the payload with the rule's format and mend the one or the other",
        Reason::BadName => {
            "names have letters, digits and - . _ : and begin with a letter or digit; a device has 64 at most"
        }
        Reason::UnknownQuantity => "say by [decode.fields] which quantity it is, or \"-\" to leave it out",
        Reason::UnknownUnit => "send a unit that is known, or say it by the rule",
        Reason::NotFinite => "the device must send a number, or nothing at all",
        Reason::TooLarge => "send it in several messages",
        Reason::UnknownTopic => "add a [[decode]] rule whose filter matches the topic",
        _ => "see the detail",
    }
}
