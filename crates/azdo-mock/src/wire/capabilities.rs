//! What an agent is able to do: names and values, thirty and more of an agent, and there are thousands of agents.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Capabilities by name. A map of strings takes three times their text; this takes little more than the text.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    /// Each name and its value, one after the other.
    text: Box<str>,
    /// Where each name and each value ends.
    ends: Box<[u32]>,
}

impl Capabilities {
    /// Names and values, ordered by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut from = 0;
        let mut part = move |end: &u32| {
            let start = std::mem::replace(&mut from, *end as usize);
            self.text.get(start..from).unwrap_or_default()
        };
        self.ends.chunks_exact(2).filter_map(move |pair| match pair {
            [name, value] => Some((part(name), part(value))),
            _ => None,
        })
    }
}

impl From<BTreeMap<String, String>> for Capabilities {
    fn from(map: BTreeMap<String, String>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(map.len() * 2));
        for part in map.iter().flat_map(|(name, value)| [name, value]) {
            text.push_str(part);
            // A body has at most 8 MiB.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { text: text.into_boxed_str(), ends: ends.into_boxed_slice() }
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Capabilities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Capabilities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_went_in_comes_out(map: BTreeMap<String, String>) {
            let kept = Capabilities::from(map.clone());
            let out: BTreeMap<String, String> =
                kept.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            proptest::prop_assert_eq!(&out, &map);
            let text = serde_json::to_string(&kept).unwrap();
            proptest::prop_assert_eq!(&text, &serde_json::to_string(&map).unwrap());
            proptest::prop_assert_eq!(serde_json::from_str::<Capabilities>(&text).unwrap(), kept);
        }
    }
}
