//! Types that a template defines itself (languageVersion 2.0), and whether a value is of one.
//!
//! Source: azure-docs, `definitions.md`. The sentences for a wrong JSON type and for unknown properties are the service's
//! own, as its users report them; those for missing properties, tuples and discriminators are made in their image.

use crate::diagnostic::Span;
use crate::document::Type;
use crate::value::{equal, same_name, text, type_name};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// By folded name; what a reference leads to inside of one also by its pointer, such as `/a/properties/b`.
pub(crate) type Definitions = HashMap<String, TypeDefinition>;

/// A type as written: of a definition, a parameter, an output, or nested in another.
#[derive(Debug)]
pub(crate) struct TypeDefinition {
    pub(crate) span: Span,
    pub(crate) base: Base,
    pub(crate) limits: Limits,
    pub(crate) nullable: bool,
    pub(crate) properties: Vec<(String, TypeDefinition)>,
    /// What a property may be that is not in `properties`.
    pub(crate) additional: Others,
    pub(crate) prefix_items: Vec<TypeDefinition>,
    /// What an element may be that is not in `prefix_items`.
    pub(crate) items: Others,
    pub(crate) discriminator: Option<Discriminator>,
}

#[derive(Debug)]
pub(crate) enum Base {
    Type(Type),
    /// Folded name of a definition, or a pointer into one: the key in [`Definitions`].
    Reference(String),
}

/// Members or elements that have no type of their own.
#[derive(Debug)]
pub(crate) enum Others {
    Any,
    None,
    Typed(Box<TypeDefinition>),
}

impl Others {
    fn typed(&self) -> Option<&TypeDefinition> {
        match self {
            Self::Typed(of) => Some(of),
            Self::Any | Self::None => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Discriminator {
    pub(crate) property: String,
    pub(crate) mapping: Vec<(String, TypeDefinition)>,
}

/// What parameters, outputs and types alike can limit.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) allowed: Option<Vec<Value>>,
    pub(crate) min_length: Option<i64>,
    pub(crate) max_length: Option<i64>,
    pub(crate) min_value: Option<i64>,
    pub(crate) max_value: Option<i64>,
}

impl Limits {
    /// What is wrong with the value, as a sentence; nothing where it is within the limits.
    pub(crate) fn broken_by(&self, value: &Value) -> Option<String> {
        if let Some(allowed) = &self.allowed {
            let is_allowed = |value: &Value| allowed.iter().any(|one| equal(one, value));
            let fits =
                is_allowed(value) || matches!(value, Value::Array(values) if values.iter().all(is_allowed));
            if !fits {
                let allowed: Vec<String> = allowed.iter().map(text).collect();
                return Some(format!(
                    "The parameter value is not part of the allowed value(s): '{}'.",
                    allowed.join(",")
                ));
            }
        }
        let length = match value {
            Value::String(text) => Some(text.encode_utf16().count() as i64),
            Value::Array(values) => Some(values.len() as i64),
            _ => None,
        };
        let bounds = [
            (length, self.min_length, self.max_length, "Length of the value"),
            (value.as_i64(), self.min_value, self.max_value, "The value"),
        ];
        bounds.into_iter().find_map(|(measured, least, most, what)| match (measured?, least, most) {
            (measured, Some(least), _) if measured < least => {
                Some(format!("{what} should be greater than or equal to '{least}'."))
            }
            (measured, _, Some(most)) if measured > most => {
                Some(format!("{what} should be less than or equal to '{most}'."))
            }
            _ => None,
        })
    }
}

/// Why a value is not of a type, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// From the value's root: `.sku.names[2]`; empty for the whole.
    pub(crate) path: String,
    pub(crate) sentence: String,
}

const HELP: &str = "Please see https://aka.ms/arm-create-parameter-file for usage details.";
const OBJECT_HELP: &str = "Please see https://aka.ms/arm-syntax-parameters for usage details";

impl TypeDefinition {
    /// The type at the end of the references. `None` where the chain has no end: such a template is refused as a whole.
    pub(crate) fn resolved<'t>(&'t self, definitions: &'t Definitions) -> Option<Type> {
        match self.chain(definitions)?.base {
            Base::Type(kind) => Some(kind),
            Base::Reference(_) => None,
        }
    }

