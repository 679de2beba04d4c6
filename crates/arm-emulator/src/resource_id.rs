//! ARM ids and paths. Both compare without regard to case, while the caller's spelling of a name is kept in
//! every answer (`azure-docs: template-functions-resource.md`). This is the only place that takes a path apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of a scope or a resource:
/// `[/subscriptions/{guid}[/resourceGroups/{name}]][/providers/{namespace}/{type}/{name}(/{type}/{name})*]*`.
///
/// Every `providers` after the first begins an extension resource of what stands in front of it. The tenant itself is `/`.
#[derive(Clone, Debug)]
pub(crate) struct ResourceId {
    subscription: Option<String>,
    resource_group: Option<String>,
    /// The resource, and in front of it those that it extends.
    parts: Vec<ResourcePart>,
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

/// What a path below a scope means.
#[derive(Clone, Debug)]
pub(crate) enum Addressed {
    /// A scope or a resource.
    One(ResourceId),
    /// The resources of one type at a scope or below a resource, or an action of that resource: which of the two, the
    /// method tells.
    Many { of: ResourceId, namespace: Option<String>, word: String },
}

impl ResourceId {
    /// A resource in a resource group; `resource_type` is `namespace/type`.
    pub(crate) fn in_group(subscription: &str, group: &str, resource_type: &str, name: &str) -> Self {
        let (namespace, kind) = resource_type.split_once('/').unwrap_or((resource_type, ""));
        let segments = vec![(kind.to_owned(), name.to_owned())];
        Self {
            subscription: Some(subscription.to_owned()),
            resource_group: Some(group.to_owned()),
            parts: vec![ResourcePart { namespace: namespace.to_owned(), segments }],
        }
    }

    /// Empty above subscriptions.
    pub(crate) fn subscription(&self) -> &str {
        self.subscription.as_deref().unwrap_or_default()
    }

    pub(crate) fn resource_group(&self) -> Option<&str> {
        self.resource_group.as_deref()
    }

    /// `namespace/type[/childType…]`; of an extension resource its own.
    pub(crate) fn resource_type(&self) -> Option<String> {
        let resource = self.parts.last()?;
        let types = resource.segments.iter().map(|(kind, _)| kind.as_str());
        Some(std::iter::once(resource.namespace.as_str()).chain(types).collect::<Vec<_>>().join("/"))
    }

    /// `name[/childName…]`.
    pub(crate) fn name(&self) -> Option<String> {
        let resource = self.parts.last()?;
        Some(resource.segments.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join("/"))
    }

    /// The last part of the name.
    pub(crate) fn last_name(&self) -> &str {
        self.parts.last().and_then(|part| part.segments.last()).map_or("", |(_, name)| name)
    }

    /// All names of the resource and of those that it extends.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(|part| part.segments.iter().map(|(_, name)| name.as_str()))
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.parts.last().map(|part| part.namespace.as_str())
    }

    /// Whether it extends another resource, rather than lying at a scope.
    pub(crate) fn is_extension(&self) -> bool {
        self.parts.len() > 1
    }

    /// Whether it has no parent: not a child, not an extension of a resource.
    pub(crate) fn is_top_level(&self) -> bool {
        matches!(self.parts.as_slice(), [part] if part.segments.len() == 1)
    }

    /// How many names lead to it.
    pub(crate) fn depth(&self) -> usize {
        self.parts.iter().map(|part| part.segments.len()).sum()
    }

    /// The resource that a child belongs to; none for one without.
    pub(crate) fn parent(&self) -> Option<Self> {
        let mut parent = self.clone();
        let last = parent.parts.last_mut().filter(|part| part.segments.len() > 1)?;
        last.segments.pop();
        Some(parent)
    }

    /// Where it lies: a resource group, a subscription, the tenant, or the resource that it extends.
    pub(crate) fn scope(&self) -> Self {
        let mut scope = self.clone();
        scope.parts.pop();
        scope
    }

    /// The resource group, subscription or tenant around it.
    pub(crate) fn root(&self) -> Self {
        Self { parts: Vec::new(), ..self.clone() }
    }

    /// The same, with the resource group's name as it is stored.
    pub(crate) fn respelt(mut self, group: Option<String>) -> Self {
        self.resource_group = group.or(self.resource_group);
        self
    }

    /// Whether it is a resource at all, and not a scope.
    pub(crate) fn is_resource(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether `self` is `other` or lies in it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let (own, outer) = (self.key(), other.key());
        let outer = outer.trim_end_matches('/');
        own.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
        if let Some(subscription) = &self.subscription {
            write!(out, "/subscriptions/{subscription}")?;
        }
        if let Some(group) = &self.resource_group {
            write!(out, "/resourceGroups/{group}")?;
        }
        for part in &self.parts {
            write!(out, "/providers/{}", part.namespace)?;
            for (kind, name) in &part.segments {
                write!(out, "/{kind}/{name}")?;
            }
        }
        if self.subscription.is_none() && self.parts.is_empty() { out.write_str("/") } else { Ok(()) }
    }
}

impl FromStr for ResourceId {
    type Err = ResourceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Addressed::read(text)? {
            Addressed::One(id) => Ok(id),
            Addressed::Many { .. } => {
                Err(ResourceIdError { text: text.to_owned(), reason: "a type is not followed by a name" })
            }
        }
    }
}

impl Addressed {
    /// Reads a path whose segments are decoded.
    pub(crate) fn read(text: &str) -> Result<Self, ResourceIdError> {
        let fail = |reason| ResourceIdError { text: text.to_owned(), reason };
        if !text.starts_with('/') {
            return Err(fail("it does not start with `/`"));
        }
        let mut rest = text.split('/').filter(|segment| !segment.is_empty()).peekable();
        let mut id = ResourceId { subscription: None, resource_group: None, parts: Vec::new() };
        if rest.next_if(|word| word.eq_ignore_ascii_case("subscriptions")).is_some() {
            id.subscription =
                Some(rest.next().ok_or_else(|| fail("the subscription is missing"))?.to_owned());
            if rest.next_if(|word| word.eq_ignore_ascii_case("resourceGroups")).is_some() {
                let name = rest.next().ok_or_else(|| fail("the resource group's name is missing"))?;
                id.resource_group = Some(name.to_owned());
            }
        }
        while let Some(word) = rest.next() {
            if !word.eq_ignore_ascii_case("providers") {
                return Err(fail("`providers` was expected after the scope"));
            }
            let namespace = rest.next().ok_or_else(|| fail("the provider namespace is missing"))?.to_owned();
            let mut segments = Vec::new();
            while let Some(kind) = rest.next_if(|word| !word.eq_ignore_ascii_case("providers")) {
                let Some(name) = rest.next() else {
                    return Ok(id.many(namespace, segments, kind.to_owned()));
                };
                segments.push((kind.to_owned(), name.to_owned()));
            }
            if segments.is_empty() {
                return Err(fail("the provider namespace is not followed by a type and a name"));
            }
            id.parts.push(ResourcePart { namespace, segments });
        }
        Ok(Self::One(id))
    }
}

impl ResourceId {
    fn many(mut self, namespace: String, segments: Vec<(String, String)>, word: String) -> Addressed {
        if segments.is_empty() {
            return Addressed::Many { of: self, namespace: Some(namespace), word };
        }
        self.parts.push(ResourcePart { namespace, segments });
        Addressed::Many { of: self, namespace: None, word }
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
                    "metadata" | "v1.0" if index == 0 => Position::Fixed,
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
