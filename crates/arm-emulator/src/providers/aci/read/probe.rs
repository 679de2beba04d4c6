//! A container's probes.

use container_groups::{HttpGet, HttpScheme, Probe, ProbeCheck};

use crate::error::ArmError;
use crate::fields::Fields;

pub(super) fn read(mut fields: Fields<'_>) -> Result<Probe, ArmError> {
    let path = fields.path("exec");
    let command = match fields.object("exec")? {
        None => None,
        Some(mut exec) => {
            let command = exec.strings("command")?;
            exec.finish()?;
            Some(ProbeCheck::Exec(command))
        }
    };
    let request = fields.object("httpGet")?.map(read_request).transpose()?;
    let check = match (command, request) {
        (Some(command), None) => command,
        (None, Some(request)) => ProbeCheck::HttpGet(request),
        _ => {
            return Err(ArmError::invalid_content(
                &path,
                "A probe needs exactly one of 'exec' and 'httpGet'.",
            ));
        }
    };
    let probe = Probe {
        check,
        initial_delay_seconds: count(&mut fields, "initialDelaySeconds")?,
        period_seconds: count(&mut fields, "periodSeconds")?,
        failure_threshold: count(&mut fields, "failureThreshold")?,
        success_threshold: count(&mut fields, "successThreshold")?,
        timeout_seconds: count(&mut fields, "timeoutSeconds")?,
    };
    fields.finish()?;
    Ok(probe)
}

fn count(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<u32>, ArmError> {
    let Some(number) = fields.integer(name)? else { return Ok(None) };
    u32::try_from(number)
        .map(Some)
        .map_err(|_| ArmError::invalid_content(&fields.path(name), "The value must not be negative."))
}

fn read_request(mut fields: Fields<'_>) -> Result<HttpGet, ArmError> {
    fields.required("port")?;
    let path = fields.path("port");
    let port = fields.integer("port")?.and_then(|number| u16::try_from(number).ok());
    let port =
        port.ok_or_else(|| ArmError::invalid_content(&path, "The port must be between 1 and 65535."))?;
    let scheme = match fields.word("scheme", &["http", "https"])? {
        Some("https") => HttpScheme::Https,
        _ => HttpScheme::Http,
    };
    let mut headers = Vec::new();
    for (path, header) in fields.array("httpHeaders")? {
        let mut header = Fields::of(header, path)?;
        let name = header.required_string("name")?.to_owned();
        headers.push((name, header.required_string("value")?.to_owned()));
        header.finish()?;
    }
    let request = HttpGet { path: fields.string("path")?.map(str::to_owned), port, scheme, headers };
    fields.finish()?;
    Ok(request)
}
