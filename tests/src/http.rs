//! A plain HTTP client: every answer is returned, none is an error because of its status.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::time::Duration;

/// Bodies larger than this are a bug of the server.
const LIMIT: u64 = 256 << 20;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON; panics with the body if it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.body))
    }
}

fn agent(timeout: Option<Duration>) -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(timeout).http_status_as_error(false).build().into()
}

/// GET; `Err` only when there is no answer.
pub fn try_get(address: SocketAddr, path: &str) -> Result<Answer, ureq::Error> {
    let mut response = agent(Some(Duration::from_secs(30))).get(format!("http://{address}{path}")).call()?;
    let header = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = header.unwrap_or_default().to_owned();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(LIMIT).read_to_string()?;
    Ok(Answer { status, content_type, body })
}

/// GET; panics when there is no answer.
#[track_caller]
#[must_use]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    try_get(address, path).unwrap_or_else(|error| panic!("GET http://{address}{path}: {error}"))
}

/// GET that must be 200 and JSON.
#[track_caller]
#[must_use]
pub fn get_json(address: SocketAddr, path: &str) -> Value {
    let answer = get(address, path);
    assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
    answer.json()
}

/// All items of a list that is paged by cursor.
#[track_caller]
#[must_use]
pub fn get_items(address: SocketAddr, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = match &cursor {
            Some(cursor) => get_json(address, &format!("{path}{separator}cursor={}", encode(cursor))),
            None => get_json(address, path),
        };
        let found = page["items"].as_array().unwrap_or_else(|| panic!("GET {path}: no items in {page}"));
        items.extend(found.iter().cloned());
        cursor = match &page["next"] {
            Value::Null => return items,
            Value::String(next) => Some(next.clone()),
            other => Some(other.to_string()),
        };
    }
}

/// Percent-encodes a query value.
#[must_use]
pub fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A server-sent event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub data: String,
}

/// An open event stream.
pub struct Events {
    lines: Box<dyn BufRead + Send>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// Opens the stream at `path`; a read that takes longer than `timeout` in all ends it.
    #[must_use]
    pub fn open(address: SocketAddr, path: &str, timeout: Duration) -> Self {
        let request = agent(Some(timeout)).get(format!("http://{address}{path}"));
        let response = request.header("accept", "text/event-stream").call().expect("the stream opens");
        assert_eq!(response.status().as_u16(), 200, "the stream opens");
        Self { lines: Box::new(BufReader::new(response.into_body().into_reader())) }
    }

    /// The next event, or `None` at the end of the stream (or its time).
    pub fn next_event(&mut self) -> Option<Event> {
        let mut event = Event::default();
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let text = line.trim_end_matches(['\r', '\n']);
            if let Some(name) = text.strip_prefix("event:") {
                event.name = name.trim().to_owned();
            } else if let Some(data) = text.strip_prefix("data:") {
                if !event.data.is_empty() {
                    event.data.push('\n');
                }
                event.data.push_str(data.trim_start());
            } else if text.is_empty() && event != Event::default() {
                return Some(event);
            }
        }
    }
}
