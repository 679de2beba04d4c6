//! `sandbox env`: a running sandbox as environment variables, and the way back.

use std::collections::BTreeMap;

use anyhow::Result;
use sandbox::{Instance, Record, environment};

use crate::cli::{Common, Format, Shell};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

/// Under this prefix the value is kept that a variable had before.
const SAVED: &str = "MAYFLY_SAVED_";

pub(crate) fn run(shell: Shell, unset: bool, common: &Common, present: &Environment) -> Result<Outcome> {
    if unset {
        output::result(&lines(shell, &way_back(present)));
        return Ok(Outcome::Done);
    }
    let instance = instance(common, present)?;
    let record = running(&instance)?;
    let variables = environment(&instance, &record);
    if common.output == Format::Json {
        let map: BTreeMap<_, _> = variables.into_iter().collect();
        output::document(&map)?;
    } else {
        output::result(&lines(shell, &way_there(&variables, present)));
    }
    Ok(Outcome::Done)
}

/// The instance that the words and the environment name.
pub(crate) fn instance(common: &Common, environment: &Environment) -> Result<Instance> {
    let name = common.instance.clone().unwrap_or_else(|| environment.default_instance());
    Instance::new(&name, &environment.home())
        .map_err(|error| Problem::from_error(Outcome::Usage, error).into())
}

/// What the running sandbox says of itself.
pub(crate) fn running(instance: &Instance) -> Result<Record> {
    Record::read(instance).map_err(|error| {
        Problem::from_error(Outcome::Failed, error).hint("start one with `mayfly sandbox up --detach`").into()
    })
}

/// A variable to set, or (`None`) to take away.
type Assignment = (String, Option<String>);

fn way_there(variables: &[(&'static str, String)], present: &Environment) -> Vec<Assignment> {
    // In a shell that already is in a sandbox, what is set now is not the user's own.
    let own = present.get("MAYFLY_TARGET") != Some("sandbox");
    let mut all = Vec::new();
    for (name, value) in variables {
        if own && present.has(name) {
            let before = present.get(name).unwrap_or_default().to_owned();
            all.push((format!("{SAVED}{name}"), Some(before)));
        }
        all.push(((*name).to_owned(), Some(value.clone())));
    }
    all
}

fn way_back(present: &Environment) -> Vec<Assignment> {
    let mut all = Vec::new();
    for name in environment_names() {
        let saved = format!("{SAVED}{name}");
        all.push((
            name.to_owned(),
            present.has(&saved).then(|| present.get(&saved).unwrap_or_default().to_owned()),
        ));
        if present.has(&saved) {
            all.push((saved, None));
        }
    }
    all
}

/// The names that [`environment`] sets. A test holds the two together.
fn environment_names() -> [&'static str; 28] {
    [
        "AZDO_URL",
        "AZDO_TOKEN",
        "AZDO_POOL",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_SUBSCRIPTION_ID",
        "AZURE_AUTHORITY_HOST",
        "ARM_ENDPOINT",
        "ACR_REGISTRY_GROUP",
        "ACR_REGISTRY_NAME",
        "ACR_LOGIN_SERVER",
        "ACR_USERNAME",
        "ACR_PASSWORD",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "WEBSOCKET_CLIENT_CA_BUNDLE",
        "MAYFLY_CA_FILE",
        "AZURE_CORE_INSTANCE_DISCOVERY",
        "MAYFLY_TARGET",
        "MAYFLY_INSTANCE",
        "MAYFLY_HOME",
        "MAYFLY_CONTROL_URL",
        "MAYFLY_CONTROL_TOKEN",
        "MAYFLY_IDENTITY_ENDPOINT",
        "MAYFLY_SANDBOX_PID",
        "AZDO_CA_FILE",
        "AZDO_AUTHORITY_HOST",
    ]
}

fn lines(shell: Shell, assignments: &[Assignment]) -> String {
    let line = |(name, value): &Assignment| match (shell, value) {
        (Shell::Sh, Some(value)) => format!("export {name}='{}'", value.replace('\'', r"'\''")),
        (Shell::Sh, None) => format!("unset {name}"),
        (Shell::Powershell, Some(value)) => format!("$env:{name} = '{}'", value.replace('\'', "''")),
        (Shell::Powershell, None) => format!("Remove-Item -ErrorAction Ignore Env:{name}"),
    };
    assignments.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(pairs: &[(&'static str, &str)]) -> Environment {
        Environment::default().with(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())))
    }

    #[test]
    fn what_was_set_before_comes_back_and_the_rest_goes() {
        let shell = present(&[("AZDO_URL", "https://dev.azure.com/mine")]);
        let there =
            way_there(&[("AZDO_URL", "http://sandbox".into()), ("AZDO_POOL", "Default".into())], &shell);
        assert_eq!(
            lines(Shell::Sh, &there),
            "export MAYFLY_SAVED_AZDO_URL='https://dev.azure.com/mine'\n\
             export AZDO_URL='http://sandbox'\nexport AZDO_POOL='Default'"
        );
        let inside = present(&[
            ("MAYFLY_TARGET", "sandbox"),
            ("AZDO_URL", "http://sandbox"),
            ("MAYFLY_SAVED_AZDO_URL", "https://dev.azure.com/mine"),
        ]);
        let again = way_there(&[("AZDO_URL", "http://other".into())], &inside);
        assert_eq!(lines(Shell::Sh, &again), "export AZDO_URL='http://other'", "our own value is not saved");
        let back = lines(Shell::Sh, &way_back(&inside));
        assert!(back.contains("export AZDO_URL='https://dev.azure.com/mine'\nunset MAYFLY_SAVED_AZDO_URL\n"));
        assert!(back.contains("\nunset AZDO_POOL\n") && back.contains("\nunset MAYFLY_TARGET\n"));
    }

    #[test]
    fn values_are_quoted_for_their_shell() {
        let nasty = [("X".to_owned(), Some("it's $(rm) `x`".to_owned()))];
        assert_eq!(lines(Shell::Sh, &nasty), r"export X='it'\''s $(rm) `x`'");
        assert_eq!(lines(Shell::Powershell, &nasty), "$env:X = 'it''s $(rm) `x`'");
    }
}
