//! The hunt of `cargo xtask leakscan`, as part of the suite: ours is caught nowhere, and the controls are caught.

use anyhow::{Context as _, Result, ensure};
use e2e::Artifacts;
use e2e::leakscan::{self, Kind};

async fn check(kind: Kind) -> Result<()> {
    let hunter = Artifacts::handed_over().leak_hunter.context("MAYFLY_LEAK_HUNTER names the hunter")?;
    let scanned = Box::pin(leakscan::scan(kind, &hunter)).await?;
    ensure!(scanned.rows.len() >= 40, "{} routes", scanned.rows.len());
    let faults = leakscan::faults(&[scanned]);
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_leads_to_the_token_or_the_last_job() -> Result<()> {
    check(Kind::Mayfly).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_for_a_root_job() -> Result<()> {
    check(Kind::MayflyRoot).await
}

#[tokio::test(flavor = "multi_thread")]
async fn control_the_naive_start_script_is_caught() -> Result<()> {
    check(Kind::Naive).await
}

#[tokio::test(flavor = "multi_thread")]
async fn control_dockers_restart_is_caught() -> Result<()> {
    check(Kind::Restarted).await
}
