//! One job from its first record to its last event (azure-pipelines-agent: JobRunner.cs, JobExtension.cs,
//! StepsRunner.cs).

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    JobResult, WorkerContext, cleanup,
    completion::complete,
    condition::{Facts, Status, evaluate},
    connect::connect,
    plan_server::TaskServer,
    queue::{self, ConsoleRate, Queue},
    record::{IssueKind, Record},
    script::{self, Execution},
    tasks::{self, TaskDefinition},
    variables::Variables,
};
use crate::{
    clock, layout,
    wire::{JobMessage, Quiet, Step},
};

/// The id of the built-in task that fetches sources.
const CHECKOUT: &str = "6d15af64-176c-496d-b583-fd2ae21d4df4";
/// Runs the job and reports it.
pub(crate) async fn run(
    context: &WorkerContext,
    message: &JobMessage,
    cancelled: &CancellationToken,
    console_rate: ConsoleRate,
) -> JobResult {
    let server = match connect(context, message).await {
        Ok(server) => server,
        Err(error) => {
            context.diagnostics.error(&format!("The job's server could not be reached: {error:#}"));
            return JobResult::Failed;
        }
    };
    let (plan, tasks) = server;
    let plan = Arc::new(plan);
    let (queue, sender) = queue::start(plan.clone(), &message.job_id, console_rate, &context.diagnostics);
    let mut job = Job::new(context, message, &queue, cancelled);
    let result = job.run(&tasks).await;
    sender.finish().await;
    if message.plan.version < 8 {
        return result;
    }
    complete(context, message, &plan, result, &job.outputs, job.variables.get("agent.runMode")).await
}

struct Job<'a> {
    context: &'a WorkerContext,
    message: &'a JobMessage,
    queue: &'a Arc<Queue>,
    cancelled: &'a CancellationToken,
    variables: Variables,
    outputs: Vec<(String, Quiet, bool)>,
    path_additions: Vec<String>,
    definitions: HashMap<String, TaskDefinition>,
    lookup: String,
    work: PathBuf,
    working_directory: PathBuf,
    next_order: u32,
    result: JobResult,
}

impl<'a> Job<'a> {
    fn new(
        context: &'a WorkerContext,
        message: &'a JobMessage,
        queue: &'a Arc<Queue>,
        cancelled: &'a CancellationToken,
    ) -> Self {
        let work = context.layout.work(&context.settings.work_folder);
        let mut variables = Variables::of_job(&message.variables);
        variables.set_certificates(&context.certificates);
        Self {
            context,
            message,
            queue,
            cancelled,
            variables,
            outputs: Vec::new(),
            path_additions: Vec::new(),
            definitions: HashMap::new(),
            lookup: format!("vsts_{}", clock::new_id()),
            working_directory: work.clone(),
            work,
            next_order: 1,
            result: JobResult::Succeeded,
        }
    }

    fn record(&mut self, id: &str, name: &str, reference: &str, job: &Arc<Record>) -> Arc<Record> {
        let order = self.next_order;
        self.next_order += 1;
        let fields = json!({
            "parentId": self.message.job_id,
            "type": "Task",
            "name": self.context.masker.mask(name),
            "refName": reference,
            "state": "pending",
            "order": order,
            "workerName": self.context.settings.agent_name,
        });
        Record::new(id, self.queue, &self.context.masker, &self.pages(), Some(job), fields)
    }

    fn pages(&self) -> PathBuf {
        self.context.layout.diagnostics().join("pages")
    }
    fn temp(&self) -> PathBuf {
        self.work.join("_temp")
    }

