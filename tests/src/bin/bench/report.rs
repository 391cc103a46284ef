//! What is printed: BENCHMARKS.md, with a row for each figure.

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) figure: &'static str,
    pub(crate) pantau: String,
    /// What it is compared with; empty where there is nothing.
    pub(crate) peer: String,
    /// Pantau's number divided by the peer's.
    pub(crate) ratio: Option<f64>,
    pub(crate) wanted: &'static str,
    pub(crate) met: bool,
}

impl Row {
    pub(crate) fn line(&self) -> String {
        let Self { figure, pantau, wanted, .. } = self;
        let peer = if self.peer.is_empty() { "–" } else { &self.peer };
        let ratio = self.ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let met = if self.met { "yes" } else { "**no**" };
        format!("| {figure} | {pantau} | {peer} | {ratio} | {wanted} | {met} |")
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    /// Figures that could not be measured.
    pub(crate) missing: Vec<&'static str>,
}

impl Report {
    /// The text of BENCHMARKS.md.
    pub(crate) fn document(&self, machine: &str) -> String {
        let rows: Vec<String> = self.rows.iter().map(Row::line).collect();
        let missing = match self.missing.as_slice() {
            [] => String::new(),
            names => format!("\n**Could not be measured: {}.**\n", names.join(", ")),
        };
        format!(
            "# Benchmarks\n\n\
             What Pantau promises in figures, each beside what it is compared with in the same run. `make bench` \
             measures them and prints this page.\n\n\
             {machine}\n\n\
             | figure | Pantau | compared with | Pantau ÷ the other | wanted | met |\n\
             |---|---|---|---|---|---|\n\
             {}\n{missing}\n\
             {}",
            rows.join("\n"),
            include_str!("method.md").trim_end()
        )
    }
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

/// `20000` as `20,000`.
pub(crate) fn whole(value: u64) -> String {
    let digits = value.to_string();
    let group = |(at, digit): (usize, char)| {
        let comma = at > 0 && (digits.len() - at).is_multiple_of(3);
        [comma.then_some(','), Some(digit)].into_iter().flatten()
    };
    digits.chars().enumerate().flat_map(group).collect()
}
