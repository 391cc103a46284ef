//! How Sensirion's sensors put words on the wire: two bytes, the high one first, and their CRC (SHT4x datasheet 4.4,
//! SCD4x datasheet 3.11: polynomial 0x31, start 0xff, no reflection).

use crate::pins::trouble::Trouble;

pub(super) fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0xff, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x31 })
    })
}

/// The words of an answer, each checked.
pub(super) fn words<const N: usize>(bytes: &[u8]) -> Result<[u16; N], Trouble> {
    let mut words = [0; N];
    for (n, (word, triple)) in words.iter_mut().zip(bytes.chunks_exact(3)).enumerate() {
        if crc8(&triple[..2]) != triple[2] {
            return Err(Trouble::wrong(format!(
                "the checksum of word {n} is wrong ({triple:02x?}): shorten the cable, or slow the bus down (dtparam=i2c_arm_baudrate=50000)"
            )));
        }
        *word = u16::from_be_bytes([triple[0], triple[1]]);
    }
    Ok(words)
}

/// Temperature of both families: SHT4x datasheet 4.6, SCD4x datasheet 3.6.2.
pub(super) fn celsius(raw: u16) -> f64 {
    -45.0 + 175.0 * f64::from(raw) / 65_535.0
}
