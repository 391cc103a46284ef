//! `/latest`: the newest reading of each series, and how fresh it is.

use super::{
    Api,
    params::Params,
    problem::Problem,
    render::{Item, Listing, Written},
    series::Wanted,
};
use crate::store::{LatestPoint, StoreReader};
use axum::extract::State;
use std::sync::Arc;

/// `GET /api/v1/latest`
pub(crate) async fn list<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<Written, Problem> {
    params.only(&["series", "station", "quantity", "limit", "cursor"])?;
    let now = api.clock.now().0;
    let names: Vec<Arc<str>> = params.many("series").into_iter().map(Arc::from).collect();
    if names.is_empty() {
        let wanted = Wanted::of(&params)?;
        let page = api.query(move |api, gone| {
            let mut listing = Listing::new();
            let next = wanted.each(&api.reader, gone, |series| {
                let ids: Vec<_> = series.iter().map(|info| info.id).collect();
                let points = api.reader.latest(&ids);
                push(&mut listing, series.into_iter().map(|info| info.name).zip(points), now)
            })?;
            listing.finish(next.as_deref())
        });
        return page.await;
    }
    for other in ["station", "quantity", "limit", "cursor"] {
        if params.one(other)?.is_some() {
            return Err(Problem::bad(format!("series cannot be combined with {other}")));
        }
    }
    let ids = super::readings::ids(&api, &names)?;
    let points = api.reader.latest(&ids);
    let mut listing = Listing::new();
    push(&mut listing, names.into_iter().zip(points), now)?;
    listing.finish(None)
}

fn push(
    listing: &mut Listing,
    series: impl Iterator<Item = (Arc<str>, Option<LatestPoint>)>,
    now: i64,
) -> Result<(), Problem> {
    for (name, point) in series {
        if let Some(point) = point {
            listing.push(&Item::new(name, &point, now))?;
        }
    }
    Ok(())
}
