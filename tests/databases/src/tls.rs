//! TLS for the stand-in, with certificates that only tests know: see `certificates/README.md`.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls_024::{
    TlsAcceptor,
    rustls::{Certificate, PrivateKey, ServerConfig},
    server::TlsStream,
};

/// Who has signed the stand-in's certificate.
pub const CA: &[u8] = include_bytes!("../certificates/ca.pem");
/// Who has not.
pub const OTHER_CA: &[u8] = include_bytes!("../certificates/other.pem");

const SERVER: &[u8] = include_bytes!("../certificates/server.pem");
const KEY: &[u8] = include_bytes!("../certificates/server.key");

/// The file of [`CA`].
#[must_use]
pub fn ca_file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/certificates/ca.pem"))
}

/// Hands out connections on which a client has agreed to the certificate; others are dropped.
pub(crate) struct Listener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener {
    pub(crate) fn on(tcp: TcpListener) -> Self {
        let chain = rustls_pemfile::certs(&mut &*SERVER).unwrap().into_iter().map(Certificate).collect();
        let key = PrivateKey(rustls_pemfile::pkcs8_private_keys(&mut &*KEY).unwrap().remove(0));
        let config = ServerConfig::builder().with_safe_defaults().with_no_client_auth();
        let config = config.with_single_cert(chain, key).unwrap();
        Self { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.tcp.accept().await
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
