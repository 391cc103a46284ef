//! The questions to a database, whichever it is.

use std::collections::BTreeMap;
use std::ops::Range;

use super::influx::{Influx, Known};
use super::server::{Fault, Kind, Server};
use super::victoria::Victoria;
use crate::store::embedded::Gather;
use crate::store::types::{Agg, Buckets, Points};

/// Asks one or the other.
#[derive(Clone, Debug)]
pub(crate) enum Queries {
    Influx(Influx),
    Victoria(Victoria),
}

impl Queries {
    /// # Errors
    /// When the client cannot be made.
    pub(crate) fn of(server: &Server) -> Result<Self, String> {
        let client = server.reading()?;
        Ok(match server.kind {
            Kind::Influx => Self::Influx(Influx { client, database: server.database.clone() }),
            Kind::Victoria { .. } => Self::Victoria(Victoria { client }),
        })
    }

    /// All readings of a series in `time`; `None` when there are more than `limit`.
    pub(crate) async fn range(
        &self,
        name: &str,
        time: Range<i64>,
        limit: usize,
    ) -> Result<Option<Points>, Fault> {
        match self {
            Self::Influx(influx) => influx.range(name, time, limit).await,
            Self::Victoria(victoria) => victoria.range(name, time, limit).await,
        }
    }

    /// The buckets of an empty `gather`, filled.
    pub(crate) async fn aggregate(
        &self,
        name: &str,
        time: Range<i64>,
        step: i64,
        aggs: &[Agg],
        mut gather: Gather,
    ) -> Result<Buckets, Fault> {
        let before = aggs.contains(&Agg::Increase);
        match self {
            // What the server reckons as we do, it reckons: less comes over the wire.
            Self::Influx(influx) if !aggs.iter().any(|agg| agg.needs_readings()) => {
                let mut buckets = gather.finish(aggs, None);
                influx.aggregate(name, time, step, aggs, &mut buckets).await?;
                return Ok(buckets);
            }
            Self::Influx(influx) => {
                if before {
                    gather.begin_after(influx.before(name, time.start).await?);
                }
                influx.gather(name, time, &mut gather).await?;
            }
            Self::Victoria(victoria) => {
                if before {
                    gather.begin_after(victoria.before(name, time.start).await?);
                }
                victoria.gather(name, time.clone(), &mut gather).await?;
                let mut buckets = gather.finish(aggs, None);
                (buckets.late, buckets.flagged) = victoria.count_flags(name, time).await?;
                return Ok(buckets);
            }
        }
        Ok(gather.finish(aggs, None))
    }

    /// The newest readings of a quantity's series, by device and channel (empty: none).
    pub(crate) async fn known(&self, quantity: &str) -> Result<BTreeMap<(String, String), Known>, Fault> {
        match self {
            Self::Influx(influx) => influx.known(quantity).await,
            Self::Victoria(victoria) => victoria.known(quantity).await,
        }
    }
}
