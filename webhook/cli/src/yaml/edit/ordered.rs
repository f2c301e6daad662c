//! A document that is written anew with its keys in the order in which they
//! were: in `serde_json`'s values they are sorted.

use std::fmt;

use json_patch::{
    Patch, PatchOperation,
    jsonptr::{Pointer, Token},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap as _, SerializeSeq as _},
};
use serde_json::Value;

/// A value whose keys have an order.
#[derive(Debug)]
pub(super) enum Ordered {
    /// Keys and values.
    Mapping(Vec<(String, Self)>),
    /// Items.
    List(Vec<Self>),
    /// Anything else.
    Single(Value),
}

impl Ordered {
    /// `document` with `patch` applied; `None` where it says anything else than
    /// `wanted` then, which is the measure.
    pub(super) fn patched(document: &str, patch: &Patch, wanted: &Value) -> Option<Self> {
        let options = crate::yaml::documents::options();
        let mut root: Self = serde_saphyr::from_str_with_options(document, options).ok()?;
        for operation in &patch.0 {
            root.apply(operation)?;
        }
        (serde_json::to_value(&root).ok()? == *wanted).then_some(root)
    }

    fn apply(&mut self, operation: &PatchOperation) -> Option<()> {
        let (parent, name) = self.parent(operation.path())?;
        match operation {
            PatchOperation::Add(add) => parent.add(&name, add.value.clone().into()),
            PatchOperation::Replace(new) => {
                *parent.child(&name)? = new.value.clone().into();
                Some(())
            }
            PatchOperation::Remove(_) => parent.remove(&name),
            _ => None,
        }
    }

    /// What has the last name of a path, and this name.
    fn parent(&mut self, path: &Pointer) -> Option<(&mut Self, String)> {
        let name = |token: Token<'_>| token.decoded().into_owned();
        let (parents, last) = path.split_back()?;
        let mut node = self;
        for token in parents.tokens() {
            node = node.child(&name(token))?;
        }
        Some((node, name(last)))
    }

    fn child(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Mapping(entries) => {
                entries.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            Self::List(items) => items.get_mut(name.parse::<usize>().ok()?),
            Self::Single(_) => None,
        }
    }

    fn add(&mut self, name: &str, value: Self) -> Option<()> {
        match self {
            Self::Mapping(entries) => match entries.iter_mut().find(|(key, _)| key == name) {
                Some((_, existing)) => *existing = value,
                None => entries.push((name.to_owned(), value)),
            },
            Self::List(items) if name == "-" => items.push(value),
            Self::List(items) => {
                let place = name.parse().ok().filter(|place| *place <= items.len())?;
                items.insert(place, value);
            }
            Self::Single(_) => return None,
        }
        Some(())
    }

    fn remove(&mut self, name: &str) -> Option<()> {
        match self {
            Self::Mapping(entries) => {
                let place = entries.iter().position(|(key, _)| key == name)?;
                entries.remove(place);
            }
            Self::List(items) => {
                let place = name.parse().ok().filter(|place| *place < items.len())?;
                items.remove(place);
            }
            Self::Single(_) => return None,
        }
        Some(())
    }
}

impl From<Value> for Ordered {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(entries) => {
                Self::Mapping(entries.into_iter().map(|(key, value)| (key, value.into())).collect())
            }
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            single => Self::Single(single),
        }
    }
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Mapping(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Single(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrderedVisitor)
    }
}

/// Collections keep their order; what is single is read as a value is.
struct OrderedVisitor;

impl<'de> Visitor<'de> for OrderedVisitor {
    type Value = Ordered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Ordered::Mapping(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ordered, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Ordered::List(items))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Ordered, E> {
        Ok(Ordered::Single(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Ordered, E> {
        Ok(Ordered::Single(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Ordered, E> {
        Ok(Ordered::Single(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Ordered, E> {
        Ok(Ordered::Single(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Ordered, E> {
        Ok(Ordered::Single(value.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Ordered, E> {
        Ok(Ordered::Single(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Ordered, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Ordered, D::Error> {
        Ordered::deserialize(deserializer)
    }
}
