//! Prometheus text, read strictly enough to notice a malformed page.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The samples of one scrape: `name` or `name{labels}` → value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads `/metrics` of the server at `address`.
    #[track_caller]
    #[must_use]
    pub fn scrape(address: SocketAddr) -> Self {
        let answer = crate::http::get(address, "/metrics");
        assert_eq!(answer.status, 200, "GET /metrics: {}", answer.body);
        Self::parse(&answer.body).unwrap_or_else(|line| panic!("not a metrics line: {line:?}"))
    }

    /// Reads a page; the error is the line that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut samples = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let end = line.find('}').map_or_else(|| line.find(' '), |brace| Some(brace + 1));
            let (name, rest) = line.split_at(end.ok_or_else(|| line.to_owned())?);
            let value = rest.split_whitespace().next().and_then(|value| value.parse::<f64>().ok());
            samples.insert(name.to_owned(), value.ok_or_else(|| line.to_owned())?);
        }
        Ok(Self { samples })
    }

    /// The sum of all samples of this name, whatever their labels; `None` if there is none.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<f64> {
        let of_name = |key: &str| key.split('{').next() == Some(name);
        let values: Vec<f64> = self.samples.iter().filter(|(key, _)| of_name(key)).map(|(_, v)| *v).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The sum of all samples of this name; panics if there is none.
    #[track_caller]
    #[must_use]
    pub fn get(&self, name: &str) -> f64 {
        let names = || self.samples.keys().cloned().collect::<Vec<_>>().join("\n");
        self.find(name).unwrap_or_else(|| panic!("no metric {name} among\n{}", names()))
    }

    /// The same, as a whole number.
    #[track_caller]
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        let value = self.get(name);
        assert!(value >= 0.0 && value.fract() == 0.0, "{name} is {value}, not a count");
        value as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn a_metric_with_labels_is_summed_and_one_without_is_read() {
        let text = "# HELP a b\n# TYPE a counter\na_total 3\nb{x=\"1\"} 2\nb{x=\"2 3\"} 5.5\n# EOF\n";
        let metrics = Metrics::parse(text).unwrap();
        assert_eq!(metrics.count("a_total"), 3);
        assert_eq!(metrics.get("b"), 7.5);
        assert_eq!(metrics.find("c"), None);
    }

    #[test]
    fn a_line_without_a_number_is_named() {
        assert_eq!(Metrics::parse("a_total many\n"), Err("a_total many".to_owned()));
    }
}
