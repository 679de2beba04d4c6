//! ARM ids and paths. Both compare without regard to case, while the caller's spelling of a name is kept in
//! every answer (`azure-docs: template-functions-resource.md`). This is the only place that takes a path apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of a subscription, a resource group or a resource:
/// `/subscriptions/{guid}[/resourceGroups/{name}][/providers/{namespace}/{type}/{name}(/{type}/{name})*]`.
#[derive(Clone, Debug)]
pub(crate) struct ResourceId {
    subscription: String,
    resource_group: Option<String>,
    resource: Option<ResourcePart>,
}

#[derive(Clone, Debug)]
struct ResourcePart {
    namespace: String,
    /// Type and name alternate, so that they cannot differ in number.
    segments: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a resource id: {reason}")]
pub(crate) struct ResourceIdError {
    text: String,
    reason: &'static str,
}

impl ResourceId {
    /// A resource in a resource group; `resource_type` is `namespace/type`.
    pub(crate) fn in_group(subscription: &str, group: &str, resource_type: &str, name: &str) -> Self {
        let (namespace, kind) = resource_type.split_once('/').unwrap_or((resource_type, ""));
        let segments = vec![(kind.to_owned(), name.to_owned())];
        let resource = ResourcePart { namespace: namespace.to_owned(), segments };
        Self {
            subscription: subscription.to_owned(),
            resource_group: Some(group.to_owned()),
            resource: Some(resource),
        }
    }

    pub(crate) fn subscription(&self) -> &str {
        &self.subscription
    }

    pub(crate) fn resource_group(&self) -> Option<&str> {
        self.resource_group.as_deref()
    }

    /// `namespace/type[/childType…]`.
    pub(crate) fn resource_type(&self) -> Option<String> {
        let resource = self.resource.as_ref()?;
        let types = resource.segments.iter().map(|(kind, _)| kind.as_str());
        Some(std::iter::once(resource.namespace.as_str()).chain(types).collect::<Vec<_>>().join("/"))
    }

    /// `name[/childName…]`.
    pub(crate) fn name(&self) -> Option<String> {
        let resource = self.resource.as_ref()?;
        Some(resource.segments.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join("/"))
    }

    /// What two ids that mean the same resource have in common; also the key under which it is stored.
    pub(crate) fn key(&self) -> String {
        self.to_string().to_lowercase()
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ResourceId {}

impl fmt::Display for ResourceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "/subscriptions/{}", self.subscription)?;
        if let Some(group) = &self.resource_group {
            write!(out, "/resourceGroups/{group}")?;
        }
        if let Some(resource) = &self.resource {
            write!(out, "/providers/{}", resource.namespace)?;
            for (kind, name) in &resource.segments {
                write!(out, "/{kind}/{name}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for ResourceId {
    type Err = ResourceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| ResourceIdError { text: text.to_owned(), reason };
        let mut rest = text.split('/').filter(|segment| !segment.is_empty()).peekable();
        if !rest.next().is_some_and(|word| word.eq_ignore_ascii_case("subscriptions")) {
            return Err(fail("it does not start with `/subscriptions/`"));
        }
        let subscription = rest.next().ok_or_else(|| fail("the subscription is missing"))?.to_owned();
        let resource_group = if rest.next_if(|word| word.eq_ignore_ascii_case("resourceGroups")).is_some() {
            Some(rest.next().ok_or_else(|| fail("the resource group's name is missing"))?.to_owned())
        } else {
            None
        };
        let resource = match rest.next() {
            None => None,
            Some(word) if word.eq_ignore_ascii_case("providers") => {
                let namespace =
                    rest.next().ok_or_else(|| fail("the provider namespace is missing"))?.to_owned();
                let mut segments = Vec::new();
                while let Some(kind) = rest.next() {
                    if kind.eq_ignore_ascii_case("providers") {
                        return Err(fail("extension resources are not supported"));
                    }
                    let name = rest.next().ok_or_else(|| fail("a type is not followed by a name"))?;
                    segments.push((kind.to_owned(), name.to_owned()));
                }
                if segments.is_empty() {
                    return Err(fail("the provider namespace is not followed by a type and a name"));
                }
                Some(ResourcePart { namespace, segments })
            }
            Some(_) => return Err(fail("`providers` was expected after the scope")),
        };
        Ok(Self { subscription, resource_group, resource })
    }
}

impl Serialize for ResourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Brings a request path into the one spelling that the router knows: fixed words in lower case, names as given, no
/// empty segments, no slash at the end, and the short form that az uses for a deployment's operations
/// (`…/resourcegroups/{g}/deployments/{d}/operations`) with its provider filled in.
pub(crate) fn normalise_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    let mut next = Position::Word;
    let mut in_provider = false;
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    for (index, segment) in segments.enumerate() {
        let lower = segment.to_ascii_lowercase();
        match next {
            Position::Name => {
                push(&mut out, segment);
                next = Position::Word;
            }
            Position::Namespace => {
                push(&mut out, &lower);
                next = Position::Word;
                in_provider = true;
            }
            Position::Fixed => push(&mut out, &lower),
            Position::Word => {
                next = match lower.as_str() {
                    "providers" => Position::Namespace,
                    "metadata" if index == 0 => Position::Fixed,
                    _ => Position::Name,
                };
                if lower == "deployments" && !in_provider && index > 0 {
                    push(&mut out, "providers");
                    push(&mut out, "microsoft.resources");
                    in_provider = true;
                }
                push(&mut out, &lower);
            }
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

/// What the next segment of a path is.
enum Position {
    Word,
    Name,
    Namespace,
    Fixed,
}

fn push(out: &mut String, segment: &str) {
    out.push('/');
    out.push_str(segment);
}

#[cfg(test)]
mod tests;
