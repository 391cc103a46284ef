//! Pantau's own JSON on `<prefix>/<device>`:
//!
//! ```json
//! {"time": "2026-01-31T07:00:00Z", "air_temperature": 27.4, "air_pressure": {"value": 29.9, "unit": "[in_i'Hg]"}, "soil_moisture/deep": 0.31}
//! ```
//!
//! `time` is RFC 3339 or whole milliseconds since the epoch; without it (or with null) the arrival counts. A null
//! in place of a number means "no value" and is left out. Read by a visitor, without building a tree.

use std::borrow::Cow;
use std::fmt;

use pantau_proto::v1::Reason;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::text::Text;
use super::{Columns, MAX_READINGS, Refusal, UNTIMED, time};

pub(super) fn decode(device: &str, payload: &[u8], out: &mut Columns) -> Result<(), Refusal> {
    let mark = out.mark();
    let mut object = Object { device, out, members: 0, time: None, refusal: None };
    let mut input = serde_json::Deserializer::from_slice(payload);
    let read = input.deserialize_map(&mut object).and_then(|()| input.end());
    let Object { members, time, mut refusal, .. } = object;
    if let Err(error) = read {
        out.back_to(mark);
        return Err(Refusal::new(Reason::BadPayload, format!("not the JSON that is expected: {error}")));
    }
    match time {
        None => {}
        Some(Ok(time)) => out.set_time(mark, time),
        // Without its time a reading would be stored at a wrong one: nothing of the payload is taken.
        Some(Err(detail)) => {
            out.back_to(mark);
            return Err(Refusal::new(Reason::BadPayload, detail));
        }
    }
    if members > MAX_READINGS {
        out.back_to(mark);
        refusal =
            Some(Refusal::new(Reason::TooLarge, format!("more than {MAX_READINGS} readings in one payload")));
    } else if members == 0 {
        refusal = Some(Refusal::new(Reason::BadPayload, "the JSON object holds no reading"));
    }
    refusal.map_or(Ok(()), Err)
}

/// What is known of the object so far.
struct Object<'a> {
    device: &'a str,
    out: &'a mut Columns,
    members: usize,
    time: Option<Result<i64, String>>,
    refusal: Option<Refusal>,
}

impl Object<'_> {
    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    fn member(&mut self, name: &str, value: Value<'_>) {
        self.members += 1;
        if self.members > MAX_READINGS {
            return;
        }
        let (number, unit) = match value {
            Value::Null => return,
            Value::Number(number) => (number, Cow::Borrowed("")),
            Value::Measured(number, unit) => (number, unit),
            Value::Text(_) | Value::Other => {
                let name: String = name.chars().take(64).collect();
                let detail =
                    format!("{name:?} is neither a number nor {{\"value\": number, \"unit\": text}}");
                return self.refuse(Refusal::new(Reason::BadPayload, detail));
            }
        };
        if let Err(refusal) = self.out.push(self.device, name, &unit, number) {
            self.refuse(refusal);
        }
    }
}

impl<'de> Visitor<'de> for &mut Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with readings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Text)? {
            let value = map.next_value_seed(Any { nested: true })?;
            if name == "time" {
                self.time = match value {
                    Value::Null => None,
                    Value::Text(text) => Some(time::rfc3339(&text)),
                    Value::Number(number) => Some(time::epoch_ms(number)),
                    Value::Measured(..) | Value::Other => {
                        Some(Err("the time is neither text nor a number".into()))
                    }
                };
            } else {
                self.member(&name, value);
            }
        }
        debug_assert!(self.out.times.last().is_none_or(|time| *time == UNTIMED || self.members == 0));
        Ok(())
    }
}

enum Value<'de> {
    Null,
    Number(f64),
    Text(Cow<'de, str>),
    Measured(f64, Cow<'de, str>),
    Other,
}

/// Any JSON value, kept only as far as it can mean something.
struct Any {
    nested: bool,
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value::Number(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles")]
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles")]
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut number, mut unit, mut strange) = (None, Cow::Borrowed(""), !self.nested);
        while let Some(name) = map.next_key_seed(Text)? {
            if strange {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            match (name.as_ref(), map.next_value_seed(Any { nested: false })?) {
                ("value", value @ (Value::Number(_) | Value::Null)) => number = Some(value),
                ("unit", Value::Text(text)) => unit = text,
                _ => strange = true,
            }
        }
        Ok(match number {
            Some(Value::Number(number)) if !strange => Value::Measured(number, unit),
            Some(Value::Null) if !strange => Value::Null,
            _ => Value::Other,
        })
    }
}
