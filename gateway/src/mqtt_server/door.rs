//! Who is let in, and by which certificate the listener shows itself: what can be exchanged while connections go on.
//!
//! Always: a new door counts at once for everybody. A connection whose login does not hold any more is closed; all others go
//! on, with the rights that they have now. What cannot be used never becomes the door.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use super::Config;
use super::auth::{Auth, UserError};

/// Users and TLS, as one.
pub(crate) struct Door {
    pub(crate) auth: Auth,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Door {
    pub(crate) fn new(config: &Config) -> Result<Arc<Self>, UserError> {
        let auth = Auth::new(&config.users, config.anonymous)?;
        Ok(Arc::new(Self { auth, tls: config.tls.clone() }))
    }
}

/// Exchanges the door of a listener that runs.
#[derive(Clone)]
pub struct Doorkeeper(pub(super) watch::Sender<Arc<Door>>);

impl std::fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Doorkeeper")
    }
}

impl Doorkeeper {
    /// From now on users, `anonymous` and TLS of `config` count; its other values do not. Without TLS in it that goes on as
    /// it is, because its listener does.
    ///
    /// # Errors
    /// A user cannot be used; the old ones go on.
    pub fn exchange(&self, config: &Config) -> Result<(), UserError> {
        let auth = Auth::new(&config.users, config.anonymous)?;
        self.0.send_modify(|door| {
            let tls = config.tls.as_ref().or(door.tls.as_ref()).cloned();
            *door = Arc::new(Door { auth, tls });
        });
        Ok(())
    }
}
