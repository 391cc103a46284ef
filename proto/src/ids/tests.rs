#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::{DeviceName, GatewayId, NameError, Part, SeriesName};

#[test]
fn a_series_name_gives_its_parts() {
    let name = SeriesName::new("jkt-air-07/pm2_5").unwrap();
    assert_eq!((name.device(), name.quantity(), name.channel()), ("jkt-air-07", "pm2_5", None));
    let name = SeriesName::new("a:b.c/water_temperature/deep.1").unwrap();
    assert_eq!(
        (name.device(), name.quantity(), name.channel()),
        ("a:b.c", "water_temperature", Some("deep.1"))
    );
    assert_eq!(name.to_string(), "a:b.c/water_temperature/deep.1");
}

#[test]
fn a_refused_name_says_what_is_wrong_and_where() {
    let error = |text: &str| SeriesName::new(text).unwrap_err();
    assert_eq!(error("air"), NameError::Parts);
    assert_eq!(error("a/b/c/d"), NameError::Parts);
    assert_eq!(error("/pm10"), NameError::Empty { part: Part::Device });
    assert_eq!(error("a/b/"), NameError::Empty { part: Part::Channel });
    assert_eq!(error("a/pm.10"), NameError::Character { part: Part::Quantity, found: '.', at: 2 });
    assert_eq!(error("aé/pm10"), NameError::Character { part: Part::Device, found: 'é', at: 1 });
    assert_eq!(
        DeviceName::new("-a").unwrap_err().to_string(),
        "the device name has '-' at byte 0; allowed are letters, digits, - . _ and :, beginning with a letter or digit"
    );
    assert!(GatewayId::new("x".repeat(64)).is_ok());
    assert_eq!(
        GatewayId::new("x".repeat(65)).unwrap_err(),
        NameError::TooLong { part: Part::Gateway, bytes: 65, max: 64 }
    );
    assert!(SeriesName::new(format!("a/b/{}", "x".repeat(33))).is_err());
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused_without_a_panic(text in any::<String>()) {
        let _ = SeriesName::new(&text);
        let _ = DeviceName::new(&text);
    }

    #[test]
    fn a_name_put_together_comes_apart_again(
        device in "[A-Za-z0-9][-A-Za-z0-9._:]{0,63}",
        quantity in "[A-Za-z0-9][A-Za-z0-9_]{0,63}",
        channel in proptest::option::of("[A-Za-z0-9][-A-Za-z0-9._:]{0,31}"),
    ) {
        let device = DeviceName::new(device).unwrap();
        let name = SeriesName::of(&device, &quantity, channel.as_deref()).unwrap();
        prop_assert!(name.as_str().len() <= super::MAX_SERIES_BYTES);
        prop_assert_eq!(name.device(), device.as_str());
        prop_assert_eq!(name.quantity(), quantity);
        prop_assert_eq!(name.channel(), channel.as_deref());
    }
}
