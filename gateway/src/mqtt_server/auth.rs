//! Who may connect: users of the configuration with argon2 hashes (PHC strings), or by the names in a certificate of theirs.
//!
//! Always holds: who shows a certificate is the user that it names and nobody else, and a name that is no user's is let in
//! by none: taking a user out of the configuration ends its certificate, too. A password is hashed off the async threads, few at a time, since one hash takes tens of
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
    /// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. Costs of `m=4096,t=3,p=1` verify in about 10 ms on a Pi 4. Without one it
    /// gets in by a certificate only.
    pub password_hash: Option<String>,
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
    Allowed(Login, Option<Arc<Rights>>),
    WrongPassword,
    /// No user name where one is needed, or a certificate of no user, or of another one than it says.
    Unknown,
}

/// How somebody got in, to be asked again when users change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Anonymous,
    /// The user, and the hash that its password had.
    Password(String, Arc<str>),
    /// The user that its certificate names.
    Certificate(String),
}

struct Known {
    hash: Option<Arc<str>>,
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
            if let Some(password_hash) = password_hash {
                let hash = PasswordHash::new(password_hash).map_err(|error| bad(error.to_string()))?;
                argon2::Algorithm::try_from(hash.algorithm).map_err(|error| bad(error.to_string()))?;
                argon2::Params::try_from(&hash).map_err(|error| bad(error.to_string()))?;
                if hash.hash.is_none() || hash.salt.is_none() {
                    return Err(bad("salt or hash is missing".to_owned()));
                }
            }
            let rights = Arc::new(Rights::new(name, devices, topics));
            let user = Known { hash: password_hash.as_deref().map(Arc::from), rights };
            if known.insert(name.clone(), user).is_some() {
                return Err(UserError::Twice(name.clone()));
            }
        }
        let decoy = users.iter().find_map(|user| user.password_hash.as_deref()).map(Arc::from);
        Ok(Auth { users: known, decoy, anonymous, permits: Semaphore::new(2) })
    }

    /// `certificate` holds the names in the one that was shown.
    pub(crate) async fn check(
        &self,
        certificate: Option<&[String]>,
        user: Option<&str>,
        password: Option<&[u8]>,
    ) -> Verdict {
        if let Some(names) = certificate {
            let mut meant = names.iter().filter(|name| user.is_none_or(|user| user == **name));
            return match meant.find_map(|name| self.users.get_key_value(name)) {
                Some((name, known)) => {
                    Verdict::Allowed(Login::Certificate(name.clone()), Some(Arc::clone(&known.rights)))
                }
                None => Verdict::Unknown,
            };
        }
        let Some(user) = user else {
            return if self.anonymous { Verdict::Allowed(Login::Anonymous, None) } else { Verdict::Unknown };
        };
        let known = self.users.get(user).and_then(|known| Some((known.hash.clone()?, &known.rights)));
        let Some(hash) = known.as_ref().map(|(hash, _)| hash).or(self.decoy.as_ref()).cloned() else {
            return Verdict::WrongPassword;
        };
        let password = password.unwrap_or_default().to_vec();
        let Ok(_permit) = self.permits.acquire().await else { return Verdict::WrongPassword };
        let verified = tokio::task::spawn_blocking(move || verify(&hash, &password)).await;
        match known {
            Some((hash, rights)) if verified.unwrap_or(false) => {
                Verdict::Allowed(Login::Password(user.to_owned(), hash), Some(Arc::clone(rights)))
            }
            _ => Verdict::WrongPassword,
        }
    }

    /// What somebody who got in by other users may say by these; `None`: nothing any more. A password that was exchanged
    /// ends what the old one began.
    #[expect(clippy::option_option, reason = "no rights at all, and no bounds, are not the same")]
    pub(crate) fn again(&self, login: &Login) -> Option<Option<Arc<Rights>>> {
        let known = match login {
            Login::Anonymous => return self.anonymous.then_some(None),
            Login::Certificate(user) => self.users.get(user)?,
            Login::Password(user, hash) => {
                self.users.get(user).filter(|known| known.hash.as_ref() == Some(hash))?
            }
        };
        Some(Some(Arc::clone(&known.rights)))
    }
}

fn verify(hash: &str, password: &[u8]) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}
