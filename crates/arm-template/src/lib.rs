//! Azure Resource Manager templates: the document and the expression language, without any I/O, clock or environment.
//!
//! [`Template::parse`] reads the text, [`Template::plan`] gives it parameters and a scope and makes a [`Plan`]: resources
//! in an order in which they can be deployed, with their full ids. [`Plan::body`] is what is sent to a resource provider;
//! `reference` and `list*` in it are answered by a [`Deployed`], or by [`Placeholders`] when nothing is deployed.
//!
//! Everything that is wrong is a [`Diagnostic`] with Azure's code and sentence, a JSON path and a place in the text;
//! several at once. Nothing that is not understood is passed over.
//!
//! The crate does not deploy, does not fetch linked templates itself (see [`Linked`]) and knows no resource providers.
//! `docs/arm-subset.md` lists what of the language it has, `docs/arm-functions.md` the functions.

mod deployed;
mod diagnostic;
mod document;
mod expr;
mod functions;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod graph;
pub mod jsonc;
mod linked;
mod parameters;
mod plan;
mod profile;
mod resources;
mod roles;
mod scope;
mod target;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod types;
mod value;

pub use deployed::{Deployed, Placeholders};
pub use diagnostic::{Code, Diagnostic, Position, Span};
pub use linked::Linked;
pub use plan::{CopyPosition, Plan, PlannedResource, SkippedResource};
pub use roles::{BuiltInRole, CustomRoles, Permission};
pub use scope::{Mode, public_cloud};
pub use target::{Level, ResourceGroupInfo, Scope};
pub use template::{PlanRequest, Template};
