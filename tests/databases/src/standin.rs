//! A strict stand-in for the v2 API of InfluxDB in front of a real influxd 1.6.7: it checks token, organization, bucket and
//! precision as the v2 API does, posts every body to the real `/write`, and says 204 only when that has taken it. `/query`
//! is the real one. Beyond that it fails when it is told to.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Query, RawQuery, Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use tokio::runtime::{Builder, Runtime};

use crate::{influxd::DATABASE, ports, tls};

/// May write and read.
pub const TOKEN: &str = "a token that may write";
/// The one organization.
pub const ORG: &str = "kota";
/// The bucket that is there from the start.
pub const BUCKET: &str = "readings";

/// What happens to one request to write, instead of the usual.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Answered so, without being looked at.
    Status(u16),
    /// Taken after this time.
    Slow(Duration),
    /// The connection ends amid the body.
    Cut,
    /// Taken, but the connection ends before the answer.
    TakenAndCut,
}

/// What the stand-in is told, and what it tells.
#[derive(Debug, Default)]
pub struct Told {
    /// Before anything else is looked at, one a request.
    pub faults: VecDeque<Fault>,
    /// Bytes of a body at most.
    pub most: Option<usize>,
    /// A body with this text in it is refused as a whole with this status.
    pub poison: Option<(u16, String)>,
    /// Said to every body.
    pub always: Option<u16>,
    /// Buckets that are there.
    pub buckets: Vec<String>,
    /// How long they keep points; 0: for ever.
    pub retention_seconds: i64,
    /// Requests to write that came.
    pub requests: usize,
    /// Bodies that were answered with 204.
    pub taken: usize,
}

/// A running stand-in. Its connections end with it, as those of a killed server do.
#[derive(Debug)]
pub struct Standin {
    /// Where it listens.
    pub address: SocketAddr,
    told: Arc<Mutex<Told>>,
    influxd: SocketAddr,
    /// Speaks TLS only.
    tls: bool,
    runtime: Option<Runtime>,
}

#[derive(Clone)]
struct Shared {
    told: Arc<Mutex<Told>>,
    influxd: SocketAddr,
    http: reqwest::Client,
}

impl Standin {
    /// Before an influxd, on a runtime of its own.
    #[must_use]
    pub fn start(influxd: SocketAddr) -> Self {
        Self::with(influxd, false)
    }

    /// The same, with TLS and the certificate that [`tls::CA`] has signed for its address.
    #[must_use]
    pub fn start_tls(influxd: SocketAddr) -> Self {
        Self::with(influxd, true)
    }

    fn with(influxd: SocketAddr, tls: bool) -> Self {
        let told = Told { buckets: vec![BUCKET.to_owned()], ..Told::default() };
        let told = Arc::new(Mutex::new(told));
        let mut standin = Self { address: ports::free(), told, influxd, tls, runtime: None };
        standin.restart();
        standin
    }

    /// Serves again, on the same port.
    pub fn restart(&mut self) {
        let http = reqwest::ClientBuilder::new().no_proxy().build().unwrap();
        let shared = Shared { told: self.told.clone(), influxd: self.influxd, http };
        let router = Router::new()
            .route("/ping", get(|| async { StatusCode::NO_CONTENT }))
            .route("/api/v2/write", post(write))
            .route("/api/v2/buckets", get(buckets).post(make_bucket))
            .route("/api/v2/orgs", get(orgs))
            .route("/query", get(query))
            .with_state(shared);
        let listener = std::net::TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let tls = self.tls;
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            if tls {
                axum::serve(tls::Listener::on(listener), router).await
            } else {
                axum::serve(listener, router).await
            }
        });
        self.runtime = Some(runtime);
    }

    /// Ends at once, whatever is under way; nobody listens on its port then.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
            // Its threads end on their own; until then the port is taken.
            while std::net::TcpStream::connect(self.address).is_ok() {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Its address as a client writes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// Tells it something, or asks.
    pub fn tell<T>(&self, change: impl FnOnce(&mut Told) -> T) -> T {
        change(&mut self.told.lock().unwrap())
    }

    /// What happens to the next requests to write.
    pub fn fail(&self, faults: &[Fault]) {
        self.tell(|told| told.faults = faults.iter().copied().collect());
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    fn tell<T>(&self, change: impl FnOnce(&mut Told) -> T) -> T {
        change(&mut self.told.lock().unwrap())
    }
}

type Params = Query<HashMap<String, String>>;

fn no(status: u16, code: &str, message: &str) -> Response {
    let body = serde_json::json!({ "code": code, "message": message }).to_string();
    let mut answer = (StatusCode::from_u16(status).unwrap(), body).into_response();
    if (300..400).contains(&status) {
        // To where it would be taken.
        let there = format!("/api/v2/write?org={ORG}&bucket={BUCKET}&precision=ms");
        answer.headers_mut().insert("location", there.parse().unwrap());
    }
    answer
}

/// The connection ends before the answer is whole. Never 204: its line alone would be the whole answer.
fn cut() -> Response {
    let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
    Response::builder().status(200).header("content-length", "9").body(Body::from_stream(broken)).unwrap()
}

fn authorized(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|given| given == &format!("Token {TOKEN}"))
}

