//! Who may connect: users of the configuration with argon2 hashes (PHC strings).
//!
//! Always holds: a password is hashed off the async threads, few at a time, since one hash takes tens of
//! milliseconds and megabytes by design; an unknown user takes as long as a wrong password; no secret is logged.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordVerifier};
use hashbrown::HashMap;
use tokio::sync::Semaphore;

use crate::intake::types::Rights;

/// A user of the configuration.
#[derive(Clone)]
pub struct User {
    /// MQTT user name.
    pub name: String,
    /// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. Costs of `m=4096,t=3,p=1` verify in about 10 ms on a Pi 4.
    pub password_hash: String,
    /// Devices that it may speak for, or patterns such as `roof-*`; none: the device of its own name.
    pub devices: Vec<String>,
    /// Topic filters that it may publish on; none: all.
    pub topics: Vec<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A user that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("the password hash of MQTT user {name:?} is not an argon2 PHC string: {detail}")]
    Hash { name: String, detail: String },
    #[error("MQTT user {0:?} is there twice")]
    Twice(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// With what it may say; without any rights everything.
    Allowed(Option<Arc<Rights>>),
    WrongPassword,
    /// No user name, and anonymous clients are not allowed.
    Anonymous,
}

struct Known {
    hash: Arc<str>,
    rights: Arc<Rights>,
}

pub(crate) struct Auth {
    users: HashMap<String, Known>,
    /// Hashed in vain for unknown users.
    decoy: Option<Arc<str>>,
    anonymous: bool,
    permits: Semaphore,
}

impl Auth {
    pub(crate) fn new(users: &[User], anonymous: bool) -> Result<Self, UserError> {
        let mut known = HashMap::new();
        for User { name, password_hash, devices, topics } in users {
            let bad = |detail: String| UserError::Hash { name: name.clone(), detail };
            let hash = PasswordHash::new(password_hash).map_err(|error| bad(error.to_string()))?;
            argon2::Algorithm::try_from(hash.algorithm).map_err(|error| bad(error.to_string()))?;
            argon2::Params::try_from(&hash).map_err(|error| bad(error.to_string()))?;
            if hash.hash.is_none() || hash.salt.is_none() {
                return Err(bad("salt or hash is missing".to_owned()));
            }
            let rights = Arc::new(Rights::new(name, devices, topics));
            let user = Known { hash: Arc::from(password_hash.as_str()), rights };
            if known.insert(name.clone(), user).is_some() {
                return Err(UserError::Twice(name.clone()));
            }
        }
        let decoy = users.first().map(|user| Arc::from(user.password_hash.as_str()));
        Ok(Auth { users: known, decoy, anonymous, permits: Semaphore::new(2) })
    }

    pub(crate) async fn check(&self, user: Option<&str>, password: Option<&[u8]>) -> Verdict {
        let Some(user) = user else {
            return if self.anonymous { Verdict::Allowed(None) } else { Verdict::Anonymous };
        };
        let known = self.users.get(user);
        let Some(hash) = known.map(|known| &known.hash).or(self.decoy.as_ref()).cloned() else {
            return Verdict::WrongPassword;
        };
        let password = password.unwrap_or_default().to_vec();
        let Ok(_permit) = self.permits.acquire().await else { return Verdict::WrongPassword };
        let verified = tokio::task::spawn_blocking(move || verify(&hash, &password)).await;
        match known {
            Some(known) if verified.unwrap_or(false) => Verdict::Allowed(Some(Arc::clone(&known.rights))),
            _ => Verdict::WrongPassword,
        }
    }
}

fn verify(hash: &str, password: &[u8]) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}
