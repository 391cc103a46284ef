//! From a voltage to what it stands for: a line or a table of points. Pure.

/// Pairs of (measured, value), the measured ones strictly rising; two or more.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Calibration {
    /// value = measured × scale + offset.
    Linear {
        /// Value a volt.
        scale: f64,
        /// Value at 0 V.
        offset: f64,
    },
    /// Straight between its points; what lies beyond them is a fault, as a broken wire does.
    Table(Vec<(f64, f64)>),
}

impl Calibration {
    /// A table.
    ///
    /// # Errors
    /// What is wrong with the points.
    pub(crate) fn table(points: &[[f64; 2]]) -> Result<Self, String> {
        if points.len() < 2 {
            return Err("a table has two points or more".into());
        }
        if points.iter().flatten().any(|number| !number.is_finite()) {
            return Err("a point is no number".into());
        }
        if let Some(pair) = points.windows(2).find(|pair| pair[0][0] >= pair[1][0]) {
            return Err(format!("{} stands before {}: the voltages have to rise", pair[0][0], pair[1][0]));
        }
        Ok(Self::Table(points.iter().map(|[measured, value]| (*measured, *value)).collect()))
    }

    /// What a voltage stands for.
    ///
    /// # Errors
    /// When the table does not know it.
    pub(crate) fn value(&self, measured: f64) -> Result<f64, String> {
        match self {
            Self::Linear { scale, offset } => Ok(measured * scale + offset),
            Self::Table(points) => {
                let after = points.partition_point(|(at, _)| *at < measured);
                let point = |n: usize| points.get(n).copied();
                match (after.checked_sub(1).and_then(point), point(after)) {
                    (_, Some((at, value))) if at == measured => Ok(value),
                    (Some((from, low)), Some((to, high))) => {
                        Ok(low + (high - low) * (measured - from) / (to - from))
                    }
                    _ => Err(format!(
                        "{measured:.4} V is outside of the table: look at the sensor's wires, or add points"
                    )),
                }
            }
        }
    }
}
