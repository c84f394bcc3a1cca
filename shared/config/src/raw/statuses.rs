//! Statuses of HTTP as they are written: one, or a list of them and of ranges.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// `200`, `"200-399"`, or a list of such; each as it stands there.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct RawStatuses(pub(crate) Vec<String>);

/// As it is written.
impl fmt::Debug for RawStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => f.write_str(one),
            several => write!(f, "[{}]", several.join(", ")),
        }
    }
}

impl<'de> Deserialize<'de> for RawStatuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Several)
    }
}

struct Several;

impl<'de> Visitor<'de> for Several {
    type Value = RawStatuses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 200, or a list such as [\"200-399\", 401]")
    }

    fn visit_i64<E: de::Error>(self, status: i64) -> Result<RawStatuses, E> {
        Ok(RawStatuses(vec![status.to_string()]))
    }

    fn visit_str<E: de::Error>(self, range: &str) -> Result<RawStatuses, E> {
        Ok(RawStatuses(vec![range.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawStatuses, A::Error> {
        let mut all = Vec::new();
        while let Some(RawStatuses(some)) = list.next_element()? {
            all.extend(some);
        }
        Ok(RawStatuses(all))
    }
}

impl JsonSchema for RawStatuses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let status = json_schema!({ "type": "integer", "minimum": 100, "maximum": 599 });
        let range = json_schema!({ "type": "string" });
        json_schema!({
            "anyOf": [status, range, { "type": "array", "items": { "anyOf": [status, range] } }]
        })
    }
}
