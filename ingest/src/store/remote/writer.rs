//! Sends lines to a server's v2 write API and sorts out what comes of it.
//!
//! | answer | what is done |
//! |---|---|
//! | 204 | taken |
//! | 429, 408, 5xx, no answer | the same body again, later; gateways wait meanwhile |
//! | 413 | the body in two halves |
//! | 400, 422 | the body in two halves, down to the line that is at fault: that reading is refused |
//! | 401, 403, 404, anything else | nothing more is sent: somebody must mend it |
//!
//! What always holds: lines count as taken only after a 204 for a body that has them. A line is refused only when the
//! server takes another one: a server that takes nothing is at fault itself. Where a reading may repeat an earlier one
//! of the same call, bodies go one after the other, so that the later one stands.

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use influxdb2::{RequestError, api::write::TimestampPrecision};
use pantau_proto::v1::Reason;
use std::{collections::VecDeque, ops::Range, time::Duration};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::line::{Lines, Refusal};

/// Bounds of the writer.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Lines of one body at most.
    pub(crate) lines: usize,
    /// Bytes of one body, about.
    pub(crate) bytes: usize,
    /// Bodies on their way at the same time.
    pub(crate) in_flight: usize,
    /// How long nothing at all may be taken before the gateways are told to send again. Below the 60 s for which they
    /// wait for an ack.
    pub(crate) patience: Duration,
    /// The same once ingest stops.
    pub(crate) last_patience: Duration,
    /// First wait before a body is sent again; doubled each time.
    pub(crate) backoff: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            lines: 10_000,
            bytes: 1 << 20,
            in_flight: 4,
            patience: Duration::from_secs(12),
            last_patience: Duration::from_secs(2),
            backoff: Duration::from_millis(100),
        }
    }
}

/// Longest wait before a body is sent again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(4);
/// Characters of a server's answer that are shown.
const SHOWN: usize = 300;

/// What a server said to a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Taken,
    /// Some line of it is at fault.
    Bad(String),
    TooLarge,
    Later(String),
    Stop(String),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) client: influxdb2::Client,
    pub(crate) bucket: String,
    pub(crate) bounds: Bounds,
    pub(crate) alarm: Alarm,
    pub(crate) stop: CancellationToken,
}

impl Writer {
    /// Returns when every line is taken or refused. `now` is the time of a line that is sent to try the server.
    ///
    /// # Errors
    /// Why not all of them are; some may be. To be said to the gateways, which send all of it again.
    pub(crate) async fn write(&self, lines: &Lines, now: i64) -> Result<Vec<Refusal>, String> {
        let mut waiting: VecDeque<Range<usize>> = lines.bodies(self.bounds.lines, self.bounds.bytes).into();
        let mut flying = FuturesUnordered::new();
        let mut refused = Vec::new();
        let mut proven = false;
        while !waiting.is_empty() || !flying.is_empty() {
            // While something is wrong one body tries it for all.
            let most = if lines.rising && self.alarm.shown().is_none() { self.bounds.in_flight } else { 1 };
            while flying.len() < most
                && let Some(body) = waiting.pop_front()
            {
                flying.push(self.send(lines, body));
            }
            let answered = tokio::select! {
                answered = flying.next() => answered,
                () = self.patience() => return Err(self.gives_up()),
            };
            let Some((body, answer)) = answered else { break };
            match answer {
                Answer::Taken => {
                    proven = true;
                    self.alarm.clear();
                }
                Answer::TooLarge | Answer::Bad(_) if body.len() > 1 => {
                    let middle = body.start + body.len() / 2;
                    waiting.push_front(middle..body.end);
                    waiting.push_front(body.start..middle);
                }
                Answer::TooLarge => {
                    refused.extend(refusal(lines, &body, Reason::TooLarge, "it is too large"))
                }
                Answer::Bad(why) => {
                    if !proven {
                        self.probe(now).await.map_err(|why| self.stops(&why))?;
                        proven = true;
                    }
                    refused.extend(refusal(lines, &body, Reason::BadPayload, &why));
                }
                Answer::Later(why) | Answer::Stop(why) => return Err(self.stops(&why)),
            }
        }
        Ok(refused)
    }

    /// Sends a body until there is an answer that another try would not change.
    async fn send(&self, lines: &Lines, body: Range<usize>) -> (Range<usize>, Answer) {
        let mut pause = self.bounds.backoff;
        loop {
            match self.post(lines.text(&body)).await {
                Answer::Later(why) => self.alarm.raise(&why),
                answer => return (body, answer),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_BACKOFF);
        }
    }

    /// One try.
    pub(crate) async fn post(&self, body: Bytes) -> Answer {
        let (org, precision) = (self.client.org.as_str(), TimestampPrecision::Milliseconds);
        let written =
            self.client.write_line_protocol_with_precision(org, &self.bucket, body, precision).await;
        class(written)
    }

    /// Whether the server takes a line that is right beyond doubt.
    async fn probe(&self, now: i64) -> Result<(), String> {
        match self.post(probe_line(now)).await {
            Answer::Taken => Ok(()),
            Answer::TooLarge => Err("413 for a single line".to_owned()),
            Answer::Bad(why) | Answer::Later(why) | Answer::Stop(why) => Err(why),
        }
    }

    pub(crate) async fn patience(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.bounds.patience) => {}
            () = async {
                self.stop.cancelled().await;
                // Once it was in vain, nothing that waits behind it is tried any more.
                let patience = if self.alarm.shown().is_some() { Duration::ZERO } else { self.bounds.last_patience };
                tokio::time::sleep(patience).await;
            } => {}
        }
    }

    pub(crate) fn gives_up(&self) -> String {
        let silent = || format!("nothing was taken for {:?}", self.bounds.patience);
        let why = self.alarm.shown().unwrap_or_else(silent);
        self.alarm.raise(&why);
        why
    }

    fn stops(&self, why: &str) -> String {
        self.alarm.raise(why);
        why.to_owned()
    }
}

/// The line that [`Writer::write`] and `check` try a server with.
pub(crate) fn probe_line(now: i64) -> Bytes {
    format!("pantau_probe,device=pantau value=1.0 {now}\n").into()
}

fn refusal(lines: &Lines, body: &Range<usize>, reason: Reason, why: &str) -> Option<Refusal> {
    let place = lines.place(body.start)?;
    Some(Refusal { place, reason, detail: format!("the database refused it: {why}") })
}

fn class(written: Result<(), RequestError>) -> Answer {
    match written {
        Ok(()) => Answer::Taken,
        Err(RequestError::Http { status, text }) => {
            let said = format!("{}: {}", status.as_u16(), clipped(&text));
            match status.as_u16() {
                400 | 422 => Answer::Bad(said),
                413 => Answer::TooLarge,
                408 | 429 | 500..=599 => Answer::Later(said),
                401 => Answer::Stop(format!("{said}; mend store.token")),
                403 => Answer::Stop(format!("{said}; the token must be allowed to write the bucket")),
                404 => Answer::Stop(format!("{said}; mend store.url, store.org or store.bucket")),
                _ => Answer::Stop(format!("{said}; store.url does not lead to a v2 write API")),
            }
        }
        Err(RequestError::ReqwestProcessing { source }) => Answer::Later(reason(&source)),
        Err(other) => Answer::Later(other.to_string()),
    }
}

/// A client's error with its causes; its own text names only the address.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        // Some of them repeat what they stand on.
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        source = cause.source();
    }
    said
}

/// The beginning of what a server said, on one line.
pub(crate) fn clipped(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    line.trim().to_owned()
}
