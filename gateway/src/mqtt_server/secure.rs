//! TLS in front of a connection: the handshake, and whom the client's certificate names.
//!
//! Always: handshakes take at most half of the listener's connections, so that who only begins them keeps nobody out who is
//! in; a client that does not finish in time is closed. A certificate that was loaded anew counts from the next handshake on
//! and ends no connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::Context;
use crate::tls;

/// How long a handshake may take: a device behind 3G needs some seconds for it.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// A connection that is encrypted.
pub(crate) struct Secured {
    pub(crate) io: TlsStream<TcpStream>,
    /// The names in the client's certificate; `None` if it showed none.
    pub(crate) certificate: Option<Vec<String>>,
}

/// `None` where nothing came of it; the socket is closed then.
pub(crate) async fn accept<I>(context: &Context<I>, socket: TcpStream, peer: SocketAddr) -> Option<Secured> {
    let config = context.door.borrow().tls.clone()?;
    let Ok(_permit) = context.handshakes.try_acquire() else {
        context.stats.turned_away.add(1);
        return None;
    };
    match timeout(HANDSHAKE, TlsAcceptor::from(config).accept(socket)).await {
        Ok(Ok(io)) => {
            let shown = io.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            let certificate = shown.map(|certificate| tls::names(certificate));
            Some(Secured { io, certificate })
        }
        Ok(Err(error)) => {
            context.stats.tls_failed.add(1);
            let why = tls::failure(&error).unwrap_or_else(|| error.to_string());
            tracing::info!(%peer, "no TLS with a client: {why}");
            None
        }
        Err(_) => {
            context.stats.timed_out.add(1);
            None
        }
    }
}
