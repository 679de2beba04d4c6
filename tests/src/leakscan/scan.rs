//! One target from its start to its report.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bollard::models::ContainerCreateBody;
use serde_json::{Value, json};

use super::argv::Watch;
use super::catalogue::{Place, ROUTES};
use super::key::{Death, LiveKey};
use super::needles::Needles;
use super::target::{self, Agent, FOLDER, Kind};
use super::{outside, probe};
use crate::{Job, Stack};

const NEIGHBOUR_PORT: &str = "4711";
/// The classes of leaks, the worst first, then what is no leak.
pub(crate) const CLASSES: [&str; 4] =
    ["registration-token", "registry-password", "earlier-job", "own-agent-key"];

/// Whether a route proved that it can find something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It found the canary that was put in its way.
    Held,
    /// The kernel, the engine or the rights of files refuse the route itself.
    Closed(String),
    /// Neither: this row says nothing.
    Failed(String),
}

/// One line of the report.
#[derive(Debug, Clone)]
pub struct Row {
    /// Id of the route.
    pub route: &'static str,
    /// What an attacker does.
    pub attack: &'static str,
    /// Whether it led to anything.
    pub found: bool,
    /// The worst class of what was found, else `none`.
    pub class: String,
    /// Finds by class.
    pub classes: BTreeMap<String, u64>,
    /// Where, and how much was looked at.
    pub evidence: String,
    /// The route's proof of itself.
    pub check: Check,
    /// For the agent's own key: what became of it after the restart.
    pub own_key_refused: Option<bool>,
}

/// A target's report.
#[derive(Debug, Clone)]
pub struct Scanned {
    /// Which.
    pub kind: Kind,
    /// One row for each route.
    pub rows: Vec<Row>,
}

/// What a route says before it is put beside its catalogue entry.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    pub(crate) looked: u64,
    pub(crate) unit: String,
    /// Name, class, place.
    pub(crate) hits: Vec<(String, String, String)>,
    /// Finds by class, which may be more than the hits that are named.
    pub(crate) classes: BTreeMap<String, u64>,
    pub(crate) check: Option<Check>,
    pub(crate) note: String,
}

/// Scans one target in a sandbox of its own.
pub async fn scan(kind: Kind, hunter: &Path) -> Result<Scanned> {
    let mut stack = Stack::builder().start().await?;
    stack.build_image().await?;
    let (earlier, own) =
        (format!("left{}", crate::random_word(16)), format!("mine{}", crate::random_word(16)));
    let needles = Needles::of(&stack, &earlier, &own);
    let tool = fs_err::read(hunter)?;

    let watch = Watch::start(&needles);
    let mut agent = Agent::start(kind, &mut stack).await?;
    let arguments = watch.finish()?;
    let neighbour = start_neighbour(&stack, &tool).await?;
    let brief = needles.brief(&stack, Some(&neighbour.1)).into_bytes();
    let tools = [("leak-hunter", tool), ("brief", brief)];

    target::upload(&stack, &agent.container, &tools).await?;
    let planted = stack.job(&format!("{FOLDER}/leak-hunter plant {FOLDER}/brief")).await?;
    ensure!(planted.text().contains("leakscan-planted-end"), "job 1 planted nothing: {}", planted.text());
    agent.next(&stack).await?;
    target::upload(&stack, &agent.container, &tools).await?;
    let hunt = Hunt::start(&stack, &agent).await?;
    let mut findings = inside(&hunt.job)?;
    let seen =
        outside::Seen { stack: &stack, agent: &agent, needles: &needles, jobs: &[&planted, &hunt.job] };
    findings.extend(outside::follow_all(&seen, arguments).await?);
    target::upload(&stack, &agent.container, &[("go", Vec::new())]).await?;
    stack.job_state(&hunt.id, "completed").await?;
    if kind == Kind::Mayfly {
        findings.extend(outside::images(&seen).await?);
    }
    agent.next(&stack).await?;
    let death = after_restart(&stack, &hunt.key).await?;
    findings.push(("exec-probe", probe::follow(&stack, &agent, &needles).await?));

    let rows = rows(kind, findings, &death)?;
    for container in [&neighbour.0, &agent.container] {
        if kind != Kind::Mayfly || *container != agent.container {
            target::remove(&stack, container).await?;
        }
    }
    stack.finish().await?;
    Ok(Scanned { kind, rows })
}

