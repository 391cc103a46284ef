use proptest::prelude::*;

use super::super::ds18b20::{Ds18b20, celsius, crc8};
use super::{Driver, values};
use crate::pins::trouble::Trouble;

/// A `w1_slave` file as the kernel (w1_therm.c) writes it.
fn file(scratchpad: [u8; 8]) -> String {
    let crc = crc8(&scratchpad);
    let bytes: String = scratchpad.iter().chain([&crc]).map(|byte| format!("{byte:02x} ")).collect();
    let raw = i16::from_le_bytes([scratchpad[0], scratchpad[1]]);
    format!("{bytes}: crc={crc:02x} YES\n{bytes}t={}\n", i32::from(raw) * 1000 / 16)
}

fn scratchpad(raw: i16) -> [u8; 8] {
    let [low, high] = raw.to_le_bytes();
    [low, high, 0x4b, 0x46, 0x7f, 0xff, 0x0e, 0x10]
}

#[test]
fn a_ds18b20_is_read_as_the_kernel_shows_it() {
    // From the kernel's Documentation/w1/slaves/w1_therm.rst and from a real sensor.
    let real = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";
    assert_eq!(file(scratchpad(0x0172)), real);
    assert_eq!(celsius(real), Ok(23.125));
    // The datasheet's table 1.
    for (raw, degrees) in [(0x07d0, 125.0), (0x0191, 25.0625), (0x0008, 0.5), (-8, -0.5), (-0x0370, -55.0)] {
        assert_eq!(celsius(&file(scratchpad(raw))), Ok(degrees));
    }
}

#[test]
fn a_ds18b20_that_cannot_be_believed_has_no_value() {
    let said = |text: &str| celsius(text).unwrap_err().to_string();
    assert!(said(&file(scratchpad(0x0550))).contains("85 °C"));
    assert!(said(&file([0; 8])).contains("shorted"));
    let good = file(scratchpad(0x0172));
    assert!(said(&good.replace("YES", "NO")).contains("checksum"));
    assert!(said(&good.replace("72 01", "73 01")).contains("checksum"));
    for text in ["", "t=23125", "72 01 4b", "xx 01 4b 46 7f ff 0e 10 57 : crc=57 YES"] {
        assert!(said(text).contains("no w1_slave file"), "{text:?}");
    }
}

#[test]
fn a_ds18b20_comes_and_goes_with_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("28-0316a4d1b2ff");
    let mut sensor = Ds18b20::new(folder.clone());
    assert!(matches!(sensor.measure(), Err(Trouble::Wrong(what)) if what.contains("does not see it")));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("w1_slave"), file(scratchpad(0x01d0))).unwrap();
    assert_eq!(values(&sensor.measure().unwrap()), [29.0]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(sensor.measure().is_err());
}

proptest! {
    #[test]
    fn any_text_is_a_value_or_a_fault(text in ".{0,200}") {
        drop(celsius(&text));
    }

    #[test]
    fn every_single_bit_that_is_wrong_is_found(bit in 0_usize..72, raw in -880_i16..2_000) {
        prop_assume!(raw != 0x0550);
        let good = file(scratchpad(raw));
        prop_assert_eq!(celsius(&good), Ok(f64::from(raw) / 16.0));
        let mut bytes: Vec<u8> = good.split(' ').take(9).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let bad: String = bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
        let bad = format!("{bad}: crc=00 YES\n");
        prop_assert!(celsius(&bad).is_err());
    }
}
