//! What the status page and the metrics are made of.

use std::future::Future;
use std::sync::Arc;

use pantau_journal::FileLayer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::Config;
use crate::decode::Decoder;
use crate::figures::{BrokerFigures, Figures, SensorFigures};
use crate::mqtt_client::BrokerStats;
use crate::mqtt_server::{Count, Stats};
use crate::polled::SensorStats;
use crate::spool::Spool;

/// The page and the metrics, until `stop`.
pub(super) fn serve<F: FileLayer>(
    listener: TcpListener,
    spool: &Spool<F>,
    sources: Sources,
    decoder: Arc<Decoder>,
    config: &Config,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let (spool, gateway) = (spool.clone(), config.gateway.id.clone());
    let router = crate::status::router(Arc::new(move || Figures {
        connections: sources.listener.connections.get(),
        refused: sources.listener.refused.get(),
        tls_failed: sources.listener.tls_failed.get(),
        turned_away: sources.listener.turned_away.get(),
        revoked: sources.listener.revoked.get(),
        withheld: sources.total(|listener| &listener.withheld, |broker| &broker.withheld),
        redelivered: sources.total(|listener| &listener.redelivered, |broker| &broker.redelivered),
        brokers: sources.brokers.iter().map(|broker| BrokerFigures::of(broker)).collect(),
        sensors: sources.sensors.iter().map(|sensor| SensorFigures::of(sensor)).collect(),
        online: decoder.online(),
        ..Figures::of(&spool, &gateway, clock::now())
    }));
    async move {
        let serve = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        serve.await.map_err(|error| error.to_string())
    }
}

/// What the sources count.
pub(super) struct Sources {
    pub(super) listener: Arc<Stats>,
    pub(super) brokers: Vec<Arc<BrokerStats>>,
    pub(super) sensors: Vec<Arc<SensorStats>>,
}

impl Sources {
    fn total(&self, listener: fn(&Stats) -> &Count, broker: fn(&BrokerStats) -> &Count) -> u64 {
        listener(&self.listener).get() + self.brokers.iter().map(|of| broker(of).get()).sum::<u64>()
    }
}