/// Another container of the network, that answers whoever can reach it. Its id and address.
async fn start_neighbour(stack: &Stack, tool: &[u8]) -> Result<(String, String)> {
    let command = [&format!("{FOLDER}/leak-hunter"), "serve", NEIGHBOUR_PORT, "neighbour"];
    let body = ContainerCreateBody {
        entrypoint: Some(command.map(ToOwned::to_owned).into()),
        ..ContainerCreateBody::default()
    };
    let container = target::create(stack, body).await?;
    target::upload(stack, &container, &[("leak-hunter", tool.to_vec())]).await?;
    stack.engine().0.start_container(&container, None).await?;
    let shown = stack.engine().0.inspect_container(&container, None).await?;
    let networks = shown.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let address = networks.into_values().find_map(|network| network.ip_address).context("an address")?;
    Ok((container, format!("{address}:{NEIGHBOUR_PORT}")))
}

/// Job 2, which has hunted and now keeps its container alive.
#[derive(Debug)]
struct Hunt {
    id: String,
    job: Job,
    key: LiveKey,
}

impl Hunt {
    /// Runs the hunter as a job, and uses the agent's key while that job holds its agent alive.
    async fn start(stack: &Stack, agent: &Agent) -> Result<Self> {
        let script = format!(
            r"export LEAK_HUNTER_JOB_TOKEN=$(System.AccessToken)
{FOLDER}/leak-hunter hunt {FOLDER}/brief
base64 -w 500 /azp/agent/.credentials | sed 's/^/credentials=/'
base64 -w 500 /azp/agent/.credentials_rsaparams | sed 's/^/key=/'
echo leakscan-waits
for turn in $(seq 600); do
  [ -e {FOLDER}/go ] && break; sleep 1
done
echo leakscan-done"
        );
        // A job may be given its token openly; this one is, so that what the token may do can be tried.
        let body = json!({
            "pool": stack.variable("AZDO_POOL"), "steps": [{ "script": script }],
            "variables": { "system.enableAccessToken": "true" },
        });
        let queued = stack.control("POST", "/azdo/jobs", Some(body)).await?;
        let id = queued["jobId"].as_str().context("a queued job has an id")?.to_owned();
        let waiting = stack
            .eventually("the hunter has hunted", Duration::from_secs(90), async || {
                let log = job_log(stack, &id).await?;
                ensure!(log.iter().any(|line| line.contains("leakscan-waits")), "{}", log.join("\n"));
                Ok(log)
            })
            .await?;
        let job = Job { result: String::new(), agent: agent.name.clone(), log: waiting };
        let key = LiveKey::steal(&job, &agent.name).await?;
        Ok(Self { id, job, key })
    }
}

async fn job_log(stack: &Stack, id: &str) -> Result<Vec<String>> {
    let log = stack.control("GET", &format!("/azdo/jobs/{id}/log"), None).await?;
    let lines = log["lines"].as_array().context("a log has lines")?;
    Ok(lines.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect())
}

/// The key dies when the next agent has registered, which takes it a moment.
async fn after_restart(stack: &Stack, key: &LiveKey) -> Result<Death> {
    let dead = stack
        .eventually("the stolen key is refused", Duration::from_secs(20), async || {
            let death = key.try_again(stack).await?;
            ensure!(death.refused, "{}", death.told);
            Ok(death)
        })
        .await;
    // That it never died is a result, and for our targets a fault of theirs.
    match dead {
        Ok(death) => Ok(death),
        Err(_) => key.try_again(stack).await,
    }
}

/// Reads the hunter's rows out of the job's log.
fn inside(job: &Job) -> Result<Vec<(&'static str, Finding)>> {
    ensure!(job.text().contains("leakscan-end"), "the hunt did not come to its end:\n{}", job.text());
    let mut findings = Vec::new();
    for line in &job.log {
        let Some((_, text)) = line.split_once("leakscan-row ") else { continue };
        let row: Value = serde_json::from_str(text).with_context(|| format!("read the row `{text}`"))?;
        let name = row["route"].as_str().unwrap_or_default();
        let Some(route) = ROUTES.iter().find(|route| route.id == name && route.place == Place::Inside) else {
            bail!("the hunter followed a route that is in no catalogue: `{name}`");
        };
        findings.push((route.id, finding(&row)));
    }
    Ok(findings)
}

