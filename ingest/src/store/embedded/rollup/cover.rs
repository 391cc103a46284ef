//! Which cells rows may answer, and which time must be read. Pure.

use std::ops::Range;

use super::row::Row;
use crate::store::types::Level;

/// A part's rows of a series.
#[derive(Debug)]
pub(crate) struct Part {
    /// Months since January 1970.
    pub(crate) month: i64,
    /// Whether its readings are gone: then its rows are all there is, and stand whatever else touches their cells.
    pub(crate) alone: bool,
    /// In the order of their cells.
    pub(crate) rows: Vec<Row>,
}

/// What an answer is made of, each in the order of time; no row lies in a range.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Cover {
    /// Rows with the time where what they stand for begins.
    pub(crate) rows: Vec<(i64, Row)>,
    /// What must be read.
    pub(crate) read: Vec<Range<i64>>,
}

/// Divides `time` among the rows of `parts` and reading. `touched` are periods (first and last time) of pieces of which
/// nothing is rolled up, in no order. What neither a row nor a piece touches is in neither.
pub(crate) fn cover(level: Level, time: &Range<i64>, parts: Vec<Part>, touched: &[(i64, i64)]) -> Cover {
    let mut read: Vec<Range<i64>> = touched
        .iter()
        .map(|(first, last)| level.cell_around(*first).start..level.cell_around(*last).end)
        .collect();
    let mut rows: Vec<(Range<i64>, bool, Row)> = Vec::new();
    for part in parts {
        let place = |row: Row| (level.cell_in(row.cell, part.month), part.alone, row);
        rows.extend(part.rows.into_iter().map(place));
    }
    // Only whole cells: of one that the period cuts, a part is wanted.
    let (whole, cut): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(cell, ..)| time.start <= cell.start && cell.end <= time.end);
    rows = whole;
    read.extend(cut.into_iter().map(|(cell, ..)| cell));
    rows.sort_by_key(|(cell, ..)| cell.start);
    // Two parts of a month that both touch a cell may hold the same reading.
    read.extend(
        rows.windows(2).filter(|pair| pair[0].0.start == pair[1].0.start).map(|pair| pair[0].0.clone()),
    );
    let read = joined(level, time, read);
    let mut at = 0;
    rows.retain(|(cell, alone, _)| {
        while read.get(at).is_some_and(|range| range.end <= cell.start) {
            at += 1;
        }
        *alone || read.get(at).is_none_or(|range| cell.end <= range.start)
    });
    Cover { rows: rows.into_iter().map(|(cell, _, row)| (cell.start, row)).collect(), read }
}

/// Ranges in order that do not touch, within `time`. A few cells between two of them are read as well: one block mostly
/// holds all of them, and would be read twice.
fn joined(level: Level, time: &Range<i64>, mut ranges: Vec<Range<i64>>) -> Vec<Range<i64>> {
    let near = match level {
        Level::Hour => 24,
        Level::Day => 4,
    };
    let near = level.cell_ms() * near;
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<i64>> = Vec::new();
    for range in ranges {
        let range = range.start.max(time.start)..range.end.min(time.end);
        match joined.last_mut() {
            _ if range.is_empty() => {}
            Some(before) if range.start.saturating_sub(before.end) <= near => {
                before.end = before.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn row(cell: i64) -> Row {
        Row {
            cell,
            count: 1,
            span: 0,
            late: 0,
            flagged: 0,
            min: 0.0,
            max: 0.0,
            sum: 0.0,
            first: 0.0,
            last: 0.0,
            x: 0.0,
            y: 0.0,
        }
    }

    fn part(month: i64, alone: bool, cells: Range<i64>) -> Part {
        Part { month, alone, rows: cells.map(row).collect() }
    }

    fn cells(cover: &Cover) -> Vec<i64> {
        cover.rows.iter().map(|(_, row)| row.cell).collect()
    }

    /// Hour 100 of January 1970 in WIB's cells.
    const AT: i64 = 100 * HOUR;

    #[test]
    fn rows_answer_what_nothing_else_touches_and_the_rest_is_read() {
        let first = Level::Hour.cell(AT);
        let time = AT..AT + 100 * HOUR;
        let alone = cover(Level::Hour, &time, vec![part(0, false, first - 5..first + 50)], &[]);
        assert_eq!(cells(&alone), (first..first + 50).collect::<Vec<_>>());
        assert_eq!(alone.read, []);
        let late = (AT + 40 * HOUR + 5, AT + 40 * HOUR + 7);
        let met = cover(Level::Hour, &time, vec![part(0, false, first..first + 50)], &[late]);
        assert_eq!(met.read, vec![AT + 40 * HOUR..AT + 41 * HOUR]);
        assert!(!cells(&met).contains(&(first + 40)) && met.rows.len() == 49);
        let two = vec![part(0, false, first..first + 50), part(0, false, first + 49..first + 60)];
        assert_eq!(cover(Level::Hour, &time, two, &[]).read, vec![AT + 49 * HOUR..AT + 50 * HOUR]);
        let gone = vec![part(0, true, first..first + 50), part(0, false, first + 49..first + 60)];
        assert_eq!(cover(Level::Hour, &time, gone, &[]).rows.len(), 50 + 10);
    }

    #[test]
    fn a_day_at_a_months_border_is_two_rows() {
        let border = super::super::month_start(1);
        let day = Level::Day.cell(border);
        let time = Level::Day.cell_start(day)..Level::Day.cell_start(day + 1);
        let both =
            cover(Level::Day, &time, vec![part(0, false, day..day + 1), part(1, false, day..day + 1)], &[]);
        assert_eq!(both.rows.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [time.start, border]);
        assert_eq!(both.read, []);
        let late = cover(
            Level::Day,
            &time,
            vec![part(0, false, day..day + 1), part(1, false, day..day + 1)],
            &[(border + 5, border + 5)],
        );
        assert_eq!((late.rows.len(), &late.read[..]), (1, std::slice::from_ref(&(border..time.end))));
    }

    #[test]
    fn a_cell_that_the_period_cuts_is_read() {
        let first = Level::Hour.cell(AT);
        let cut = cover(Level::Hour, &(AT..AT + HOUR + 5), vec![part(0, false, first..first + 9)], &[]);
        assert_eq!(
            (cells(&cut), &cut.read[..]),
            (vec![first], std::slice::from_ref(&(AT + HOUR..AT + HOUR + 5)))
        );
    }
}