    async fn run(&mut self, tasks: &TaskServer) -> JobResult {
        let fields = json!({
            "type": "Job",
            "name": self.message.display_name(),
            "refName": self.message.job_name,
            "workerName": self.context.settings.agent_name,
        });
        let job =
            Record::new(&self.message.job_id, self.queue, &self.context.masker, &self.pages(), None, fields);
        job.start();

        let initialize =
            self.record(&clock::new_id().to_string(), "Initialize job", "JobExtension_Init", &job);
        initialize.start();
        initialize.line("##[section]Starting: Initialize job");
        let prepared = self.initialize(tasks, &initialize).await;
        let mut steps = Vec::new();
        match prepared {
            Ok(()) => {
                for step in self.message.steps.iter().filter(|step| step.enabled) {
                    let name = self.variables.expand(&step.shown_name());
                    let reference = step.name.clone().unwrap_or_default();
                    steps.push((step, self.record(&step.id, &name, &reference, &job)));
                }
                initialize.line("##[section]Finishing: Initialize job");
                initialize.finish(JobResult::Succeeded);
            }
            Err(error) => {
                initialize.issue(IssueKind::Error, &format!("{error:#}"));
                initialize.line("##[section]Finishing: Initialize job");
                self.result =
                    if self.cancelled.is_cancelled() { JobResult::Canceled } else { JobResult::Failed };
                initialize.finish(self.result);
            }
        }
        for (step, record) in &steps {
            self.step(step, record).await;
        }
        let finalize = self.record(&clock::new_id().to_string(), "Finalize job", "JobExtension_Final", &job);
        finalize.start();
        finalize.line("##[section]Starting: Finalize job");
        self.finalize(&finalize).await;
        finalize.line("##[section]Finishing: Finalize job");
        finalize.finish(JobResult::Succeeded);
        job.finish(self.result);
        self.result
    }

    async fn initialize(&mut self, tasks: &TaskServer, record: &Record) -> anyhow::Result<()> {
        let context = self.context;
        record.line(&format!("Agent name: '{}'", context.settings.agent_name));
        record.line(&format!("Agent machine name: '{}'", layout::machine_name(&context.environment)));
        record.line(&format!("Current agent version: '{}'", context.layout.agent_version()));
        let host_type = self.variables.get("system.hosttype").unwrap_or_default().to_owned();
        anyhow::ensure!(
            host_type.eq_ignore_ascii_case("build"),
            "this agent runs jobs of the host type 'build', not '{host_type}'"
        );
        record.line("Prepare build directory.");
        cleanup::empty(&self.temp())?;
        for folder in ["_tasks", "_tool"] {
            fs_err::create_dir_all(self.work.join(folder))?;
        }
        self.set_own_variables()?;
        for step in self.message.steps.iter().filter(|step| step.enabled) {
            let Some(reference) = &step.reference else { continue };
            if reference.id.eq_ignore_ascii_case(CHECKOUT) || self.definitions.contains_key(&reference.id) {
                continue;
            }
            let fetched = tokio::select! {
                fetched = tasks::fetch(context, tasks, reference, record) => fetched?,
                () = self.cancelled.cancelled() => anyhow::bail!("The operation was canceled."),
            };
            self.definitions.insert(reference.id.clone(), fetched);
        }
        Ok(())
    }

    fn set_own_variables(&mut self) -> anyhow::Result<()> {
        let (context, work) = (self.context, self.work.display().to_string());
        let root = context.layout.root().display().to_string();
        let own = [
            ("agent.id", context.settings.agent_id.to_string()),
            ("agent.name", context.settings.agent_name.clone()),
            ("agent.os", layout::os_name().to_owned()),
            ("agent.osArchitecture", layout::architecture().to_owned()),
            ("agent.version", context.layout.agent_version()),
            ("agent.machineName", layout::machine_name(&context.environment)),
            ("agent.homeDirectory", root),
            ("agent.rootDirectory", work.clone()),
            ("agent.workFolder", work.clone()),
            ("agent.tempDirectory", self.temp().display().to_string()),
            ("agent.toolsDirectory", self.work.join("_tool").display().to_string()),
            ("agent.jobName", self.message.display_name().to_owned()),
            ("agent.jobStatus", JobResult::Succeeded.title()),
            ("agent.isSelfHosted", "1".to_owned()),
        ];
        for (name, value) in own {
            self.variables.set(name, value);
        }
        if self.variables.get("build.syncSources").is_none_or(|value| !value.eq_ignore_ascii_case("false")) {
            let build = self.work.join("1");
            for folder in ["a", "b", "s", "TestResults"] {
                fs_err::create_dir_all(build.join(folder))?;
            }
            let sources = build.join("s").display().to_string();
            for (name, value) in [
                ("agent.buildDirectory", build.display().to_string()),
                ("build.sourcesDirectory", sources.clone()),
                ("build.artifactStagingDirectory", build.join("a").display().to_string()),
                ("build.binariesDirectory", build.join("b").display().to_string()),
                ("common.testResultsDirectory", build.join("TestResults").display().to_string()),
                ("system.defaultWorkingDirectory", sources),
            ] {
                self.variables.set(name, value);
            }
            self.working_directory = build.join("s");
        }
        if self.variables.is_true("system.enableAccessToken")
            && let Some(token) = self.message.system_connection().and_then(|endpoint| endpoint.access_token())
        {
            self.variables.set_secret("system.accessToken", token, &context.masker);
        }
        Ok(())
    }

