//! Where the database is and how it is spoken to: one HTTP client for writing (through influxdb2) and reading.
//!
//! What always holds: no answer is read beyond a bound, no request waits for ever, and the token is in no text.

use std::time::Duration;

use pantau_settings::Secret;
use reqwest::{ClientBuilder, Url, header, redirect::Policy};

use super::trust;
use super::writer::{clipped, reason};

/// What one request may take: a body that a busy server swallows slowly needs seconds.
const REQUEST: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(3);
/// Bytes of one line of an answer at most, and of the words of an error.
const MOST_LINE: usize = 8 << 20;

/// Whose database it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// InfluxDB 2 or later: what it has answered 204 for is kept and readable.
    #[default]
    Influx,
    /// VictoriaMetrics: it answers before it writes to its disk, so an ack waits for so long, and what had not settled when
    /// it was restarted is sent again.
    Victoria {
        /// How long until what it has taken is kept.
        settle: Duration,
    },
}

/// The address of a server, as configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// `http://host:port` or `https://host:port`
    pub url: String,
    /// InfluxDB's organization, by name or id; may be empty where there are none.
    pub org: String,
    /// Where readings are written.
    pub bucket: String,
    /// What the bucket is called on `/query`.
    pub database: String,
    /// API token; may be empty where none is asked for.
    pub token: Secret,
    /// Certificates in PEM of those who may have signed the server's; empty: those that this machine trusts.
    pub ca: Vec<u8>,
    /// Whose database it is.
    pub kind: Kind,
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The server said no: its status and words.
    #[error("{0}: {1}")]
    Status(u16, String),
    #[error("{0}")]
    Transport(String),
    #[error("an answer of more than {0} bytes")]
    TooLarge(usize),
    #[error("an answer that is not understood: {0}")]
    Odd(String),
}

/// Reads from a server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Secret,
}

/// Checks an address: scheme, host, port, no path.
///
/// # Errors
/// What is wrong with it, and its mend.
pub(crate) fn address(url: &str) -> Result<Url, (String, &'static str)> {
    const MEND: &str = "write for example \"http://127.0.0.1:8086\"";
    let parsed = Url::parse(url).map_err(|error| (format!("{url:?} is no address: {error}"), MEND))?;
    match parsed.scheme() {
        "https" if !trust::TLS => {
            let mend = "use pantau-ingest, or build pantau with --features influxdb-tls";
            return Err((
                format!("{url:?} needs TLS, and this program was built without TLS to databases"),
                mend,
            ));
        }
        "http" | "https" if parsed.host().is_some() => {}
        _ => return Err((format!("{url:?} is no http address"), MEND)),
    }
    if parsed.path() != "/" || parsed.query().is_some() || !parsed.username().is_empty() {
        return Err((format!("{url:?} has more than scheme, host and port"), MEND));
    }
    Ok(parsed)
}

impl Server {
    fn client(&self) -> Result<ClientBuilder, String> {
        // The database is named by its own address: a proxy of the environment is for other traffic, and what leads
        // elsewhere would take the token along.
        let client = ClientBuilder::new().no_proxy().redirect(Policy::none());
        let client = client.timeout(REQUEST).connect_timeout(CONNECT);
        trust::trusting(client, self.url.starts_with("https:"), &self.ca)
    }

    /// The client of the write side.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn writing(&self) -> Result<influxdb2::Client, String> {
        // Checked first: the builder panics on an address that cannot be read.
        address(&self.url).map_err(|(what, _)| what)?;
        influxdb2::ClientBuilder::with_builder(self.client()?, &self.url, &self.org, self.token.reveal())
            .build()
            .map_err(|error| error.to_string())
    }

    /// The client of the read side.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn reading(&self) -> Result<Client, String> {
        let base = address(&self.url).map_err(|(what, _)| what)?;
        let http = self.client()?.build().map_err(|error| reason(&error))?;
        Ok(Client { http, base, token: self.token.clone() })
    }
}

impl Client {
    /// The body of an answer with a status of success, of `most` bytes at most.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        most: usize,
    ) -> Result<Vec<u8>, Fault> {
        let mut response = self.ask(path, query).await?;
        whole(&mut response, most).await
    }

    /// Hands over the lines of an answer one by one, until `take` has enough.
    pub(crate) async fn get_lines(
        &self,
        path: &str,
        query: &[(&str, &str)],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Fault> {
        let mut response = self.ask(path, query).await?;
        let mut rest: Vec<u8> = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            let searched = rest.len();
            rest.extend_from_slice(&chunk);
            let mut start = 0;
            while let Some(end) = rest[start.max(searched)..].iter().position(|byte| *byte == b'\n') {
                let end = start.max(searched) + end;
                if !take(&rest[start..end]) {
                    return Ok(());
                }
                start = end + 1;
            }
            rest.drain(..start);
            if rest.len() > MOST_LINE {
                return Err(Fault::TooLarge(MOST_LINE));
            }
        }
        if !rest.is_empty() {
            take(&rest);
        }
        Ok(())
    }

    /// The answer, when its status is one of success.
    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<reqwest::Response, Fault> {
        let mut url = self.base.clone();
        url.set_path(path);
        let mut request = self.http.get(url).query(query).header(header::ACCEPT, "application/json");
        if !self.token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Token {}", self.token.reveal()));
        }
        let mut response = request.send().await.map_err(transport)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = whole(&mut response, MOST_LINE).await?;
        Err(Fault::Status(status.as_u16(), clipped(&String::from_utf8_lossy(&said))))
    }
}

async fn whole(response: &mut reqwest::Response, most: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > most {
            return Err(Fault::TooLarge(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn transport(error: reqwest::Error) -> Fault {
    Fault::Transport(reason(&error.without_url()))
}
