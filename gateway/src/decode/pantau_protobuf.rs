//! Pantau's own protobuf, `pantau.v1.DeviceReadings` of `proto/proto/pantau/v1/device.proto`, on `pantau-pb/<device>`.

use pantau_proto::Flags;
use pantau_proto::v1::Reason;

use super::columns::Found;
use super::protobuf::{Bad, Fields};
use super::time::Unit;
use super::{Columns, MAX_READINGS, Message, Notes, Refusal, UNTIMED};

#[derive(Default)]
struct Reading<'a> {
    quantity: &'a str,
    channel: &'a str,
    unit: &'a str,
    value: f64,
    time: i64,
}

pub(super) fn decode(message: Message<'_>, out: &mut Columns, notes: &mut Notes) -> Result<(), Refusal> {
    let bad =
        |what: Bad| Refusal::new(Reason::BadPayload, format!("not the protobuf that is expected: {what}"));
    let late = |what: String| Refusal::new(Reason::BadPayload, what);
    // Device and time may come behind the readings, so that there are two looks.
    let (mut device, mut time, mut readings) = ("", 0, 0);
    let mut fields = Fields::of(message.payload);
    while let Some((number, value)) = fields.next().map_err(bad)? {
        match number {
            1 => device = value.text().map_err(bad)?,
            2 => time = value.zigzag().map_err(bad)?,
            3 => readings += 1,
            _ => {}
        }
    }
    if readings == 0 {
        return Err(Refusal::new(Reason::BadPayload, "the message holds no reading"));
    }
    if readings > MAX_READINGS {
        let what = format!("more than {MAX_READINGS} readings in one payload");
        return Err(Refusal::new(Reason::TooLarge, what));
    }
    let device = if device.is_empty() { message.device } else { device };
    let start = out.mark();
    let mut refusal = None;
    let mut fields = Fields::of(message.payload);
    while let Some((number, value)) = fields.next().map_err(bad)? {
        if number != 3 {
            continue;
        }
        let read = value.bytes().and_then(reading).map_err(bad).and_then(|reading| {
            let own = if reading.time == 0 { time } else { reading.time };
            let at = if own == 0 { Ok(UNTIMED) } else { Unit::Milliseconds.whole(own).map_err(late) };
            Ok((reading, at?))
        });
        let (reading, time) = match read {
            Ok(read) => read,
            // What is broken inside, or without its time, costs all: nothing says where it would be right again.
            Err(refusal) => {
                out.back_to(start);
                return Err(refusal);
            }
        };
        if time != UNTIMED {
            notes.time_from = "time";
        }
        let Reading { quantity, channel, unit, value, .. } = reading;
        let found = Found { device, quantity, channel, unit, value, time, flags: Flags::NONE };
        if let Err(one) = out.add(found) {
            refusal.get_or_insert(one);
        }
    }
    refusal.map_or(Ok(()), Err)
}

fn reading(bytes: &[u8]) -> Result<Reading<'_>, Bad> {
    let mut reading = Reading::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => reading.quantity = value.text()?,
            2 => reading.channel = value.text()?,
            3 => reading.unit = value.text()?,
            4 => reading.value = value.double()?,
            5 => reading.time = value.zigzag()?,
            _ => {}
        }
    }
    Ok(reading)
}