    fn status(&self) -> Status {
        match self.result {
            _ if self.cancelled.is_cancelled() => Status::Canceled,
            JobResult::Canceled | JobResult::Abandoned => Status::Canceled,
            JobResult::Failed => Status::Failed,
            JobResult::Succeeded | JobResult::SucceededWithIssues | JobResult::Skipped => Status::Succeeded,
        }
    }

    /// Runs one step, or skips it.
    async fn step(&mut self, step: &Step, record: &Arc<Record>) {
        let status = self.status();
        if status == Status::Canceled {
            self.result = JobResult::Canceled;
        }
        let title = match status {
            Status::Succeeded => self.result.title(),
            Status::Failed => JobResult::Failed.title(),
            Status::Canceled => JobResult::Canceled.title(),
        };
        self.variables.set("agent.jobStatus", title);
        record.start();
        let name = self.variables.expand(&step.shown_name());
        let facts = Facts { status, variables: &self.variables };
        let mut result = match evaluate(step.condition.as_deref(), &facts) {
            Ok(true) => {
                record.line(&format!("##[section]Starting: {name}"));
                let result = self.execute(step, record, status).await;
                record.line(&format!("##[section]Finishing: {name}"));
                result
            }
            Ok(false) => {
                let condition =
                    step.condition.as_deref().filter(|text| !text.is_empty()).unwrap_or("succeeded()");
                record.line(&format!(
                    "Skipping step due to condition evaluation. Evaluating: {condition} Result: False"
                ));
                record.finish(JobResult::Skipped);
                return;
            }
            Err(error) => {
                record.issue(IssueKind::Error, &error);
                JobResult::Failed
            }
        };
        if result == JobResult::Failed && step.continue_on_error {
            result = JobResult::SucceededWithIssues;
        }
        record.finish(result);
        self.result = merged(self.result, result);
    }

