//! `/live`: server-sent events. Events named `reading` hold one item of `/latest` or a list of them; one named `lagged`
//! says that the client was too slow and how many messages it missed; a comment every 15 seconds keeps the connection.

use super::{Api, params::Params, problem::Problem, render::Item, render::parts};
use crate::{live::LiveReading, store::LatestPoint, store::StoreReader};
use axum::{
    extract::State,
    response::{
        IntoResponse, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, broadcast::error::RecvError};

/// What a client wants to see; empty means everything.
struct Wanted {
    series: Vec<String>,
    station: Option<String>,
    quantity: Option<String>,
}

impl Wanted {
    fn has(&self, series: &str) -> bool {
        let (station, quantity, _) = parts(series);
        (self.series.is_empty() || self.series.iter().any(|wanted| wanted == series))
            && self.station.as_ref().is_none_or(|wanted| wanted == station)
            && self.quantity.as_ref().is_none_or(|wanted| wanted == quantity)
    }
}

struct Watch<R> {
    api: Arc<Api<R>>,
    wanted: Wanted,
    news: tokio::sync::broadcast::Receiver<Arc<[LiveReading]>>,
    _place: OwnedSemaphorePermit,
}

/// `GET /api/v1/live`
pub(crate) async fn watch<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<impl IntoResponse, Problem> {
    params.only(&["series", "station", "quantity"])?;
    let wanted = Wanted {
        series: params.many("series").into_iter().map(str::to_owned).collect(),
        station: params.one("station")?.map(str::to_owned),
        quantity: params.one("quantity")?.map(str::to_owned),
    };
    if wanted.series.len() > api.limits.query_series {
        return Err(Problem::bad(format!("at most {} series", api.limits.query_series)));
    }
    let place = Arc::clone(&api.watchers).try_acquire_owned();
    let _place =
        place.map_err(|_| Problem::unavailable("too many live clients; poll /api/v1/latest instead"))?;
    let watch = Watch { news: api.live.watch(), api, wanted, _place };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

impl<R: StoreReader> Watch<R> {
    /// The next event; `None` when ingest stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let received = tokio::select! {
                received = self.news.recv() => received,
                () = self.api.stop.cancelled() => return None,
            };
            match received {
                Ok(message) => {
                    if let Some(event) = self.event(&message) {
                        return Some(event);
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    let event = Event::default().event("lagged");
                    return Some(event.data(format!("{{\"missed\":{missed}}}")));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// An event with what is wanted of a message; `None` when that is nothing.
    fn event(&self, message: &[LiveReading]) -> Option<Event> {
        let chosen: Vec<_> = message.iter().filter(|reading| self.wanted.has(&reading.name)).collect();
        let ids: Vec<_> = chosen.iter().map(|reading| reading.id).collect();
        let newest = self.api.reader.latest(&ids);
        let now = self.api.clock.now().0;
        let items: Vec<Item> = chosen
            .iter()
            .zip(newest)
            .map(|(reading, newest)| {
                let LiveReading { id, time, value, flags, .. } = **reading;
                let interval_ms = newest.and_then(|newest| newest.interval_ms);
                let point = LatestPoint { series: id, time, value, flags, received_ms: now, interval_ms };
                Item::new(Arc::clone(&reading.name), &point, now)
            })
            .collect();
        let data = match items.as_slice() {
            [] => return None,
            [one] => serde_json::to_string(one),
            many => serde_json::to_string(many),
        };
        data.ok().map(|data| Event::default().event("reading").data(data))
    }
}
