//! From the first byte to CONNACK: version, limits, authentication, session.
//!
//! Always holds: nothing larger than [`MAX_CONNECT`] is kept for a client that is not authenticated, and its
//! first packet has to be there within the connect timeout. Refusals carry the code of the client's version.
//! A will is kept for the end of the connection.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rmqtt_codec::{MqttPacket, v3, v5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::auth::{Login, Verdict};
use super::connection::Context;
use super::door::Door;
use super::hub::Ask;
use super::packets::{Connect, Will};
use super::session::{RECEIVE_MAX, Session};
use super::sessions::{Grant, Refusal, Request};
use super::strict::Violation;
use super::wire::{self, First, Version, Wire};
use crate::intake::types::{Intake, Rights};

/// Bytes of a CONNECT packet at most.
const MAX_CONNECT: usize = 64 * 1024;
/// Bytes of a client identifier at most.
const MAX_CLIENT_ID: usize = 256;
/// How long a new connection waits for the old one of the same client to end.
const TAKEOVER: Duration = Duration::from_secs(10);
/// How long a wrong password is kept waiting for its answer.
const PENALTY: Duration = Duration::from_secs(1);
/// How long a refusal may take to be written.
const REFUSAL: Duration = Duration::from_secs(1);

/// CONNACK codes of the two versions.
type Codes = (v3::ConnectAckReason, v5::ConnectAckReason);

const WRONG_PASSWORD: Codes =
    (v3::ConnectAckReason::BadUserNameOrPassword, v5::ConnectAckReason::BadUserNameOrPassword);
const NOT_AUTHORIZED: Codes = (v3::ConnectAckReason::NotAuthorized, v5::ConnectAckReason::NotAuthorized);
const BAD_CLIENT_ID: Codes =
    (v3::ConnectAckReason::IdentifierRejected, v5::ConnectAckReason::ClientIdentifierNotValid);
const BAD_METHOD: Codes =
    (v3::ConnectAckReason::NotAuthorized, v5::ConnectAckReason::BadAuthenticationMethod);
const UNAVAILABLE: Codes =
    (v3::ConnectAckReason::ServiceUnavailable, v5::ConnectAckReason::ServerUnavailable);
const BUSY: Codes = (v3::ConnectAckReason::ServiceUnavailable, v5::ConnectAckReason::ServerBusy);

/// A client that was accepted; its CONNACK stands in the session's buffer.
pub(crate) struct Opened {
    pub(crate) session: Session,
    pub(crate) keep_alive: Duration,
    pub(crate) will: Option<Will>,
}

/// A client that may come in.
pub(crate) struct Admitted {
    pub(crate) wire: Wire,
    pub(crate) connect: Connect,
    pub(crate) login: Login,
    /// What it may say; without any, everything.
    pub(crate) rights: Option<Arc<Rights>>,
}

/// What came of the first packet.
pub(crate) enum Greeted {
    Connect(Box<Admitted>),
    Closed,
}

/// Reads CONNECT and checks who it is, with the names in its certificate if it has shown one. May be dropped at any time.
pub(crate) async fn greet<I: Intake>(
    context: &Context<I>,
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    buffer: &mut BytesMut,
    peer: SocketAddr,
    certificate: Option<&[String]>,
    door: &Door,
) -> Greeted {
    let limits = &context.config;
    let first = timeout(limits.connect_timeout, read_first(io, buffer, limits.max_packet_bytes)).await;
    let (mut wire, connect) = match first {
        Err(_) => {
            context.stats.timed_out.add(1);
            return Greeted::Closed;
        }
        Ok(None) => return Greeted::Closed,
        Ok(Some(Err((version, violation)))) => {
            context.stats.violations.add(1);
            tracing::debug!(%peer, detail = violation.detail, "not a CONNECT");
            if version == Some(Version::V5) {
                write(io, &[0x20, 3, 0, u8::from(violation.reason), 0]).await;
            }
            return Greeted::Closed;
        }
        Ok(Some(Ok(First::Unsupported(level)))) => {
            context.stats.refused.add(1);
            tracing::debug!(%peer, level, "MQTT version not supported");
            write(io, wire::unsupported(level)).await;
            return Greeted::Closed;
        }
        Ok(Some(Ok(First::Connect(connect)))) => *connect,
    };
    let allowed = if connect.auth_method {
        Err(BAD_METHOD)
    } else {
        match door.auth.check(certificate, connect.user.as_deref(), connect.password.as_deref()).await {
            Verdict::Allowed(login, rights) => Ok((login, rights)),
            Verdict::Unknown => Err(NOT_AUTHORIZED),
            Verdict::WrongPassword => {
                sleep(PENALTY).await;
                Err(WRONG_PASSWORD)
            }
        }
    };
    let allowed = allowed.and_then(|login| valid_client_id(&connect).then_some(login).ok_or(BAD_CLIENT_ID));
    let (login, rights) = match allowed {
        Ok(rights) => rights,
        Err(codes) => {
            tracing::info!(%peer, client = %connect.client.escape_debug(), reason = codes.1.reason(), "refused");
            context.stats.refused.add(1);
            refuse(io, &mut wire, codes).await;
            return Greeted::Closed;
        }
    };
    Greeted::Connect(Box::new(Admitted { wire, connect, login, rights }))
}

