//! What is wrong with a remote database now, in words; shared by who finds out and who shows it.

use std::sync::{Arc, Mutex, PoisonError};

/// Raised while readings are not taken or not read; said in the log once, not with each try.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm(Arc<Mutex<Option<String>>>);

impl Alarm {
    pub(crate) fn raise(&self, why: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != Some(why) {
            tracing::error!(why, "the database does not take readings; gateways wait");
            *known = Some(why.to_owned());
        }
    }

    pub(crate) fn clear(&self) {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("the database takes readings again");
        }
    }

    pub(crate) fn shown(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
