//! What `deploy`, `scale`, `status` and `logs` share: settings from words and environment, the two guards' front end.

use std::io::{BufRead, IsTerminal, Write};

use aci_deploy::environment as names;
use aci_deploy::{Context, Event, ExitClass, Explain, ImageRef, Plan, Reporter, SandboxEndpoints, Settings};
use anyhow::Result;

use super::sandbox_env::{instance, running};
use crate::cli::{Common, Fleet};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

/// Builds the clients of a fleet.
pub(crate) fn context(words: &Fleet, common: &Common, environment: &Environment) -> Result<Context> {
    let flags = [
        (names::MAYFLY_FLEET, &words.name),
        (names::AZURE_SUBSCRIPTION_ID, &words.subscription),
        (names::MAYFLY_RESOURCE_GROUP, &words.resource_group),
        (names::MAYFLY_LOCATION, &words.location),
        (names::AZDO_POOL, &words.pool),
    ];
    let lookup = |name: &str| {
        let flag = flags.iter().find(|(known, _)| *known == name).and_then(|(_, value)| (*value).clone());
        flag.or_else(|| environment.get(name).map(ToOwned::to_owned))
    };
    let mut settings = Settings::from_lookup(&lookup).map_err(|error| {
        Problem::from_error(Outcome::Usage, error).hint(
            "for a sandbox: eval \"$(mayfly sandbox env)\"; for Azure see the README, section Against Azure",
        )
    })?;
    if environment.get(names::MAYFLY_TARGET) == Some("sandbox") {
        let record = running(&instance(common, environment)?)?;
        settings.sandbox = Some(SandboxEndpoints {
            organization: record.azdo_url,
            resource_manager: record.arm_endpoint,
            authority: record.authority_host,
        });
        // Everything answers at once on this machine.
        settings.timing.poll = std::time::Duration::from_millis(250);
    }
    Context::new(settings).map_err(|error| Problem::from_error(Outcome::Usage, error).into())
}

/// An error of the deployer with its exit code, details and hint.
pub(crate) fn explained(error: impl Explain + Send + Sync + 'static) -> anyhow::Error {
    let outcome = match error.exit_class() {
        ExitClass::Failed => Outcome::Failed,
        ExitClass::Guard => Outcome::Refused,
        ExitClass::Service => Outcome::Service,
    };
    let (details, hint) = (error.details(), error.hint());
    let problem = Problem::from_error(outcome, error).details(details);
    match hint {
        Some(hint) => problem.hint(hint).into(),
        None => problem.into(),
    }
}

/// An image reference from a flag.
pub(crate) fn image(text: Option<&str>) -> Result<Option<ImageRef>> {
    text.map(str::parse).transpose().map_err(|error: aci_deploy::ImageRefError| {
        Problem::from_error(Outcome::Failed, error)
            .hint("name the image by digest, as `build-image --push` prints it")
            .into()
    })
}

/// Who deploys, for another deployer who finds this one at work.
pub(crate) fn deployer(environment: &Environment) -> String {
    let user = environment.get("USER").or_else(|| environment.get("USERNAME")).unwrap_or("somebody");
    let host = environment.get("HOSTNAME").or_else(|| environment.get("COMPUTERNAME")).unwrap_or("this host");
    format!("{user}@{host}, process {}", std::process::id())
}

/// Tells on stderr what is going on.
pub(crate) struct Console {
    /// `--yes`: deletions in Azure need no question.
    pub(crate) yes: bool,
}

impl Reporter for Console {
    fn event(&self, event: &Event) {
        output::note(&event.to_string());
    }

    fn confirm(&self, plan: &Plan) -> bool {
        if self.yes {
            return true;
        }
        if !std::io::stdin().is_terminal() {
            output::note("deletions in Azure need --yes where nobody can be asked");
            return false;
        }
        output::note(&plan.to_string());
        let _ = write!(std::io::stderr(), "delete in Azure? [y/N] ");
        let mut answer = String::new();
        let _ = std::io::stdin().lock().read_line(&mut answer);
        matches!(answer.trim(), "y" | "Y" | "yes")
    }
}
