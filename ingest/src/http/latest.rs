//! `/latest`: the newest reading of each series, and how fresh it is.

use super::{
    Api,
    params::Params,
    problem::Problem,
    render::{Item, Page},
    series::Wanted,
};
use crate::store::StoreReader;
use axum::{Json, extract::State};
use std::sync::Arc;

/// `GET /api/v1/latest`
pub(crate) async fn list<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<Json<Page<Item>>, Problem> {
    params.only(&["series", "station", "quantity", "limit", "cursor"])?;
    let now = api.clock.now().0;
    let names: Vec<String> = params.many("series").into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        let wanted = Wanted::of(&params)?;
        let page = api.query(move |api, gone| {
            let (series, next) = wanted.page(&api.reader, gone)?;
            let ids: Vec<_> = series.iter().map(|info| info.id).collect();
            let points = api.reader.latest(&ids);
            let known = series.iter().zip(points);
            let items =
                known.filter_map(|(info, point)| point.map(|point| Item::new(&info.name, &point, now)));
            Ok(Page { items: items.collect(), next })
        });
        return page.await.map(Json);
    }
    for other in ["station", "quantity", "limit", "cursor"] {
        if params.one(other)?.is_some() {
            return Err(Problem::bad(format!("series cannot be combined with {other}")));
        }
    }
    let ids = super::readings::ids(&api, &names)?;
    let points = api.reader.latest(&ids);
    let known = names.iter().zip(points);
    let items = known.filter_map(|(name, point)| point.map(|point| Item::new(name, &point, now))).collect();
    Ok(Json(Page { items, next: None }))
}
