//! Outputs.

use super::Plan;
use crate::deployed::Deployed;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::{Output, OutputValue};
use crate::expr::eval::{Eval, Evaluator, Fault, Loop, Place, UNCOUNTED};
use crate::resources::boolean;
use crate::value::type_name;
use serde_json::{Map, Value, json};

impl Plan {
    /// The outputs for a deployment's GET: `{"x": {"type": "String", "value": …}}`. Those with a false condition are left
    /// out; secure ones show their type alone.
    ///
    /// # Errors
    /// The first output that can't be computed, with the code `DeploymentOutputEvaluationFailed`.
    pub fn outputs(&self, deployed: &dyn Deployed) -> Result<Map<String, Value>, Diagnostic> {
        let mut outputs = Map::new();
        for output in &self.document.outputs {
            let mut evaluator = self.output_evaluator(output);
            evaluator.deployed = Some(deployed);
            let value = self
                .output(&mut evaluator, output)
                .map_err(|fault| self.output_fault(output, fault, Code::DeploymentOutputEvaluationFailed))?;
            let shown = match value {
                None => continue,
                Some(_) if output.secure => json!({"type": output.kind.name()}),
                Some(value) => json!({"type": output.kind.name_beside(&value), "value": value}),
            };
            outputs.insert(output.name.clone(), shown);
        }
        Ok(outputs)
    }

    pub(super) fn output_evaluator<'p>(&'p self, output: &'p Output) -> Evaluator<'p> {
        let mut evaluator = Evaluator::new(&self.scope, Place::Output);
        evaluator.owner = ("output", &output.name);
        evaluator.index = Some(&self.index);
        evaluator
    }

    /// The value of an output; none when its condition is false.
    pub(super) fn output(&self, evaluator: &mut Evaluator<'_>, output: &Output) -> Eval<Option<Value>> {
        if let Some(condition) = &output.condition
            && !boolean(evaluator, condition)?
        {
            return Ok(None);
        }
        let value = match &output.value {
            OutputValue::Tree(tree) => evaluator.tree(tree)?,
            OutputValue::Copy { count, input } => {
                let count = match evaluator.count(count) {
                    Err(Fault::Deferred) if evaluator.placeholders() => return Ok(Some(UNCOUNTED.into())),
                    count => count?,
                };
                let mut values = Vec::new();
                for index in 0..count {
                    evaluator.loops = vec![Loop { name: None, index, unnamed: true }];
                    values.push(evaluator.tree(input)?);
                }
                evaluator.loops.clear();
                Value::Array(values)
            }
        };
        let placeholder = evaluator.placeholders() && value.is_string();
        let nothing = value.is_null() && output.nullable;
        if !output.kind.accepts(&value) && !placeholder && !nothing {
            return Err(Fault::new(format!(
                "Template output JToken type is not valid. Expected '{}'. Actual '{}'. Please see \
                 https://aka.ms/arm-template/#outputs for usage details",
                output.kind.expected(),
                type_name(&value)
            )));
        }
        // Placeholders may stand anywhere in a value.
        if let Some(defined) = output.defined.as_ref().filter(|_| !evaluator.placeholders()) {
            defined.check(&self.document.definitions, &value).map_err(|mismatch| {
                Fault::new(format!("{} (at '{}{}')", mismatch.sentence, output.name, mismatch.path))
            })?;
        }
        evaluator.spend(&value)?;
        Ok(Some(value))
    }

    pub(super) fn output_fault(&self, output: &Output, fault: Fault, code: Code) -> Diagnostic {
        let Fault::Failed(failure) = fault else {
            return self.document.diagnostic(
                code,
                "The output depends on state that is not deployed.",
                output.name_span,
            );
        };
        let code = if failure.code == Code::InvalidTemplate { code } else { failure.code };
        let detail = format!(
            "The template output '{}' is not valid: {}.",
            output.name,
            self.scope.scrub(failure.message.trim_end_matches('.'))
        );
        self.document.diagnostic(code, detail, failure.span.unwrap_or(output.name_span))
    }
}
