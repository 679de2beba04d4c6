//! `sandbox az`: the user's `az`, in a configuration of its own in which the running sandbox is the cloud. It lies in the
//! instance's state folder and goes with it; the user's own configuration is neither read nor written.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use sandbox::{Instance, Record, environment};
use secrecy::ExposeSecret;
use tokio::process::Command;

use super::sandbox_env::{instance, running};
use crate::cli::Common;
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

/// Names the program where it is not on PATH.
const NAMED: &str = "MAYFLY_AZ";
/// What the program is called.
const PROGRAMS: &[&str] = if cfg!(windows) { &["az.cmd", "az.bat", "az.exe"] } else { &["az"] };
/// What the cloud is called in the configuration.
const CLOUD: &str = "Sandbox";
/// No questions to hosts outside, and nothing sent to the vendor about calls that never reach it.
const SETTINGS: &str = "[core]\ncollect_telemetry = false\ninstance_discovery = false\n";

pub(crate) async fn run(words: &[OsString], common: &Common, present: &Environment) -> Result<Outcome> {
    let instance = instance(common, present)?;
    let record = running(&instance)?;
    let az = Az::of(&instance, &record, program(present)?);
    az.prepare(&record).await?;
    let mut child = az.command(words).spawn().map_err(|error| az.not_started(error))?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.context("wait for `az`")?,
            // The terminal tells `az` too, which ends in its own way and with its own code.
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    Ok(Outcome::Passed(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The program that the environment names, or the first on PATH.
fn program(present: &Environment) -> Result<PathBuf> {
    if let Some(named) = present.get(NAMED) {
        return Ok(named.into());
    }
    let path = present.get("PATH").unwrap_or_default();
    let folders = std::env::split_paths(path);
    let mut candidates = folders.flat_map(|folder| PROGRAMS.iter().map(move |name| folder.join(name)));
    candidates.find(|file| file.is_file()).ok_or_else(|| {
        Problem::new(Outcome::Failed, "there is no `az` on PATH")
            .hint("install it, for example with `pip install azure-cli`")
            .hint(format!("or name the program in {NAMED}"))
            .into()
    })
}

/// The program with its configuration folder and the sandbox's variables.
struct Az {
    program: PathBuf,
    folder: PathBuf,
    lock: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Az {
    fn of(instance: &Instance, record: &Record, program: PathBuf) -> Self {
        Self {
            program,
            folder: instance.folder().join("az"),
            lock: instance.folder().join("az.lock"),
            variables: environment(instance, record),
        }
    }

    fn command(&self, words: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(&self.program);
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command.args(words).envs(variables).env("AZURE_CONFIG_DIR", &self.folder);
        command
    }

    /// Registers the cloud and logs in, where that is not done for this sandbox yet.
    async fn prepare(&self, record: &Record) -> Result<()> {
        // Two that start at once would write the same files.
        let lock = fs_err::File::create(&self.lock)?.into_parts().0;
        tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
            .await?
            .context("wait for another `sandbox az`")?;
        let (made, secret) = (self.folder.join("made-for.txt"), self.folder.join("secret.txt"));
        let wanted = format!("{} {} {}\n", record.arm_endpoint, record.tenant_id, record.client_id);
        let password = record.client_secret.expose_secret();
        let is = |file: &Path, text: &str| fs_err::read_to_string(file).is_ok_and(|found| found == text);
        if is(&made, &wanted) && is(&secret, password) {
            return Ok(());
        }
        if self.folder.exists() {
            fs_err::remove_dir_all(&self.folder)?;
        }
        // The instance's folder is its owner's alone, and so is what lies in it.
        fs_err::create_dir_all(&self.folder)?;
        fs_err::write(self.folder.join("config"), SETTINGS)?;
        fs_err::write(&secret, password)?;
        output::note("logging `az` in to the sandbox, once");
        let endpoint = record.arm_endpoint.as_str().trim_end_matches('/');
        self.step(&["cloud", "register", "--name", CLOUD, "--endpoint-resource-manager", endpoint]).await?;
        self.step(&["cloud", "set", "--name", CLOUD]).await?;
        let (user, tenant) = (record.client_id.to_string(), record.tenant_id.to_string());
        // The secret's file, not the secret: other users can read what a program was started with.
        let from_file = format!("@{}", secret.display());
        let login = ["login", "--service-principal", "--username", &user, "--password", &from_file];
        self.step(&[&login[..], &["--tenant", &tenant]].concat()).await?;
        // Last, so that what was left half made is made again.
        Ok(fs_err::write(&made, wanted)?)
    }

    async fn step(&self, words: &[&str]) -> Result<()> {
        let mut command = self.command(words);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let answer = command.output().await.map_err(|error| self.not_started(error))?;
        if answer.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&answer.stderr).lines().map(ToOwned::to_owned).collect();
        let what = format!("`az {}` ended with {}", words.first().unwrap_or(&""), answer.status);
        Err(Problem::new(Outcome::Failed, what).details(said).into())
    }

    fn not_started(&self, error: std::io::Error) -> anyhow::Error {
        let what = format!("`{}` cannot be started: {error}", self.program.display());
        Problem::new(Outcome::Failed, what).hint(format!("{NAMED} names the program to start")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(pairs: &[(&'static str, &str)]) -> Environment {
        Environment::default().with(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())))
    }

    #[test]
    fn the_named_program_wins_over_the_first_on_path_and_none_is_an_error_with_a_hint() -> Result<()> {
        let (empty, full) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let file = full.path().join(PROGRAMS[0]);
        fs_err::write(&file, "")?;
        let path = std::env::join_paths([empty.path(), full.path()])?;
        let path = path.to_str().context("the folders' names are Unicode")?;
        assert_eq!(program(&present(&[("PATH", path)]))?, file);
        assert_eq!(program(&present(&[("PATH", path), (NAMED, "/own/az")]))?, Path::new("/own/az"));
        let none = program(&present(&[("PATH", empty.path().to_str().context("Unicode")?)]));
        assert!(none.is_err_and(|error| error.to_string() == "there is no `az` on PATH"));
        Ok(())
    }
}
