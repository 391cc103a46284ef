//! The records of a SenML pack in JSON, read without a tree between: a pack has many small ones.

use std::fmt;

use pantau_proto::v1::Reason;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Refusal;
use super::senml::{MAX_RECORDS, Record, unknown};
use super::text::Text;

pub(super) fn records(payload: &[u8]) -> Result<Vec<Record<'_>>, Refusal> {
    let mut records = Vec::with_capacity(8);
    let mut input = serde_json::Deserializer::from_slice(payload);
    let read = input.deserialize_seq(Pack(&mut records)).and_then(|()| input.end());
    match read {
        Ok(()) => Ok(records),
        Err(_) if records.len() > MAX_RECORDS => {
            Err(Refusal::new(Reason::TooLarge, format!("more than {MAX_RECORDS} records")))
        }
        Err(error) => Err(Refusal::new(Reason::BadPayload, format!("record {}: {error}", records.len() + 1))),
    }
}

struct Pack<'r, 'a>(&'r mut Vec<Record<'a>>);

impl<'de> Visitor<'de> for Pack<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records, which a SenML pack is")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(record) = list.next_element_seed(One)? {
            self.0.push(record);
            if self.0.len() > MAX_RECORDS {
                return Err(A::Error::custom("too many records"));
            }
        }
        Ok(())
    }
}

struct One;

impl<'de> DeserializeSeed<'de> for One {
    type Value = Record<'de>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for One {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, which is a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut record = Record::default();
        while let Some(key) = map.next_key_seed(Text)? {
            match key.as_ref() {
                "bver" => record.bver = Some(map.next_value()?),
                "bn" => record.bn = Some(map.next_value_seed(Text)?),
                "bt" => record.bt = Some(map.next_value()?),
                "bu" => record.bu = Some(map.next_value_seed(Text)?),
                "bv" => record.bv = Some(map.next_value()?),
                "bs" => record.bs = Some(map.next_value()?),
                "n" => record.n = Some(map.next_value_seed(Text)?),
                "u" => record.u = Some(map.next_value_seed(Text)?),
                "t" => record.t = Some(map.next_value()?),
                "s" => record.s = Some(map.next_value()?),
                "v" => record.v = Some(map.next_value()?),
                "vb" => record.vb = Some(map.next_value()?),
                "vs" | "vd" => {
                    record.others = record.others.saturating_add(1);
                    map.next_value::<IgnoredAny>()?;
                }
                key if key.ends_with('_') => return Err(A::Error::custom(unknown(key))),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(record)
    }
}
