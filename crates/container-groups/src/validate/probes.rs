//! Probes. The bounds are Kubernetes', which the service refers to; its own code and words are not published.

use super::bad;
use crate::error::GroupError;
use crate::group::{ContainerSpec, GroupSpec, Probe, ProbeCheck};

pub(super) fn check(spec: &GroupSpec, container: &ContainerSpec) -> Result<(), GroupError> {
    let probes = [("liveness", &container.liveness_probe), ("readiness", &container.readiness_probe)];
    for (kind, probe) in probes {
        let Some(probe) = probe else { continue };
        if let Err(why) = check_one(kind, probe) {
            return Err(bad(
                "InvalidContainerProbe",
                format!(
                    "The {kind} probe of container '{}' in container group '{}' is invalid. {why}",
                    container.name, spec.name
                ),
            ));
        }
    }
    Ok(())
}

fn check_one(kind: &str, probe: &Probe) -> Result<(), &'static str> {
    match &probe.check {
        ProbeCheck::Exec(command) if command.is_empty() => return Err("The command must not be empty."),
        ProbeCheck::HttpGet(request) if request.port == 0 => {
            return Err("The port must be between 1 and 65535.");
        }
        ProbeCheck::HttpGet(request)
            if request.path.as_deref().is_some_and(|path| !path.starts_with('/')) =>
        {
            return Err("The path must begin with '/'.");
        }
        _ => {}
    }
    let counts =
        [probe.period_seconds, probe.failure_threshold, probe.success_threshold, probe.timeout_seconds];
    if counts.into_iter().flatten().any(|count| count == 0) {
        return Err(
            "periodSeconds, failureThreshold, successThreshold and timeoutSeconds must be 1 at least.",
        );
    }
    if kind == "liveness" && probe.success_threshold.is_some_and(|count| count != 1) {
        return Err("successThreshold must be 1 for liveness.");
    }
    Ok(())
}
