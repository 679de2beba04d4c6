//! The job's variables, `$(name)` macros, and the environment of a step
//! (azure-pipelines-agent: Agent.Worker/Variables.cs, Handlers/Handler.cs).

use std::collections::BTreeMap;

use crate::{environment::Environment, masking::Masker, settings::CertificateSettings, wire::Variable};

/// Macros inside macros are followed this deep; one inside itself is left as it stands.
const DEPTH: usize = 10;

#[derive(Clone, Debug)]
struct Held {
    name: String,
    value: crate::wire::Quiet,
    secret: bool,
    read_only: bool,
}

/// Variables by name, without regard to case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(BTreeMap<String, Held>);

impl Variables {
    pub(crate) fn of_job(variables: &BTreeMap<String, Variable>) -> Self {
        let mut held = Self::default();
        for (name, variable) in variables {
            let value = variable.value.clone().unwrap_or_default().0;
            held.insert(name, value, variable.is_secret, variable.is_read_only);
        }
        held
    }

    fn insert(&mut self, name: &str, value: String, secret: bool, read_only: bool) {
        let held = Held { name: name.to_owned(), value: crate::wire::Quiet(value), secret, read_only };
        self.0.insert(name.to_ascii_lowercase(), held);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(|held| held.value.0.as_str())
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// Sets a variable of the agent's own.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        let secret = self.0.get(&name.to_ascii_lowercase()).is_some_and(|held| held.secret);
        self.insert(name, value.into(), secret, false);
    }

    /// Tells the tools of a job how to judge the server's certificate (azure-pipelines-agent: ExecutionContext.cs).
    pub(crate) fn set_certificates(&mut self, certificates: &CertificateSettings) {
        if certificates.skip_server_certificate_validation {
            self.set("agent.skipcertvalidation", "True");
        }
        if let Some(file) = &certificates.ca_certificate_file {
            self.set("agent.cainfo", file.clone());
        }
    }

    /// Sets a secret of the agent's own.
    pub(crate) fn set_secret(&mut self, name: &str, value: &str, masker: &Masker) {
        masker.add_value(value);
        self.insert(name, value.to_owned(), true, false);
    }

    /// Sets a variable on a task's behalf; a read-only one is refused. What was secret stays so.
    pub(crate) fn set_by_task(
        &mut self,
        name: &str,
        value: &str,
        secret: bool,
        read_only: bool,
        masker: &Masker,
    ) -> Result<(), String> {
        let before = self.0.get(&name.to_ascii_lowercase());
        if before.is_some_and(|held| held.read_only) {
            return Err(format!("Overwriting readonly variable '{name}' is not permitted."));
        }
        let secret = secret || before.is_some_and(|held| held.secret);
        if secret {
            masker.add_value(value);
        }
        self.insert(name, value.to_owned(), secret, read_only);
        Ok(())
    }

    /// Replaces `$(name)` by the variable's value; unknown names stay as they are.
    pub(crate) fn expand(&self, text: &str) -> String {
        self.expand_within(text, &mut Vec::new())
    }

    fn expand_within(&self, text: &str, open: &mut Vec<String>) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("$(") {
            let (before, macro_text) = rest.split_at(start);
            out.push_str(before);
            if let Some(end) = macro_text.find(')') {
                let name = macro_text[2..end].to_ascii_lowercase();
                match self.get(&name) {
                    Some(value) if open.len() < DEPTH && !open.contains(&name) => {
                        open.push(name);
                        out.push_str(&self.expand_within(value, open));
                        open.pop();
                        rest = &macro_text[end + 1..];
                    }
                    _ => {
                        // `$(` may belong to the script; look for a macro inside it.
                        out.push_str("$(");
                        rest = &macro_text[2..];
                    }
                }
            } else {
                out.push_str(macro_text);
                rest = "";
            }
        }
        out.push_str(rest);
        out
    }

    /// Adds the variables to an environment: the public ones by value, the secret ones by name alone.
    pub(crate) fn add_to(&self, environment: &mut Environment) {
        let names = |secret: bool| {
            let names: Vec<&str> =
                self.0.values().filter(|held| held.secret == secret).map(|held| held.name.as_str()).collect();
            serde_json::to_string(&names).unwrap_or_default()
        };
        for held in self.0.values().filter(|held| !held.secret) {
            environment.set(&environment_name(&held.name), self.expand(&held.value.0));
        }
        environment.set("VSTS_PUBLIC_VARIABLES", names(false));
        environment.set("VSTS_SECRET_VARIABLES", names(true));
    }
}

/// `Build.Source Branch` is `BUILD_SOURCE_BRANCH`.
pub(crate) fn environment_name(name: &str) -> String {
    name.to_uppercase().replace(['.', ' '], "_")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Variables;
    use crate::{environment::Environment, masking::Masker, wire::Variable};

    fn variables() -> Variables {
        let given: BTreeMap<String, Variable> = serde_json::from_value(serde_json::json!({
            "Build.Number": {"value": "7", "isReadOnly": true},
            "greeting": {"value": "hello $(build.number)"},
            "loop": {"value": "$(loop)"},
            "password": {"value": "planted", "isSecret": true}
        }))
        .expect("variables");
        Variables::of_job(&given)
    }

    #[test]
    fn macros_are_expanded_and_unknown_ones_left_to_the_script() {
        let variables = variables();
        for (text, expected) in [
            ("echo $(Greeting)!", "echo hello 7!"),
            ("x=$(date) $(GREETING)", "x=$(date) hello 7"),
            ("$(echo $(build.number))", "$(echo 7)"),
            ("open $(", "open $("),
            ("$(password)", "planted"),
        ] {
            assert_eq!(variables.expand(text), expected, "{text}");
        }
        // A circle comes to an end.
        assert_eq!(variables.expand("$(loop)"), "$(loop)");
    }

    #[test]
    fn secrets_are_not_in_the_environment_of_a_step() {
        let mut environment = Environment::default();
        variables().add_to(&mut environment);
        assert_eq!(environment.get("BUILD_NUMBER"), Some("7"));
        assert_eq!(environment.get("GREETING"), Some("hello 7"));
        assert!(environment.iter().all(|(_, value)| !value.contains("planted")));
        assert_eq!(environment.get("VSTS_SECRET_VARIABLES"), Some(r#"["password"]"#));
    }

    #[test]
    fn tasks_cannot_change_what_is_read_only_or_publish_what_is_secret() {
        let masker = Masker::default();
        let mut variables = variables();
        variables.set_by_task("build.number", "8", false, false, &masker).expect_err("read-only");
        variables.set_by_task("PASSWORD", "changed", false, false, &masker).expect("set");
        assert_eq!(masker.mask("changed"), "***");
    }
}