    async fn execute(&mut self, step: &Step, record: &Arc<Record>, status: Status) -> JobResult {
        let other_kind = step.kind.as_str().is_some_and(|kind| !kind.eq_ignore_ascii_case("task"));
        let Some(reference) = step.reference.as_ref().filter(|_| !other_kind) else {
            record.issue(IssueKind::Error, "This agent runs task steps alone; this step names no task.");
            return JobResult::Failed;
        };
        if reference.id.eq_ignore_ascii_case(CHECKOUT) {
            if self
                .variables
                .get("build.syncSources")
                .is_some_and(|value| value.eq_ignore_ascii_case("false"))
            {
                record.line("Sources are not wanted.");
                return JobResult::Succeeded;
            }
            record.issue(IssueKind::Error, "This agent fetches no sources.");
            return JobResult::Failed;
        }
        let definition = self.definitions.get(&reference.id);
        let rule = "=".repeat(78);
        let about = |text: fn(&TaskDefinition) -> &str| definition.map(text).unwrap_or_default();
        record.line(&rule);
        record.line(&format!("Task         : {}", about(|task| &task.friendly_name)));
        record.line(&format!("Description  : {}", about(|task| &task.description)));
        record.line(&format!("Version      : {}", reference.version));
        record.line(&format!("Author       : {}", about(|task| &task.author)));
        record.line(&rule);
        // A step that runs although the job was cancelled is not cancelled once more.
        let own = CancellationToken::new();
        let cancelled = if status == Status::Canceled { &own } else { self.cancelled };
        let mut attempt = 0;
        loop {
            let mut environment = self.step_environment(step);
            if !self.path_additions.is_empty() {
                let mut folders: Vec<PathBuf> = self.path_additions.iter().rev().map(PathBuf::from).collect();
                folders.extend(environment.search_path());
                if let Ok(joined) = std::env::join_paths(folders) {
                    environment.set("PATH", joined.to_string_lossy());
                }
            }
            let execution = Execution {
                context: self.context,
                step,
                record,
                environment,
                working_directory: self.working_directory.clone(),
                temp: self.temp(),
                cancelled,
                path_additions: &mut self.path_additions,
                outputs: &mut self.outputs,
            };
            let result = match script::run(execution, &mut self.variables).await {
                Ok(result) => result,
                Err(error) => {
                    record.issue(IssueKind::Error, &format!("{error:#}"));
                    JobResult::Failed
                }
            };
            if result != JobResult::Failed || attempt >= step.retry_count_on_task_failure.min(10) {
                return result;
            }
            attempt += 1;
            record.line(&format!(
                "##[warning]RetryHelper encountered task failure, will retry (attempt #: {attempt})."
            ));
            clock::sleep(Duration::from_secs(u64::from(attempt))).await;
        }
    }

    /// The listener's whole environment, the variables, and what the step itself wants.
    fn step_environment(&self, step: &Step) -> crate::environment::Environment {
        let mut environment = self.context.environment.clone();
        self.variables.add_to(&mut environment);
        environment.set("TF_BUILD", "True");
        environment.set(cleanup::LOOKUP, self.lookup.as_str());
        environment.set("SYSTEM_ISAZUREVM", "0");
        let container = std::path::Path::new("/.dockerenv").exists();
        environment.set("SYSTEM_ISDOCKERCONTAINER", if container { "1" } else { "0" });
        if let Some(url) = self.message.system_connection().and_then(|endpoint| endpoint.url.as_deref()) {
            environment.set("ENDPOINT_URL_SYSTEMVSSCONNECTION", url);
        }
        for (name, Quiet(value)) in &step.environment {
            environment.set(name, self.variables.expand(value));
        }
        environment
    }

    async fn finalize(&self, record: &Record) {
        if self.variables.get("process.clean").is_none_or(|value| value.eq_ignore_ascii_case("true")) {
            record.line("Cleaning up task processes");
            for process in cleanup::end_survivors(&self.lookup).await {
                record.line(&format!("Terminate orphan process: {process}"));
            }
        }
        if let Err(error) = cleanup::empty(&self.temp()) {
            record.line(&format!("##[warning]The temporary folder could not be emptied: {error:#}"));
        }
    }
}

/// The result of a job after one more step.
fn merged(job: JobResult, step: JobResult) -> JobResult {
    let rank = |result: JobResult| match result {
        JobResult::Skipped => 0,
        JobResult::Succeeded => 1,
        JobResult::SucceededWithIssues => 2,
        JobResult::Failed => 3,
        JobResult::Canceled => 4,
        JobResult::Abandoned => 5,
    };
    if rank(step) > rank(job) { step } else { job }
}

#[cfg(test)]
mod tests {
    use super::{JobResult, merged};

    #[test]
    fn a_result_only_gets_worse() {
        use JobResult::{Canceled, Failed, Skipped, Succeeded, SucceededWithIssues};
        for (job, step, expected) in [
            (Succeeded, Skipped, Succeeded),
            (Succeeded, SucceededWithIssues, SucceededWithIssues),
            (Failed, Succeeded, Failed),
            (Failed, Canceled, Canceled),
        ] {
            assert_eq!(merged(job, step), expected);
        }
    }
}
