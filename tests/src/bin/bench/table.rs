//! Rows of the table, medians.

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) figure: &'static str,
    pub(crate) pantau: String,
    pub(crate) beside: String,
    pub(crate) wanted: &'static str,
}

impl Row {
    pub(crate) fn line(&self) -> String {
        format!("| {} | {} | {} | {} |", self.figure, self.pantau, self.beside, self.wanted)
    }
}

pub(crate) fn render(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(Row::line).collect();
    format!("| figure | Pantau | beside | wanted |\n|---|---|---|---|\n{}", lines.join("\n"))
}

/// The middle one; of an even number the lower of the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// `1234567.0` as `1.23 M`, `45678.0` as `45.7 k`.
pub(crate) fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2} M", v / 1e6),
        v if v >= 1e3 => format!("{:.1} k", v / 1e3),
        v => format!("{v:.2}"),
    }
}
