//! Routes that lead past the container: records, logs, layers, what the engine keeps.
//!
//! Each proves itself by something that must be in what it reads, such as the agent's name.

use anyhow::Result;
use bollard::query_parameters::ListImagesOptionsBuilder;
use futures_util::TryStreamExt as _;
use memchr::memmem;

use super::argv;
use super::needles::Needles;
use super::scan::{Check, Finding};
use super::target::{Agent, Kind};
use crate::{Job, Stack, everything_in, texts_below};

/// What there is to look at.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) agent: &'a Agent,
    pub(crate) needles: &'a Needles,
    pub(crate) jobs: &'a [&'a Job],
}

type Findings = Vec<(&'static str, Finding)>;

/// All of them.
pub(crate) async fn follow_all(seen: &Seen<'_>, arguments: argv::Seen) -> Result<Findings> {
    let mut findings = vec![("arguments-at-start", at_start(arguments))];
    findings.push(("container-files", container_files(seen).await?));
    findings.extend(records(seen).await?);
    if seen.agent.kind == Kind::Mayfly {
        findings.extend(group(seen).await?);
    }
    Ok(findings)
}

fn at_start(seen: argv::Seen) -> Finding {
    let mut finding = Finding { looked: seen.looked, unit: "command lines".into(), ..Finding::default() };
    for (name, class, program) in seen.found {
        finding.add(&name, class, &format!("arguments of {program}"));
    }
    finding.check = Some(if seen.saw_configuration {
        Check::Held
    } else {
        Check::Failed("the agent's configuration was not seen".into())
    });
    finding
}

impl Finding {
    fn add(&mut self, name: &str, class: &str, place: &str) {
        *self.classes.entry(class.to_owned()).or_default() += 1;
        if self.hits.len() < 4 {
            self.hits.push((name.to_owned(), class.to_owned(), place.to_owned()));
        }
    }

    /// Searches things by name; the route holds if `expected` is in one of them.
    pub(crate) fn search<N: AsRef<str>, B: AsRef<[u8]>>(
        needles: &Needles,
        unit: &str,
        expected: &str,
        things: impl IntoIterator<Item = (N, B)>,
    ) -> Self {
        let mut finding = Self { unit: unit.into(), ..Self::default() };
        let mut held = false;
        for (place, bytes) in things {
            finding.looked += 1;
            held |= memmem::find(bytes.as_ref(), expected.as_bytes()).is_some();
            for (name, class) in needles.within(bytes.as_ref()) {
                finding.add(&name, class, place.as_ref());
            }
        }
        finding.check = Some(if held {
            Check::Held
        } else {
            Check::Failed(format!("`{expected}`, which must be there, was not found"))
        });
        finding
    }
}

/// The image and all others of the engine, which stay when the container has gone.
pub(crate) async fn images(seen: &Seen<'_>) -> Result<Findings> {
    let (engine, needles) = (seen.stack.engine(), seen.needles);
    let (repository, tag) = seen.stack.local_image();
    let image = format!("{repository}:{tag}");
    let contents = everything_in(engine, &image).await?;
    let (mut own, mut others) = (Vec::new(), Vec::new());
    let all = ListImagesOptionsBuilder::default().all(true).build();
    for one in engine.0.list_images(Some(all)).await? {
        // Another sandbox may be taking its images down meanwhile.
        let Ok(history) = engine.0.image_history(&one.id).await else { continue };
        let Ok(settings) = engine.0.inspect_image(&one.id).await else { continue };
        let list = if one.repo_tags.contains(&image) { &mut own } else { &mut others };
        list.push((one.id, format!("{history:?}{settings:?}")));
    }
    Ok(vec![
        ("image-contents", Finding::search(needles, "images", "mayfly-entrypoint", [("a layer", contents)])),
        ("image-history", Finding::search(needles, "images", "mayfly-entrypoint", own)),
        ("build-cache", Finding::search(needles, "images", "sha256", others)),
    ])
}

/// The container's file system as the engine exports it: what the job of this moment reads, and what only root can.
async fn container_files(seen: &Seen<'_>) -> Result<Finding> {
    let files: Vec<_> = seen.stack.engine().0.export_container(&seen.agent.container).try_collect().await?;
    let export = [("a file of the container", files.concat())];
    Ok(Finding::search(seen.needles, "file systems", "mayfly-entrypoint", export))
}

async fn records(seen: &Seen<'_>) -> Result<Findings> {
    let (stack, needles, name) = (seen.stack, seen.needles, seen.agent.name.as_str());
    let agents = stack.azdo("GET", "/_apis/distributedtask/pools/1/agents?includeCapabilities=true").await?;
    let journal = stack.control("GET", "/azdo/journal", None).await?;
    let events = stack.control("GET", "/azdo/events", None).await?;
    let log = stack.engine().logs(&seen.agent.container).await?;
    let state = texts_below(&stack.folder())?;
    // The one file that holds credentials, for its owner's eyes alone.
    let state = state.into_iter().filter(|(file, _)| !file.ends_with("sandbox.json"));
    let state =
        state.map(|(file, text)| (file.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
    let logs = seen.jobs.iter().enumerate().map(|(number, job)| (format!("job {}", number + 1), job.text()));
    Ok(vec![
        ("container-log", Finding::search(needles, "logs", "Listening for Jobs", [("the log", log)])),
        ("job-log", Finding::search(needles, "logs", "leakscan-end", logs)),
        (
            "uploaded-capabilities",
            Finding::search(needles, "lists", name, [("the agent's capabilities", agents.to_string())]),
        ),
        (
            "service-journal",
            Finding::search(
                needles,
                "records",
                "distributedtask",
                [("the journal", journal.to_string()), ("the events", events.to_string())],
            ),
        ),
        ("service-logs", Finding::search(needles, "files", "leakscan-planted", state)),
    ])
}

async fn group(seen: &Seen<'_>) -> Result<Findings> {
    let (stack, needles, name) = (seen.stack, seen.needles, seen.agent.name.as_str());
    let base = "/resourceGroups/mayfly-agents";
    let groups = format!("{base}/providers/Microsoft.ContainerInstance/containerGroups");
    let read = async |path: String, version: &str| -> Result<(String, String)> {
        let body = stack.arm("GET", &path, version).await?;
        Ok((path.rsplit('/').next().unwrap_or_default().to_owned(), body.to_string()))
    };
    let shown =
        [read(groups.clone(), "2023-05-01").await?, read(format!("{groups}/{name}"), "2023-05-01").await?];
    let deployments = [
        read(format!("{base}/providers/Microsoft.Resources/deployments"), "2022-09-01").await?,
        read(format!("{base}/providers/Microsoft.Resources/deployments/mayfly-mayfly"), "2022-09-01").await?,
    ];
    let operations = [read(format!("{base}/deployments/mayfly-mayfly/operations"), "2022-09-01").await?];
    let deployer = [("the command's output", seen.agent.deployer.clone())];
    Ok(vec![
        ("container-group", Finding::search(needles, "answers", name, shown)),
        ("deployment-history", Finding::search(needles, "answers", "mayfly-mayfly", deployments)),
        ("deployment-operations", Finding::search(needles, "answers", "containerGroups", operations)),
        ("deployer-log", Finding::search(needles, "outputs", name, deployer)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakscan::needles::Needle;

    #[test]
    fn a_search_finds_and_proves_itself() {
        let all =
            vec![Needle { name: "token".into(), class: "registration-token", bytes: b"the-token".into() }];
        let needles = Needles { all };
        let finding = Finding::search(&needles, "texts", "name", [("a", "name"), ("b", "x the-token x")]);
        assert_eq!((finding.looked, finding.check), (2, Some(Check::Held)));
        assert_eq!(finding.hits, [("token".into(), "registration-token".into(), "b".into())]);
        let nothing = Finding::search(&needles, "texts", "name", [("a", "")]);
        assert!(matches!(nothing.check, Some(Check::Failed(_))));
    }
}
