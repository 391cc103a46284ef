//! Latencies in buckets that are 1/64 of their value wide (1.6 %), from nanoseconds to centuries.

/// Buckets of a power of two.
const FINE: u64 = 64;

/// Counts of nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; bucket(u64::MAX) + 1], count: 0, max: 0 }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The upper bound of the bucket in which the share `quantile` of all is reached; the exact maximum for 1.
    pub(crate) fn quantile(&self, quantile: f64) -> u64 {
        let wanted = (quantile * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(index as u64).min(self.max);
            }
        }
        self.max
    }
}

/// Below 64 each number has a bucket, above 64 for each power of two.
fn bucket(nanos: u64) -> usize {
    let shift = u64::from(64 - nanos.leading_zeros()).saturating_sub(7);
    (shift * FINE + (nanos >> shift)) as usize
}

/// The largest number in a bucket.
fn upper(bucket: u64) -> u64 {
    if bucket < 2 * FINE {
        return bucket;
    }
    let shift = bucket / FINE - 1;
    let low = bucket - shift * FINE;
    (low << shift) | ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::{Histogram, bucket, upper};

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_samples_within_two_percent(
            samples in prop::collection::vec(prop_oneof![0..200_u64, any::<u64>(), 0..1_u64 << 30], 1..200),
            quantile in 0.0..=1.0_f64,
        ) {
            let mut halves = [Histogram::new(), Histogram::new()];
            for (index, sample) in samples.iter().enumerate() {
                halves[index % 2].record(*sample);
            }
            let [mut histogram, other] = halves;
            histogram.merge(&other);
            let mut sorted = samples.clone();
            sorted.sort_unstable();
            let rank = ((quantile * sorted.len() as f64).ceil() as usize).max(1);
            let exact = sorted[rank - 1];
            let got = histogram.quantile(quantile);
            prop_assert!(got >= exact && got as f64 <= exact as f64 * 1.02 + 1.0, "{} for {}", got, exact);
        }

        #[test]
        fn a_bucket_holds_what_is_up_to_its_bound(nanos in any::<u64>()) {
            let bound = upper(bucket(nanos) as u64);
            prop_assert!(bound >= nanos);
            prop_assert_eq!(bucket(bound), bucket(nanos));
            prop_assert!(bound == u64::MAX || bucket(bound + 1) == bucket(nanos) + 1);
        }
    }
}
