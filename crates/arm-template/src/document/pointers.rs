//! References into a definition: `#/definitions/a/properties/b`.
//!
//! Source: Azure/bicep, `Emit/TemplateWriter.cs` (`ResolvedInternalReference`): the type of a member, of an element or of a
//! variant is named by a JSON pointer (RFC 6901) as a URI fragment, each of its segments encoded for both.

use crate::functions::uri::percent_decode;
use crate::jsonc::{Kind, Node};
use crate::value::folded;
use std::collections::BTreeSet;

pub(super) const PREFIX: &str = "#/definitions/";

/// The sections whose types may refer to definitions; resources hold templates with definitions of their own.
const SECTIONS: &[&str] = &["definitions", "functions", "parameters", "outputs"];

/// What a `$ref` names, as the key under which the definition is kept: a folded name, or for a place inside of a definition
/// the folded pointer, with a slash before it. None for a reference to something else.
pub(super) fn key(reference: &str) -> Option<String> {
    let pointer = reference.strip_prefix(PREFIX).filter(|pointer| !pointer.is_empty())?;
    Some(folded(&if pointer.contains('/') { format!("/{pointer}") } else { decoded(pointer) }))
}

/// The reference of a key, for messages.
pub(super) fn shown(key: &str) -> String {
    format!("{PREFIX}{}", key.strip_prefix('/').unwrap_or(key))
}

/// All references into definitions of a template.
pub(super) fn all(template: &Node) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    SECTIONS.iter().filter_map(|name| template.get(name)).for_each(|section| collect(section, &mut found));
    found
}

fn collect<'n>(node: &'n Node, found: &mut BTreeSet<&'n str>) {
    node.elements().unwrap_or_default().iter().for_each(|element| collect(element, found));
    for member in node.members() {
        let reference = member.name.eq_ignore_ascii_case("$ref").then(|| member.value.as_str()).flatten();
        let pointer = reference.and_then(|reference| reference.strip_prefix(PREFIX));
        if pointer.is_some_and(|pointer| pointer.contains('/')) {
            found.extend(reference);
        }
        collect(&member.value, found);
    }
}

/// The type that a reference leads to; nothing where it leads to no type.
pub(super) fn find<'n>(definitions: &'n Node, reference: &str) -> Option<&'n Node> {
    let mut segments = reference.strip_prefix(PREFIX)?.split('/').map(decoded);
    let mut node = definitions.get(&segments.next()?)?;
    while let Some(word) = segments.next() {
        let below = node.get(&word)?;
        node = match folded(&word).as_str() {
            "items" | "additionalproperties" => below,
            "properties" => below.get(&segments.next()?)?,
            "prefixitems" => below.elements()?.get(segments.next()?.parse::<usize>().ok()?)?,
            "discriminator" if segments.next()?.eq_ignore_ascii_case("mapping") => {
                below.get("mapping")?.get(&segments.next()?)?
            }
            _ => return None,
        };
    }
    // `items` and `additionalProperties` may also be true or false.
    matches!(node.kind, Kind::Object(_)).then_some(node)
}

fn decoded(segment: &str) -> String {
    percent_decode(segment, false).replace("~1", "/").replace("~0", "~")
}
