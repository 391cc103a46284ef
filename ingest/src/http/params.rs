//! Query parameters: strict, so that a typing mistake is an error and not the default.

use super::problem::Problem;
use axum::{
    extract::{FromRequestParts, Query},
    response::Response,
};
use http::request::Parts;

/// Entries of a list when nothing is said, and at most.
const PAGE: usize = 100;
/// Items of a page at most, as far as nothing else is said.
pub(super) const PAGE_MAX: usize = 1000;

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        use axum::response::IntoResponse;
        match Query::<Vec<(String, String)>>::from_request_parts(parts, state).await {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(error) => {
                Err(Problem::bad(format!("the query string cannot be read: {error}")).into_response())
            }
        }
    }
}

impl Params {
    /// # Errors
    /// When there is a parameter that is not in `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) if known.is_empty() => {
                Err(Problem::bad(format!("{name:?}: no parameters are taken here")))
            }
            Some((name, _)) => {
                Err(Problem::bad(format!("{name:?} is no parameter; known are {}", known.join(", "))))
            }
        }
    }

    /// A parameter that is given once.
    ///
    /// # Errors
    /// When it is given twice.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(Problem::bad(format!("{name} is given twice")));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }

    /// A parameter that may be repeated or hold several values separated by commas.
    pub(crate) fn many(&self, name: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|(known, _)| known == name);
        values.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty()).collect()
    }

    /// A time: RFC 3339 or milliseconds since the epoch.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn time(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let ms = text.parse().ok().filter(|ms| jiff::Timestamp::from_millisecond(*ms).is_ok());
        // A `+` that was not escaped arrives as a space.
        let spelled =
            || text.replace(' ', "+").parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond());
        ms.or_else(spelled).map(Some).ok_or_else(|| {
            Problem::bad(format!(
                "{name}={text:?} is no time; write 2026-01-31T07:00:00+07:00, 2026-01-31T00:00:00Z or milliseconds"
            ))
        })
    }

    /// How many entries a list may have.
    ///
    /// # Errors
    /// When it is no number from 1 to `most`.
    pub(crate) fn limit(&self, most: usize) -> Result<usize, Problem> {
        match self.one("limit")? {
            None => Ok(PAGE),
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=most).contains(limit))
                .ok_or_else(|| Problem::bad(format!("limit={text:?}; write a number from 1 to {most}"))),
        }
    }

    /// Where a list goes on, for lists whose cursor is a name.
    ///
    /// # Errors
    /// When it is no such name.
    pub(crate) fn name_cursor<T: std::str::FromStr>(&self) -> Result<Option<String>, Problem> {
        match self.one("cursor")? {
            Some(text) if text.parse::<T>().is_err() => {
                Err(Problem::bad(format!("cursor={text:?} is not from a `next` of this list")))
            }
            cursor => Ok(cursor.map(str::to_owned)),
        }
    }

    /// Where a list goes on, for lists whose cursor is a row's number.
    ///
    /// # Errors
    /// When it was not made here.
    pub(crate) fn row_cursor(&self) -> Result<Option<i64>, Problem> {
        match self.one("cursor")? {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(row) => Ok(Some(row)),
                Err(_) => Err(Problem::bad(format!("cursor={text:?} is not from a `next` of this list"))),
            },
        }
    }
}

/// Milliseconds of an ISO 8601 duration of fixed length, such as PT5M, PT1H or P1D (24 hours).
///
/// # Errors
/// When it is none, or shorter than a second.
pub(crate) fn step_ms(text: &str) -> Result<i64, Problem> {
    let wrong = || {
        Problem::bad(format!("step={text:?}; write raw, or an ISO 8601 duration such as PT5M, PT1H or P1D"))
    };
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    if !text.starts_with('P') || span.get_years() != 0 || span.get_months() != 0 {
        return Err(wrong());
    }
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let seconds = days * 86_400
        + i64::from(span.get_hours()) * 3_600
        + span.get_minutes().saturating_mul(60)
        + span.get_seconds();
    let ms = seconds.saturating_mul(1000).saturating_add(span.get_milliseconds());
    if ms < 1000 {
        Err(Problem::bad(format!("step={text:?} is shorter than a second; use step=raw")))
    } else {
        Ok(ms)
    }
}
