#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Kind, quantities, quantity};

#[test]
fn every_quantity_is_found_by_its_name() {
    assert_eq!(quantities().len(), 43);
    for entry in quantities() {
        assert_eq!(quantity(entry.name), Some(entry));
        assert!(entry.plausible_min < entry.plausible_max, "{}", entry.name);
        assert!(crate::SeriesName::new(format!("d/{}", entry.name)).is_ok());
    }
    assert_eq!(quantity("PM2_5"), None);
    assert_eq!(quantity(""), None);
}

#[test]
fn an_entry_is_as_the_file_says() {
    let entry = quantity("pulses").unwrap();
    assert_eq!((entry.kind, entry.unit, entry.title_id), (Kind::Counter, "{count}", "Jumlah pulsa"));
    assert_eq!((entry.plausible_min, entry.plausible_max), (0.0, 1e18));
    assert!(entry.is_plausible(0.0) && !entry.is_plausible(-1.0) && !entry.is_plausible(f64::NAN));
}