fn finding(row: &Value) -> Finding {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let hits = row["hits"].as_array().into_iter().flatten();
    let classes = row["classes"].as_object().into_iter().flatten();
    Finding {
        looked: row["looked"].as_u64().unwrap_or_default(),
        unit: text(&row["unit"]),
        hits: hits.map(|hit| (text(&hit[0]), text(&hit[1]), text(&hit[2]))).collect(),
        classes: classes
            .map(|(class, number)| (class.clone(), number.as_u64().unwrap_or_default()))
            .collect(),
        check: Some(match row["check"].as_str() {
            Some("held") => Check::Held,
            Some("closed") => Check::Closed(text(&row["why"])),
            _ => Check::Failed("the hunter did not find its own canary".into()),
        }),
        note: text(&row["note"]),
    }
}

/// Puts findings beside the catalogue: a route that nobody followed is a row too, and a fault.
fn rows(kind: Kind, findings: Vec<(&'static str, Finding)>, death: &Death) -> Result<Vec<Row>> {
    let mut by_route: BTreeMap<&str, Finding> = findings.into_iter().collect();
    let wanted = ROUTES.iter().filter(|route| route.place != Place::Group || kind == Kind::Mayfly);
    let rows = wanted
        .map(|route| {
            let finding = by_route.remove(route.id).unwrap_or_else(|| Finding {
                check: Some(Check::Failed("nobody followed this route".into())),
                ..Finding::default()
            });
            row(route.id, route.attack, finding, death)
        })
        .collect();
    ensure!(by_route.is_empty(), "findings without a route: {:?}", by_route.keys());
    Ok(rows)
}

fn row(route: &'static str, attack: &'static str, finding: Finding, death: &Death) -> Row {
    let class = CLASSES.into_iter().find(|class| finding.classes.contains_key(*class)).unwrap_or("none");
    let found = !finding.classes.is_empty();
    let mut check = finding.check.unwrap_or_else(|| Check::Failed("no check was made".into()));
    if finding.looked == 0 && check == Check::Held {
        check = Check::Failed("nothing was looked at".into());
    }
    let mut evidence: Vec<String> = Vec::new();
    for (name, _, place) in &finding.hits {
        evidence.push(format!("{name} in {place}"));
    }
    let more = finding.classes.values().sum::<u64>().saturating_sub(finding.hits.len() as u64);
    if more > 0 {
        evidence.push(format!("and {more} more"));
    }
    if let Check::Closed(why) = &check {
        evidence.push(format!("closed: {why}"));
    }
    evidence.push(format!("looked at {} {}", finding.looked, finding.unit));
    if !finding.note.is_empty() {
        evidence.push(finding.note);
    }
    let own_key_refused = finding.classes.contains_key("own-agent-key").then_some(death.refused);
    if own_key_refused.is_some() {
        evidence.push(death.told.clone());
    }
    Row {
        route,
        attack,
        found,
        class: class.into(),
        classes: finding.classes,
        evidence: evidence.join("; "),
        check,
        own_key_refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death() -> Death {
        Death { refused: true, told: "after the restart: key 400".into() }
    }

    #[test]
    fn a_route_that_looked_at_nothing_is_a_fault() {
        let row = row("a", "b", Finding { check: Some(Check::Held), ..Finding::default() }, &death());
        assert!(matches!(row.check, Check::Failed(_)) && !row.found && row.class == "none");
    }

    #[test]
    fn a_route_that_nobody_followed_is_a_fault() {
        let rows = rows(Kind::Naive, Vec::new(), &death()).unwrap();
        assert!(rows.len() >= 50 && rows.iter().all(|row| matches!(row.check, Check::Failed(_))));
    }

    #[test]
    fn the_worst_class_is_the_row_s_and_a_key_s_fate_is_told() {
        let text = r#"{"route":"open-files","looked":3,"unit":"descriptors","classes":{"own-agent-key":1,"earlier-job":1},
            "hits":[["the agent's key","own-agent-key","/a"]],"check":"held","why":"","note":""}"#;
        let row = row("open-files", "b", finding(&serde_json::from_str(text).unwrap()), &death());
        assert_eq!((row.class.as_str(), row.own_key_refused, row.found), ("earlier-job", Some(true), true));
        assert!(row.evidence.contains("and 1 more") && row.evidence.contains("key 400"), "{}", row.evidence);
    }

    #[test]
    fn a_route_of_the_hunter_without_an_entry_is_refused() {
        let job = Job {
            result: String::new(),
            agent: String::new(),
            log: vec!["x leakscan-row {\"route\":\"unheard-of\"}".into(), "leakscan-end".into()],
        };
        assert!(inside(&job).is_err());
    }
}