async fn read_first(
    io: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    max_packet: usize,
) -> Option<Result<First, (Option<Version>, Violation)>> {
    loop {
        match wire::first(buffer, MAX_CONNECT, max_packet) {
            Ok(Some(first)) => return Some(Ok(first)),
            Ok(None) => {}
            Err(error) => return Some(Err(error)),
        }
        if !matches!(io.read_buf(buffer).await, Ok(1..)) {
            return None;
        }
    }
}

/// Gets the session. Not to be dropped: a session may be on its way here.
pub(crate) async fn open<I: Intake>(
    context: &Context<I>,
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    connection: u64,
    mut wire: Wire,
    mut connect: Connect,
) -> Option<Opened> {
    let assigned = connect.client.is_empty();
    if assigned {
        connect.client = format!("auto-{:016x}", rand::random::<u64>());
    }
    let asked_s = connect.expiry_s;
    let expiry_s = asked_s.min(context.config.max_session_expiry_s);
    let (reply, mut answer) = oneshot::channel();
    let request = Request { client: connect.client.clone(), clean: connect.clean, expiry_s };
    context.asks.send(Ask::Connect { connection, request, reply }).await.ok()?;
    let granted = match timeout(TAKEOVER, &mut answer).await {
        Ok(Ok(granted)) => granted,
        Ok(Err(_)) => Err(Refusal::Stopping),
        Err(_) => {
            answer.close();
            answer.try_recv().unwrap_or(Err(Refusal::Displaced))
        }
    };
    let Grant { kept, present } = match granted {
        Ok(grant) => grant,
        Err(refusal) => {
            let codes = match refusal {
                Refusal::Busy => BUSY,
                Refusal::Displaced | Refusal::Stopping => UNAVAILABLE,
            };
            context.stats.refused.add(1);
            refuse(io, &mut wire, codes).await;
            return None;
        }
    };
    context.stats.accepted.add(1);
    let packet = match wire.version {
        Version::V3 => MqttPacket::V3(v3::Packet::ConnectAck(v3::ConnectAck {
            return_code: v3::ConnectAckReason::ConnectionAccepted,
            session_present: present,
        })),
        Version::V5 => MqttPacket::V5(v5::Packet::ConnectAck(Box::new(v5::ConnectAck {
            session_present: present,
            session_expiry_interval_secs: (expiry_s != asked_s).then_some(expiry_s),
            receive_max: NonZeroU16::new(RECEIVE_MAX).unwrap_or(NonZeroU16::MAX),
            max_packet_size: u32::try_from(context.config.max_packet_bytes).ok(),
            assigned_client_id: assigned.then(|| connect.client.as_str().into()),
            subscription_identifiers_available: false,
            shared_subscription_available: false,
            ..v5::ConnectAck::default()
        }))),
    };
    let keep_alive = Duration::from_secs(u64::from(connect.keep_alive_s)) * 3 / 2;
    let mut session = Session::begin(kept, wire, connect.receive_max);
    let Session { wire, out, .. } = &mut session;
    wire.encode(packet, out);
    session.resume();
    Some(Opened { session, keep_alive, will: connect.will })
}

/// 3.1.1 demands a clean session of a client without an identifier; 5.0 assigns one.
fn valid_client_id(connect: &Connect) -> bool {
    connect.client.len() <= MAX_CLIENT_ID && !connect.client.chars().any(char::is_control)
}

async fn refuse(io: &mut (impl AsyncWrite + Unpin), wire: &mut Wire, codes: Codes) {
    let mut out = BytesMut::new();
    match wire.version {
        Version::V3 => out.put_slice(&[0x20, 2, 0, u8::from(codes.0)]),
        Version::V5 => out.put_slice(&[0x20, 3, 0, u8::from(codes.1), 0]),
    }
    write(io, &out).await;
}

async fn write(io: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    let written = async {
        io.write_all(bytes).await?;
        io.shutdown().await
    };
    // The client is turned away; whether it hears why is its own affair.
    let _ = timeout(REFUSAL, written).await;
}
