//! The figures as Prometheus metrics, taken at each scrape.

use std::fmt;

use pantau_journal::{FSYNC_BOUNDS, Histogram};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Look;
use crate::figures::{BrokerFigures, Figures, SensorFigures};
use crate::mqtt_client::State;
use crate::polled;

pub(super) struct FiguresCollector(pub(super) Look);

impl fmt::Debug for FiguresCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FiguresCollector")
    }
}

impl Collector for FiguresCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = (self.0)();
        for (name, help, value) in counters(&figures) {
            let metric = ConstCounter::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        for (name, help, value) in gauges(&figures) {
            let metric = ConstGauge::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        brokers(&mut encoder, &figures.brokers)?;
        sensors(&mut encoder, &figures.sensors)?;
        fsync(&mut encoder, &figures.fsync)
    }
}

fn brokers(encoder: &mut DescriptorEncoder<'_>, brokers: &[BrokerFigures]) -> fmt::Result {
    if brokers.is_empty() {
        return Ok(());
    }
    type Get = fn(&BrokerFigures) -> u64;
    let counters: [(&str, &str, Get); 3] = [
        ("broker_received", "Messages that a broker sent", |broker| broker.received),
        ("broker_retained_ignored", "Retained messages that were not taken", |broker| broker.retained),
        ("broker_connects", "Connections to a broker that were made", |broker| broker.connects),
    ];
    for (name, help, get) in counters {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for broker in brokers {
            let labels = [("broker", broker.name.as_str())];
            ConstCounter::new(get(broker)).encode(metric.encode_family(&labels)?)?;
        }
    }
    let help = "1 while all topics of a broker are subscribed to";
    let mut metric = encoder.encode_descriptor("broker_connected", help, None, MetricType::Gauge)?;
    for broker in brokers {
        let labels = [("broker", broker.name.as_str())];
        let connected = u32::from(broker.state == State::Connected);
        ConstGauge::new(f64::from(connected)).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn sensors(encoder: &mut DescriptorEncoder<'_>, sensors: &[SensorFigures]) -> fmt::Result {
    if sensors.is_empty() {
        return Ok(());
    }
    type Get<T> = fn(&SensorFigures) -> T;
    let counters: [(&str, &str, Get<u64>); 7] = [
        ("sensor_polls", "Polls of a sensor", |sensor| sensor.polls),
        ("sensor_polls_failed", "Polls without an answer, or with one that is wrong in a part", |sensor| {
            sensor.failed
        }),
        ("sensor_retries", "Times that a poll was made again within its period", |sensor| sensor.retries),
        ("sensor_periods_missed", "Periods that went by without a poll", |sensor| sensor.missed),
        ("sensor_readings", "Readings of a sensor that were taken", |sensor| sensor.readings),
        ("sensor_values_absent", "Values that a sensor said it has not", |sensor| sensor.absent),
        ("sensor_shed", "Readings given up because the spool was full", |sensor| sensor.shed),
    ];
    for (name, help, get) in counters {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for sensor in sensors {
            let labels = [("sensor", sensor.name.as_str())];
            ConstCounter::new(get(sensor)).encode(metric.encode_family(&labels)?)?;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
    let gauges: [(&str, &str, Get<f64>); 2] = [
        ("sensor_faulty", "1 while a sensor is faulty", |sensor| {
            f64::from(u8::from(matches!(sensor.state, polled::State::Faulty(_))))
        }),
        ("sensor_answered_timestamp_seconds", "When the last poll with an answer was made", |sensor| {
            sensor.answered as f64 / 1_000.0
        }),
    ];
    for (name, help, get) in gauges {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for sensor in sensors {
            let labels = [("sensor", sensor.name.as_str())];
            ConstGauge::new(get(sensor)).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn fsync(encoder: &mut DescriptorEncoder<'_>, fsync: &Histogram) -> fmt::Result {
    let bounds = FSYNC_BOUNDS.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(fsync.buckets).collect();
    let help = "How long the syncs of the spool took";
    let mut metric = encoder.encode_descriptor("fsync_seconds", help, None, MetricType::Histogram)?;
    metric.encode_histogram::<NoLabelSet>(fsync.sum, fsync.count, &buckets, None)
}

/// Name without `_total`, help, value.
fn counters(figures: &Figures) -> [(&'static str, &'static str, u64); 18] {
    [
        ("accepted", "Readings, refused payloads and shed messages taken since the start", figures.accepted),
        ("spooled", "Positions synced to the disk since the start", figures.spooled),
        ("acked", "Positions that ingest acknowledged since the start", figures.acked),
        ("quarantined", "Payloads that could not be read, or were not allowed", figures.quarantined),
        (
            "not_allowed",
            "Payloads that their sender had no right to send; they count as quarantined, too",
            figures.not_allowed,
        ),
        ("rejected", "Readings that ingest put into quarantine", figures.rejected),
        ("lost", "Readings given up: the disk was damaged, or they were shed", figures.lost),
        (
            "shed",
            "Messages at QoS 0, and readings of own sensors, given up because the spool was full",
            figures.shed,
        ),
        (
            "withheld",
            "Messages whose acknowledgement was withheld because the spool was full",
            figures.withheld,
        ),
        (
            "redelivered",
            "Repeated deliveries that were acknowledged and not stored again",
            figures.redelivered,
        ),
        (
            "redeliveries_forgotten",
            "Deliveries whose repeat would not be known after a restart: sessions had no more room in the spool",
            figures.forgotten,
        ),
        ("clients_refused", "Clients refused by the answer to CONNECT", figures.refused),
        ("tls_failed", "TLS handshakes of clients that failed", figures.tls_failed),
        ("clients_turned_away", "Connections closed because there were too many", figures.turned_away),
        ("clients_revoked", "Connections closed because their login was taken away", figures.revoked),
        (
            "clock_went_back",
            "Times that the machine's clock went back so far that stamps began anew",
            figures.clock_went_back,
        ),
        ("uplinks_repeated", "Uplinks that their network sent twice, taken once", figures.repeated),
        (
            "devices_unfollowed",
            "Messages about being online of devices beyond those that are followed",
            figures.online.unfollowed,
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "gauges are doubles")]
fn gauges(figures: &Figures) -> [(&'static str, &'static str, f64); 12] {
    [
        ("backlog_readings", "Synced and not acknowledged by ingest", figures.backlog_readings as f64),
        ("backlog_bytes", "Bytes of the segments that hold the backlog", figures.backlog_bytes as f64),
        ("backlog_seconds", "Age of the oldest reading in the backlog", figures.backlog_ms as f64 / 1_000.0),
        ("connections", "Open MQTT connections", figures.connections as f64),
        ("connected", "1 while the stream to ingest stands", f64::from(u8::from(figures.connected))),
        ("held_readings", "Positions that wait until the clock is trusted", figures.held as f64),
        (
            "clock_trusted",
            "1 once the machine's clock is trusted",
            f64::from(u8::from(figures.clock_trusted)),
        ),
        ("spool_bytes", "Bytes of the spool on the disk", figures.spool_bytes as f64),
        ("spool_max_bytes", "Bytes that the spool may take", figures.spool_max_bytes as f64),
        ("devices_online", "Devices that said they are online", figures.online.online as f64),
        ("devices_offline", "Devices that are said to be offline", figures.online.offline as f64),
        (
            "disk_free_bytes",
            "Bytes free on the spool's disk",
            figures.free_bytes.map_or(f64::NAN, |bytes| bytes as f64),
        ),
    ]
}
