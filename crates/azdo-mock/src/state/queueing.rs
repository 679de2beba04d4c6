//! From what somebody asks for to a run: the definition's file is read, and all that is wrong is told at once.
//!
//! Texts of what is wrong: public error reports of the service (variable groups: MicrosoftDocs/azure-devops-docs#2867).

use std::collections::BTreeMap;

use pipeline_yaml::{Faults, Inputs, Plan};

use super::build_refusal::BuildRefusal;
use super::definitions::{Definition, file_path};
use super::run_jobs::{BRANCH, known_before};
use super::runs::{NewRun, Order};
use super::{Moment, State};
use crate::wire::ids::{PlanId, PoolId, QueueId, RunId};
use crate::wire::job::{PROJECT, Variable};
use crate::wire::record_id::ONLY_STAGE;

impl State {
    /// What a definition's file, or the text that is given in its place, asks for, and the pool for jobs that name none.
    pub(crate) fn compile(
        &self,
        order: &Order,
        queue: Option<QueueId>,
        text: Option<&str>,
    ) -> Result<(Plan, PoolId), BuildRefusal> {
        let definition = self.definition(order.definition)?;
        let path = file_path(&definition.content.yaml_filename);
        let Some(text) = text.or_else(|| self.project.files.get(&path).map(String::as_str)) else {
            let branch = order.source_branch.as_deref().unwrap_or(BRANCH);
            return Err(BuildRefusal::Validation(vec![format!(
                "An error occurred while loading the YAML build pipeline. File {path} not found in repository \
                 {PROJECT} branch {branch}. Files are put there by the control API."
            )]));
        };
        let mut faults = Vec::new();
        for stage in &order.stages_to_skip {
            faults.push(if stage.eq_ignore_ascii_case(ONLY_STAGE) {
                "All stages of the pipeline would be skipped: there is nothing to run.".to_owned()
            } else {
                format!("Stage {stage} was not found in the pipeline.")
            });
        }
        let plan = self.read_file(&path, text, order).map_err(|wrong| {
            faults.extend(wrong.0.iter().map(|fault| {
                let key = if fault.key.is_empty() { String::new() } else { format!("'{}' ", fault.key) };
                let (line, column) = (fault.at.line, fault.at.column);
                let path = fault.file.as_ref().unwrap_or(&path);
                format!("{path} (Line: {line}, Col: {column}): {key}{}", fault.message)
            }));
            BuildRefusal::Validation(std::mem::take(&mut faults))
        })?;
        let pool = self.default_pool(definition, queue)?;
        faults.extend(plan.phases.iter().filter_map(|phase| {
            self.pool_of(phase, pool).err()?;
            let name = phase.pool.name.as_deref().unwrap_or_default();
            Some(format!(
                "The pipeline is not valid. Job {}: Could not find a pool with name {name}. The pool does not exist or \
                 has not been authorized for use. For authorization details, refer to https://aka.ms/yamlauthz.",
                phase.name
            ))
        }));
        faults.extend(self.missing_groups(&plan).into_iter().map(|name| {
            format!(
                "An error occurred while loading the YAML build pipeline. Variable group {name} was not found or is not \
                 authorized for use. For authorization details, refer to https://aka.ms/yamlauthz."
            )
        }));
        if faults.is_empty() { Ok((plan, pool)) } else { Err(BuildRefusal::Validation(faults)) }
    }

    /// Reads a pipeline file of the repository, whose templates are in the repository too.
    pub(crate) fn read_file(&self, path: &str, text: &str, order: &Order) -> Result<Plan, Faults> {
        let inputs = Inputs {
            parameters: order.template_parameters.clone(),
            variables: known_before(self, order),
            path: path.to_owned(),
            templates: Some(&|path| self.project.files.get(path).cloned()),
        };
        Plan::read(text, &inputs)
    }

    fn default_pool(&self, definition: &Definition, queue: Option<QueueId>) -> Result<PoolId, BuildRefusal> {
        if let Some(queue) = queue {
            return Ok(self.queue(queue)?.pool_id);
        }
        let own = definition.content.queue.and_then(|queue| self.queue(queue).ok());
        own.or_else(|| self.first_queue()).map(|queue| queue.pool_id).ok_or_else(|| {
            BuildRefusal::Validation(vec!["The project has no queue that jobs could go to.".to_owned()])
        })
    }

    /// Queues a build of a definition.
    pub(crate) fn queue_build(
        &mut self,
        mut order: Order,
        queue: Option<QueueId>,
        moment: Moment<'_>,
    ) -> Result<RunId, BuildRefusal> {
        let definition = self.definition(order.definition)?;
        if definition.content.disabled {
            return Err(BuildRefusal::DefinitionDisabled(order.definition));
        }
        self.check_settable(definition, &order)?;
        let (plan, pool) = self.compile(&order, queue, None)?;
        order.set = order.variables.keys().cloned().collect();
        order.variables = merged(definition, order.variables);
        let id = order.definition;
        let name = match &plan.name {
            Some(_) => None,
            None => self.next_build_number(id, moment.now),
        };
        Ok(self.queue_run(NewRun { pool, name, plan, order }, moment)?)
    }

    /// The plan that a run as a whole is known by.
    pub(crate) fn plan_id(&self, run: RunId) -> PlanId {
        PlanId(uuid::Uuid::new_v5(&self.meta.project_id, format!("{run}").as_bytes()))
    }
}

/// The definition's variables and, over them, those of whoever queues it. What is secret in the definition stays secret.
fn merged(definition: &Definition, said: BTreeMap<String, Variable>) -> BTreeMap<String, Variable> {
    let own = definition.content.variables.iter();
    let mut all: BTreeMap<_, _> = own
        .map(|(name, own)| {
            let value = own.value.clone().unwrap_or_default();
            (name.clone(), Variable { value, is_secret: own.is_secret })
        })
        .collect();
    for (name, said) in said {
        let known = all.keys().find(|known| known.eq_ignore_ascii_case(&name)).cloned().unwrap_or(name);
        let is_secret = said.is_secret || all.get(&known).is_some_and(|own| own.is_secret);
        all.insert(known, Variable { value: said.value, is_secret });
    }
    all
}
