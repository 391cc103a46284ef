//! A row: what the readings of one series in one cell come to. Exists so that folding readings into rows, and what a row
//! can answer, are written once.

use pantau_proto::{Kind, quantity};

use super::super::point::Point;
use crate::store::types::{Agg, Level, flags_of};

/// What a row says beyond what every row says. Which it is follows from the series' quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extra {
    /// Nothing.
    #[default]
    None,
    /// Of a counter: `x` is the sum of the rises from the cell's first reading on.
    Increase,
    /// Of degrees: `x` and `y` are the sums of sines and cosines.
    Vector,
}

impl Extra {
    /// What suits a series of this name (`device/quantity` or `device/quantity/channel`).
    pub(crate) fn of_series(name: &str) -> Self {
        match name.split('/').nth(1).and_then(quantity).map(|quantity| quantity.kind) {
            Some(Kind::Counter) => Self::Increase,
            Some(Kind::Angle) => Self::Vector,
            _ => Self::None,
        }
    }

    /// Whether rows with this answer an aggregate.
    pub(crate) fn answers(self, agg: Agg) -> bool {
        match agg {
            Agg::Increase => self == Self::Increase,
            Agg::VectorMean => self == Self::Vector,
            Agg::P95 => false,
            _ => true,
        }
    }
}

/// See the module. NaN where it was not asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) cell: i64,
    pub(crate) count: u64,
    /// From the first reading to the last, milliseconds.
    pub(crate) span: i64,
    pub(crate) late: u64,
    pub(crate) flagged: u64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) sum: f64,
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// Rows of a series being made from its readings, which come in the order of time.
#[derive(Debug)]
pub(crate) struct Fold {
    level: Level,
    pub(crate) rows: Vec<Row>,
    open: Option<Open>,
}

/// The row of the cell that readings still come into.
#[derive(Clone, Copy, Debug)]
struct Open {
    row: Row,
    from: i64,
    /// What the sum lost in rounding, and the sum of the values without their signs.
    lost: f64,
    magnitude: f64,
}

impl Fold {
    pub(crate) fn new(level: Level) -> Self {
        Self { level, rows: Vec::new(), open: None }
    }

    pub(crate) fn add(&mut self, points: &[Point], extra: Extra) {
        for point in points {
            let cell = self.level.cell(point.time);
            match &mut self.open {
                Some(open) if open.row.cell == cell => open.add(point, extra),
                _ => {
                    self.close();
                    self.open = Some(Open::new(cell, point, extra));
                }
            }
        }
    }

    /// No more readings come.
    pub(crate) fn close(&mut self) {
        self.rows.extend(self.open.take().map(Open::close));
    }

    pub(crate) fn readings(&self) -> u64 {
        self.rows.iter().map(|row| row.count).sum()
    }
}

impl Open {
    fn new(cell: i64, point: &Point, extra: Extra) -> Self {
        let (late, flagged) = flags_of(point.flags);
        let value = point.value;
        let (x, y) = if extra == Extra::Vector { value.to_radians().sin_cos() } else { (0.0, 0.0) };
        let row = Row {
            cell,
            count: 1,
            span: 0,
            late: u64::from(late),
            flagged: u64::from(flagged),
            min: value,
            max: value,
            sum: value,
            first: value,
            last: value,
            x,
            y,
        };
        Self { row, from: point.time, lost: 0.0, magnitude: value.abs() }
    }

    fn add(&mut self, point: &Point, extra: Extra) {
        let (row, value) = (&mut self.row, point.value);
        if point.flags != 0 {
            let (late, flagged) = flags_of(point.flags);
            row.late += u64::from(late);
            row.flagged += u64::from(flagged);
        }
        match extra {
            Extra::None => {}
            Extra::Increase => row.x += (value - row.last).max(0.0),
            Extra::Vector => {
                let (sine, cosine) = value.to_radians().sin_cos();
                row.x += sine;
                row.y += cosine;
            }
        }
        row.count += 1;
        row.span = point.time - self.from;
        row.min = row.min.min(value);
        row.max = row.max.max(value);
        row.last = value;
        // Neumaier's sum: what is lost is added at the end.
        let sum = row.sum + value;
        self.lost +=
            if row.sum.abs() >= value.abs() { (row.sum - sum) + value } else { (value - sum) + row.sum };
        row.sum = sum;
        self.magnitude += value.abs();
    }

    fn close(mut self) -> Row {
        // Past infinity nothing is known of what was lost.
        let lost = if self.lost.is_finite() { self.lost } else { 0.0 };
        self.row.sum = decimal(self.row.sum + lost, self.magnitude);
        self.row
    }
}

/// The shortest decimal within what rounding leaves unknown of a sum: of decimals it is the true sum, and takes a third of
/// the space.
fn decimal(sum: f64, magnitude: f64) -> f64 {
    const MOST: f64 = 2_251_799_813_685_248.0;
    let unknown = magnitude * f64::EPSILON;
    for power in [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6] {
        let scaled = (sum * power).round();
        if scaled.abs() >= MOST {
            break;
        }
        if (scaled / power - sum).abs() <= unknown {
            return scaled / power;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_decimals_is_the_decimal_that_they_add_up_to() {
        let mut fold = Fold::new(Level::Hour);
        let points: Vec<Point> =
            (0..3_600).map(|at| Point { time: at * 1_000, value: 0.1, flags: 0 }).collect();
        fold.add(&points, Extra::None);
        fold.close();
        assert_eq!(fold.rows.len(), 1);
        assert_eq!(fold.rows[0].sum.to_bits(), 360.0_f64.to_bits());
        let irrational = decimal(std::f64::consts::PI * 1e3, 4e3);
        assert_eq!(irrational.to_bits(), (std::f64::consts::PI * 1e3).to_bits());
    }

    #[test]
    fn counters_and_directions_are_known_by_their_quantity() {
        assert_eq!(Extra::of_series("sko-01/pulses"), Extra::Increase);
        assert_eq!(Extra::of_series("sko-01/wind_direction/roof"), Extra::Vector);
        assert_eq!(Extra::of_series("sko-01/temperature"), Extra::None);
        assert_eq!(Extra::of_series("nonsense"), Extra::None);
    }
}
