//! Template expressions (`${{ }}`), the parameters and variables that they name, and references to templates in other
//! files. All of them are replaced in the tree before anything else of the file is read.
//!
//! Source: azure-devops-docs: runtime-parameters.md, template-expressions.md, templates.md.

mod branches;
mod directive;
mod expansion;
mod expression;
mod functions;
mod include;
mod insertion;
mod parameters;
mod place;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use crate::fault::Found;
use crate::yaml::Node;
use expansion::Expansion;

/// Gives the text of a file of the repository by its path from the root, such as `/ci/steps.yml`.
pub type Templates<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// What a pipeline file is read with, beside its text. The default is a file alone, run by nobody in particular.
#[derive(Default)]
pub struct Inputs<'a> {
    /// Values of the file's parameters, by name in any case. They are text, as in the service's `templateParameters`; that
    /// of an object, step, job, stage or a list of them is JSON or YAML.
    pub parameters: BTreeMap<String, String>,
    /// Predefined variables that are known before the run, such as `Build.Reason` (azure-devops-docs: build/variables.md,
    /// "Available in templates?").
    pub variables: BTreeMap<String, String>,
    /// Where the file is in its repository, such as `/ci/build.yml`: templates are looked for from there. Empty: at the root.
    pub path: String,
    /// The other files of its repository. Without them there is none, and references to templates are refused.
    pub templates: Option<&'a Templates<'a>>,
}

impl fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameters, variables, path, templates } = self;
        let known = (parameters, variables, path, templates.is_some());
        f.debug_tuple("Inputs").field(&known).finish()
    }
}

/// Takes the parameters out of a file, replaces its expressions and puts its templates in. `source` is the file's text, to
/// find places in.
pub(crate) fn expand(root: Node, source: &str, inputs: &Inputs<'_>, found: &mut Found) -> Option<Node> {
    Expansion::new(source, inputs, found).file(root)
}
