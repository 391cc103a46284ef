//! Which gateways may report and how they are doing now: tokens, generations that fence older streams, epochs that are
//! over, the last status. What must survive a restart is in the store or the quarantine; this is only the present.

use crate::validate::clipped;
use pantau_proto::{Epoch, GatewayId, v1};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

/// The SHA-256 of a bearer token: the token itself is not kept.
#[derive(Clone)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of a token without the white space around it.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.trim().as_bytes()).into())
    }
}

impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// What is known of one gateway since this process began.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    /// Streams are told apart by it; 0 before the first.
    pub generation: u64,
    /// Whether a stream is open.
    pub connected: bool,
    /// The epoch and first kept position of the last Hello.
    pub epoch: Option<(Epoch, u64)>,
    /// Its software version.
    pub version: String,
    /// When anything last came from it, milliseconds since the epoch.
    pub last_seen: Option<i64>,
    /// Its last status.
    pub status: Option<v1::Status>,
    fence: CancellationToken,
}

/// Every gateway that may report.
#[derive(Debug)]
pub struct Gateways {
    tokens: BTreeMap<String, TokenDigest>,
    generation: AtomicU64,
    present: Mutex<BTreeMap<String, Presence>>,
    /// Declared over with a loss. As many as the store remembers epochs at most.
    over: Mutex<HashSet<(GatewayId, Epoch)>>,
}

impl Gateways {
    /// `start` is below every generation that is given out: the start of the process in milliseconds keeps
    /// generations rising over restarts.
    pub fn new(tokens: impl IntoIterator<Item = (GatewayId, TokenDigest)>, start: u64) -> Self {
        let tokens: BTreeMap<_, _> =
            tokens.into_iter().map(|(id, token)| (id.as_str().to_owned(), token)).collect();
        let present = tokens.keys().map(|id| (id.clone(), Presence::default())).collect();
        let over = Mutex::default();
        Self { tokens, generation: AtomicU64::new(start), present: Mutex::new(present), over }
    }

    /// Whether the token is this gateway's. Takes as long for an unknown gateway as for a known one.
    pub fn allows(&self, gateway: &str, token: &TokenDigest) -> bool {
        let nobody = TokenDigest([0; 32]);
        let (known, wanted) = match self.tokens.get(gateway) {
            Some(digest) => (true, digest),
            None => (false, &nobody),
        };
        bool::from(wanted.0.ct_eq(&token.0)) && known
    }

    /// Whether the token is anyone's. Takes as long for each.
    pub fn knows(&self, token: &TokenDigest) -> bool {
        self.tokens.values().fold(false, |known, digest| known | bool::from(digest.0.ct_eq(&token.0)))
    }

    /// How many may report.
    pub fn count(&self) -> usize {
        self.tokens.len()
    }

    /// A new stream of a gateway: ends its older one. Returns the new generation, what ends it in turn, and the
    /// epoch and first kept position of the Hello before this one.
    pub fn enter(
        &self,
        gateway: &GatewayId,
        hello: &v1::Hello,
        now: i64,
    ) -> (u64, CancellationToken, Option<(Epoch, u64)>) {
        let mut present = self.lock();
        let presence = present.entry(gateway.as_str().to_owned()).or_default();
        presence.fence.cancel();
        presence.fence = CancellationToken::new();
        presence.generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        presence.connected = true;
        presence.version = clipped(&hello.version);
        presence.last_seen = Some(now);
        let before = presence.epoch.replace((Epoch(hello.epoch), hello.kept));
        (presence.generation, presence.fence.clone(), before)
    }

    /// Something came from a gateway's stream.
    pub fn seen(&self, gateway: &GatewayId, generation: u64, now: i64, status: Option<v1::Status>) {
        self.with(gateway, generation, |presence| {
            presence.last_seen = Some(now);
            if status.is_some() {
                presence.status = status;
            }
        });
    }

    /// A stream has ended; an older one's end says nothing.
    pub fn leave(&self, gateway: &GatewayId, generation: u64) {
        self.with(gateway, generation, |presence| presence.connected = false);
    }

    /// From now on an epoch is over: what it still had was recorded as lost.
    pub fn declare_over(&self, gateway: &GatewayId, epoch: Epoch) {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).insert((gateway.clone(), epoch));
    }

    /// Whether an epoch was declared over: it must not go on.
    pub fn is_over(&self, gateway: &GatewayId, epoch: Epoch) -> bool {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).contains(&(gateway.clone(), epoch))
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<(String, Presence)> {
        self.lock().iter().map(|(id, presence)| (id.clone(), presence.clone())).collect()
    }

    fn with(&self, gateway: &GatewayId, generation: u64, change: impl FnOnce(&mut Presence)) {
        let mut present = self.lock();
        if let Some(presence) = present.get_mut(gateway.as_str()).filter(|p| p.generation == generation) {
            change(presence);
        }
    }

    /// Held for a few moves only, never over an await; no move can panic halfway.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Presence>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn only_its_own_token_opens_a_gateways_door() {
        let id = |text: &str| -> GatewayId { text.parse().unwrap() };
        let gateways = Gateways::new(
            [(id("a"), TokenDigest::of("token of a")), (id("b"), TokenDigest::of("token of b"))],
            0,
        );
        assert!(gateways.allows("a", &TokenDigest::of(" token of a\n")));
        assert!(!gateways.allows("a", &TokenDigest::of("token of b")));
        assert!(!gateways.allows("c", &TokenDigest::of("token of a")));
        assert!(!gateways.allows("c", &TokenDigest([0; 32])), "an unknown gateway has no token at all");
    }

    #[test]
    fn a_new_stream_fences_the_older_one_and_its_end_is_not_the_newer_ones() {
        let id: GatewayId = "a".parse().unwrap();
        let gateways = Gateways::new([], 100);
        let hello = v1::Hello { epoch: 7, kept: 3, ..Default::default() };
        let (first, fence, before) = gateways.enter(&id, &hello, 1);
        assert!(first > 100 && !fence.is_cancelled() && before.is_none());
        let (second, _, before) = gateways.enter(&id, &hello, 2);
        assert!(second > first && fence.is_cancelled());
        assert_eq!(before, Some((Epoch(7), 3)));
        gateways.leave(&id, first);
        assert!(gateways.list()[0].1.connected);
        gateways.leave(&id, second);
        assert!(!gateways.list()[0].1.connected);
    }
}
