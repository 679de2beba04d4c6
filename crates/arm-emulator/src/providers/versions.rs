//! Which members an api-version knows: what a version does not know is refused in requests and absent from answers.
//!
//! The tables are read off Microsoft's libraries for Python, each release of which is generated from the description of
//! one api-version. A version that was never published is taken for the one before it.

mod container_groups;
mod registries;

use serde_json::Value;

use crate::error::ArmError;
use crate::providers::Kind;
use crate::resource_id::ResourceId;

/// A member that not every api-version knows.
struct Member {
    /// The names that lead to it, apart by `/`; elements of arrays are passed through.
    path: &'static str,
    known: Known,
    refusal: Refusal,
}

/// The api-versions that know a member. Versions are dates, which compare as text.
enum Known {
    /// This one and all later ones.
    Since(&'static str),
    /// All before this one.
    Before(&'static str),
    /// Previews from one version on, stable ones from another, if any.
    Preview { since: &'static str, stable: Option<&'static str> },
}

/// How a member is refused that the version does not know.
enum Refusal {
    /// Like any member that does not exist.
    NoSuchMember,
    /// With a code of its own; `{}` in the message stands for the resource's name.
    Own { code: &'static str, message: &'static str },
}

impl Known {
    fn to(&self, version: &str) -> bool {
        match *self {
            Self::Since(first) => version >= first,
            Self::Before(end) => version < end,
            Self::Preview { since, .. } if version.ends_with("-preview") => version >= since,
            Self::Preview { stable, .. } => stable.is_some_and(|first| version >= first),
        }
    }
}

impl Member {
    const fn since(first: &'static str, path: &'static str) -> Self {
        Self { path, known: Known::Since(first), refusal: Refusal::NoSuchMember }
    }

    const fn before(end: &'static str, path: &'static str) -> Self {
        Self { path, known: Known::Before(end), refusal: Refusal::NoSuchMember }
    }

    const fn preview(since: &'static str, stable: Option<&'static str>, path: &'static str) -> Self {
        Self { path, known: Known::Preview { since, stable }, refusal: Refusal::NoSuchMember }
    }

    fn refused(&self, id: &ResourceId, path: &str, version: &str) -> ArmError {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        match self.refusal {
            Refusal::NoSuchMember => ArmError::invalid_content(
                path,
                format_args!("Could not find member '{name}' on the object in the api-version '{version}'."),
            ),
            Refusal::Own { code, message } => {
                ArmError::bad_request(code, message.replace("{}", &id.name().unwrap_or_default()))
                    .with_target(path)
            }
        }
    }
}

fn unknown_to(kind: Kind, version: &str) -> impl Iterator<Item = &'static Member> {
    let members = match kind {
        Kind::ContainerGroup => container_groups::MEMBERS,
        Kind::Registry => registries::MEMBERS,
        Kind::UserAssignedIdentity => &[],
    };
    members.iter().filter(move |member| !member.known.to(version))
}

/// Refuses a body that names what the api-version does not know.
pub(crate) fn check(kind: Kind, id: &ResourceId, body: &Value, version: &str) -> Result<(), ArmError> {
    for member in unknown_to(kind, version) {
        let names: Vec<&str> = member.path.split('/').collect();
        if let Some(path) = find(body, &names, String::new()) {
            return Err(member.refused(id, &path, version));
        }
    }
    Ok(())
}

/// A resource as the api-version shows it.
pub(crate) fn shown(kind: Kind, mut view: Value, version: &str) -> Value {
    for member in unknown_to(kind, version) {
        let names: Vec<&str> = member.path.split('/').collect();
        remove(&mut view, &names);
    }
    view
}

/// A container group without what it and its containers are doing.
pub(crate) fn without_instance_views(mut group: Value) -> Value {
    for of in [
        &["properties"][..],
        &["properties", "containers", "properties"],
        &["properties", "initContainers", "properties"],
    ] {
        remove(&mut group, &[of, &["instanceView"]].concat());
    }
    group
}

/// Where the first member of these names is. `null` counts as absent, as it does for ARM.
fn find(value: &Value, names: &[&str], path: String) -> Option<String> {
    match value {
        Value::Array(elements) => {
            let mut elements = elements.iter().enumerate();
            elements.find_map(|(index, element)| find(element, names, format!("{path}[{index}]")))
        }
        Value::Object(object) => {
            let (first, rest) = names.split_first()?;
            let (_, value) = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(first))?;
            let path = if path.is_empty() { (*first).to_owned() } else { format!("{path}.{first}") };
            match value {
                Value::Null => None,
                _ if rest.is_empty() => Some(path),
                value => find(value, rest, path),
            }
        }
        _ => None,
    }
}

fn remove(value: &mut Value, names: &[&str]) {
    match (value, names) {
        (Value::Array(elements), names) => {
            for element in elements {
                remove(element, names);
            }
        }
        (Value::Object(object), [last]) => object.retain(|key, _| !key.eq_ignore_ascii_case(last)),
        (Value::Object(object), [first, rest @ ..]) => {
            let inner = object.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(first));
            if let Some((_, inner)) = inner {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