    /// Whether a value is checked in finitely many steps. References and variants are checked against the same value again,
    /// so a ring of them has no end; members and elements are smaller than what they are in.
    pub(crate) fn ends(&self, definitions: &Definitions) -> bool {
        self.ends_from(definitions, &mut Vec::new(), &mut HashSet::new())
    }

    fn ends_from<'t>(
        &'t self,
        definitions: &'t Definitions,
        open: &mut Vec<&'t str>,
        ended: &mut HashSet<&'t str>,
    ) -> bool {
        if let Base::Reference(name) = &self.base
            && !ended.contains(name.as_str())
        {
            if open.contains(&name.as_str()) {
                return false;
            }
            open.push(name);
            if !definitions.get(name).is_none_or(|of| of.ends_from(definitions, open, ended)) {
                return false;
            }
            open.pop();
            ended.insert(name);
        }
        let mapped = self.discriminator.iter().flat_map(|tagged| &tagged.mapping);
        mapped.into_iter().all(|(_, of)| of.ends_from(definitions, open, ended))
    }

    /// Whether null will do: of this type, or of the one that it refers to.
    pub(crate) fn is_nullable(&self, definitions: &Definitions) -> bool {
        self.steps(definitions).any(|step| step.nullable)
    }

    /// Whether anything in it is a secret, so that the whole value is shown nowhere.
    pub(crate) fn holds_secret(&self, definitions: &Definitions) -> bool {
        self.secret_below(definitions, &mut HashSet::new())
    }

    fn secret_below<'t>(&'t self, definitions: &'t Definitions, seen: &mut HashSet<&'t str>) -> bool {
        match &self.base {
            Base::Type(kind) if kind.is_secure() => return true,
            Base::Reference(name)
                if seen.insert(name)
                    && definitions.get(name).is_some_and(|of| of.secret_below(definitions, seen)) =>
            {
                return true;
            }
            Base::Type(_) | Base::Reference(_) => {}
        }
        self.parts().any(|part| part.secret_below(definitions, seen))
    }

    /// The types that are written inside of this one.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &TypeDefinition> {
        let mapped = self.discriminator.iter().flat_map(|tagged| tagged.mapping.iter());
        self.properties
            .iter()
            .chain(mapped)
            .map(|(_, part)| part)
            .chain(&self.prefix_items)
            .chain([&self.additional, &self.items].into_iter().filter_map(Others::typed))
    }

    /// This type and those that it refers to, one after the other; ends where a chain is a ring.
    fn steps<'t>(&'t self, definitions: &'t Definitions) -> impl Iterator<Item = &'t TypeDefinition> {
        let follow = |of: &&'t TypeDefinition| match &of.base {
            Base::Reference(name) => definitions.get(name),
            Base::Type(_) => None,
        };
        std::iter::successors(Some(self), follow).take(definitions.len() + 1)
    }

    fn chain<'t>(&'t self, definitions: &'t Definitions) -> Option<&'t TypeDefinition> {
        self.steps(definitions).last()
    }

    /// # Errors
    /// The first place in the value that is not as the type says.
    pub(crate) fn check(&self, definitions: &Definitions, value: &Value) -> Result<(), Mismatch> {
        self.check_at(definitions, value, &mut String::new())
    }

    fn check_at(&self, definitions: &Definitions, value: &Value, path: &mut String) -> Result<(), Mismatch> {
        if value.is_null() && self.is_nullable(definitions) {
            return Ok(());
        }
        let at = |path: &str, sentence: String| Err(Mismatch { path: path.to_owned(), sentence });
        if let Some(kind) = self.resolved(definitions)
            && !kind.accepts(value)
        {
            let sentence = format!(
                "Expected a value of type '{}', but received a value of type '{}'. {HELP}",
                kind.expected(),
                type_name(value)
            );
            return at(path, sentence);
        }
        for step in self.steps(definitions) {
            if let Some(sentence) = step.limits.broken_by(value) {
                return at(path, sentence);
            }
            match value {
                Value::Object(members) => step.check_members(definitions, members, path)?,
                Value::Array(values) => step.check_elements(definitions, values, path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn check_members(
        &self,
        definitions: &Definitions,
        members: &Map<String, Value>,
        path: &mut String,
    ) -> Result<(), Mismatch> {
        let at = |path: &str, sentence: String| Err(Mismatch { path: path.to_owned(), sentence });
        let given = |name: &str| members.keys().any(|key| same_name(key, name));
        let missing: Vec<String> = self
            .properties
            .iter()
            .filter(|(name, of)| !given(name) && !of.is_nullable(definitions))
            .map(|(name, _)| format!("'{name}'"))
            .collect();
        if !missing.is_empty() {
            let sentence = format!(
                "The object is missing values for the following required properties: [{}]. {OBJECT_HELP}",
                missing.join(", ")
            );
            return at(path, sentence);
        }
        let own = |name: &str| self.properties.iter().find(|(own, _)| same_name(own, name));
        if matches!(self.additional, Others::None) {
            let unknown: Vec<String> =
                members.keys().filter(|key| own(key).is_none()).map(|key| format!("'{key}'")).collect();
            if !unknown.is_empty() {
                let sentence = format!(
                    "The object does not allow values with properties not defined in the schema, but the following \
                     unknown properties were present: [{}]. {OBJECT_HELP}",
                    unknown.join(", ")
                );
                return at(path, sentence);
            }
        }
        for (name, value) in members {
            let of = match (own(name), &self.additional) {
                (Some((_, of)), _) => of,
                (None, Others::Typed(of)) => of,
                (None, Others::Any | Others::None) => continue,
            };
            within(path, &format!(".{name}"), |path| of.check_at(definitions, value, path))?;
        }
        self.check_variant(definitions, members, path)
    }

    fn check_variant(
        &self,
        definitions: &Definitions,
        members: &Map<String, Value>,
        path: &mut String,
    ) -> Result<(), Mismatch> {
        let Some(tagged) = &self.discriminator else { return Ok(()) };
        let tag = crate::value::get(members, &tagged.property).and_then(Value::as_str);
        if let Some((_, of)) = tag.and_then(|tag| tagged.mapping.iter().find(|(name, _)| name == tag)) {
            return of.check_at(definitions, &Value::Object(members.clone()), path);
        }
        let known: Vec<String> = tagged.mapping.iter().map(|(name, _)| format!("'{name}'")).collect();
        let sentence = format!(
            "The value of the discriminator property '{}' should be one of: [{}]. {OBJECT_HELP}",
            tagged.property,
            known.join(", ")
        );
        Err(Mismatch { path: path.clone(), sentence })
    }

    fn check_elements(
        &self,
        definitions: &Definitions,
        values: &[Value],
        path: &mut String,
    ) -> Result<(), Mismatch> {
        let fixed = self.prefix_items.len();
        let too_many = matches!(self.items, Others::None) && values.len() > fixed;
        if values.len() < fixed || too_many {
            let sentence = format!(
                "The array should have {}'{fixed}' elements, but '{}' were given. {HELP}",
                if too_many { "" } else { "at least " },
                values.len()
            );
            return Err(Mismatch { path: path.clone(), sentence });
        }
        for (index, value) in values.iter().enumerate() {
            let of = match (self.prefix_items.get(index), &self.items) {
                (Some(of), _) => of,
                (None, Others::Typed(of)) => of,
                (None, Others::Any | Others::None) => continue,
            };
            within(path, &format!("[{index}]"), |path| of.check_at(definitions, value, path))?;
        }
        Ok(())
    }
}

/// Goes one step down the path and back.
fn within<T>(path: &mut String, step: &str, inner: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    path.push_str(step);
    let outcome = inner(path);
    path.truncate(length);
    outcome
}

#[cfg(test)]
mod tests;
