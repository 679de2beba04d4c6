//! Whether what one costs grows with how many there are: agents that wait, jobs that ended.
//!
//! A machine's speed changes within a run by more than what is looked for. So services of all sizes run side by side and are
//! measured in turns; of each size's turns the median counts.

use std::sync::Arc;

use testkit::figures::{Figure, percentile};

use crate::agent::Keys;
use crate::load::{Field, Outcome, Server, say};

/// How many there are: agents, or jobs that ended.
const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// How often each size is measured.
const TURNS: usize = 7;

pub(crate) async fn run(keys: &Arc<Keys>) -> Outcome<Vec<Figure>> {
    let mut figures = with_agents(keys).await?;
    figures.extend(with_finished_jobs(keys).await?);
    Ok(figures)
}

async fn with_agents(keys: &Arc<Keys>) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut fields = Vec::new();
    for agents in SIZES {
        say(&format!("{agents} agents"));
        let mut field = Field::new(Server::start()?, Arc::clone(keys));
        // What the first agents need is not theirs.
        field.grow(SIZES[0]).await?;
        if agents > SIZES[0] {
            let before = field.resident()?;
            let rate = field.grow(agents).await?;
            let each = (field.resident()? - before) / (agents - SIZES[0]) as f64;
            let name = format!("resident memory per idle agent, {agents} agents");
            figures.push(Figure::new(name, each, "KiB").aim("< 20"));
            figures.push(Figure::new(format!("registrations, up to {agents} agents"), rate, "/s"));
        }
        if agents == 1_000 {
            let latencies = field.dispatch(5_000, 500.0).await?;
            for (percent, aim) in [(50, None), (99, Some("< 50"))] {
                let name = format!("queueing to delivery at 500 jobs/s, 1,000 agents, p{percent}");
                let figure = Figure::new(name, percentile(&latencies, percent), "ms");
                figures.push(aim.into_iter().fold(figure, Figure::aim));
            }
        }
        fields.push(field);
    }
    say("empty polls");
    // A hundred end too seldom to tell what one takes.
    let [_, some, most] = fields.as_slice() else { return Err("a service is missing".into()) };
    let (some, most) = tokio::join!(some.polls_cost(), most.polls_cost());
    let (some, most) = (some?, most?);
    for (agents, cost) in [(SIZES[1], some), (SIZES[2], most)] {
        let name = format!("processor time of an empty poll, {agents} agents");
        figures.push(Figure::new(name, cost, "us").against(some));
    }
    let polls = [some, some, most];
    let mut costs: [Vec<f64>; 3] = Default::default();
    for turn in 1..=TURNS {
        say(&format!("jobs beside idle agents, turn {turn} of {TURNS}"));
        for (size, field) in fields.iter_mut().enumerate() {
            costs[size].push(field.cost(polls[size]).await?);
        }
    }
    figures.extend(compared("idle agents", costs));
    Ok(figures)
}

/// The smaller ones are new in each turn: they would not stay small.
async fn with_finished_jobs(keys: &Arc<Keys>) -> Outcome<Vec<Figure>> {
    let mut most = after(keys, SIZES[2]).await?;
    let mut costs: [Vec<f64>; 3] = Default::default();
    for turn in 1..=TURNS {
        say(&format!("jobs after jobs, turn {turn} of {TURNS}"));
        for size in 0..2 {
            costs[size].push(after(keys, SIZES[size]).await?.cost(0.0).await?);
        }
        costs[2].push(most.cost(0.0).await?);
    }
    Ok(compared("finished jobs before", costs))
}

/// A service of its own with so many jobs behind it.
async fn after(keys: &Arc<Keys>, jobs: usize) -> Outcome<Field> {
    let mut field = Field::new(Server::start()?, Arc::clone(keys));
    field.grow(SIZES[0]).await?;
    field.dispatch(jobs, 1_000.0).await?;
    Ok(field)
}

/// Each size's processor time of a job, and how it compares with the smallest's.
fn compared(beside: &str, costs: [Vec<f64>; 3]) -> Vec<Figure> {
    let costs = costs.map(median);
    let figure = |(size, cost)| {
        Figure::new(format!("processor time of a job, {size} {beside}"), cost, "us").against(costs[0])
    };
    SIZES.into_iter().zip(costs).map(figure).collect()
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}