async fn write(State(standin): State<Shared>, Query(params): Params, request: Request) -> Response {
    let (fault, most, poison, always) = standin.tell(|told| {
        told.requests += 1;
        (told.faults.pop_front(), told.most, told.poison.clone(), told.always)
    });
    let (parts, body) = request.into_parts();
    match fault {
        Some(Fault::Status(status)) => return no(status, "told so", "told so"),
        Some(Fault::Cut) => {
            let _ = body.into_data_stream().next().await;
            return cut();
        }
        Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
        Some(Fault::TakenAndCut) | None => {}
    }
    let Ok(body) = axum::body::to_bytes(body, 64 << 20).await else { return cut() };
    let given = |key: &str| params.get(key).map(String::as_str).unwrap_or_default();
    if !authorized(&parts.headers) {
        return no(401, "unauthorized", "unauthorized access");
    }
    if given("org") != ORG {
        return no(404, "not found", "organization name not found");
    }
    if !standin.tell(|told| told.buckets.iter().any(|bucket| bucket == given("bucket"))) {
        return no(404, "not found", "bucket not found");
    }
    if given("precision") != "ms" || parts.headers.contains_key("content-encoding") {
        return no(400, "invalid", "invalid precision or encoding");
    }
    if let Some(status) = always {
        return no(status, "always", "always");
    }
    if most.is_some_and(|most| body.len() > most) {
        return no(413, "request too large", "points batch is too large");
    }
    if body.is_empty() {
        return no(400, "invalid", "unable to parse");
    }
    if let Some((status, poison)) = poison
        && String::from_utf8_lossy(&body).contains(&poison)
    {
        return no(status, "unprocessable", "a line that is not wanted");
    }
    let url = format!("http://{}/write?db={DATABASE}&precision=ms", standin.influxd);
    let answer = match standin.http.post(url).body(body).send().await {
        Ok(answer) => answer,
        Err(_) => return cut(),
    };
    match (answer.status().as_u16(), fault) {
        (204, Some(Fault::TakenAndCut)) => cut(),
        (204, _) => {
            standin.tell(|told| told.taken += 1);
            StatusCode::NO_CONTENT.into_response()
        }
        (status, _) => no(status, "invalid", &answer.text().await.unwrap_or_default()),
    }
}

async fn query(
    State(standin): State<Shared>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Infallible> {
    if !authorized(&headers) {
        return Ok(no(401, "unauthorized", "unauthorized access"));
    }
    let url = format!("http://{}/query?{}", standin.influxd, query.unwrap_or_default());
    Ok(match standin.http.get(url).send().await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
            (status, answer.bytes().await.unwrap_or_default()).into_response()
        }
        Err(_) => cut(),
    })
}

async fn buckets(State(standin): State<Shared>, headers: HeaderMap, Query(params): Params) -> Response {
    if !authorized(&headers) {
        return no(401, "unauthorized", "unauthorized access");
    }
    if params.get("org").is_some_and(|org| org != ORG) {
        return no(404, "not found", "organization name not found");
    }
    standin.tell(|told| {
        let rules = match told.retention_seconds {
            0 => serde_json::json!([]),
            seconds => serde_json::json!([{ "type": "expire", "everySeconds": seconds }]),
        };
        let wanted = params.get("name");
        let found: Vec<_> = told
            .buckets
            .iter()
            .filter(|name| wanted.is_none_or(|wanted| wanted == *name))
            .map(|name| serde_json::json!({ "id": "0a", "orgID": "0b", "name": name, "retentionRules": rules }))
            .collect();
        serde_json::json!({ "buckets": found }).to_string().into_response()
    })
}

async fn make_bucket(State(standin): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
    if !authorized(&headers) || asked["orgID"] != "0b" {
        return no(401, "unauthorized", "unauthorized access");
    }
    standin.tell(|told| told.buckets.push(asked["name"].as_str().unwrap().to_owned()));
    (StatusCode::CREATED, asked.to_string()).into_response()
}

async fn orgs(headers: HeaderMap) -> Response {
    if !authorized(&headers) {
        return no(401, "unauthorized", "unauthorized access");
    }
    serde_json::json!({ "orgs": [{ "id": "0b", "name": ORG }] }).to_string().into_response()
}
