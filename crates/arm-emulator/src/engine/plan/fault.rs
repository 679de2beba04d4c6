//! Faults of templates as ARM words them.

use arm_template::Diagnostic;
use serde_json::json;

use crate::error::{ArmError, ErrorBody};

/// ARM's error for faults of a template, each with its place.
pub(crate) fn violation(faults: &[Diagnostic]) -> ArmError {
    let shown: Vec<ErrorBody> = faults.iter().map(fault).collect();
    let Some(first) = shown.first().cloned() else {
        return ArmError::bad_request("InvalidTemplate", "Deployment template validation failed.");
    };
    let mut error = ArmError::bad_request(first.code.clone(), first.message.clone());
    error.body.additional_info = first.additional_info;
    if shown.len() > 1 {
        error = error.with_details(shown);
    }
    error
}

fn fault(diagnostic: &Diagnostic) -> ErrorBody {
    let mut body = ErrorBody::new(diagnostic.code.as_str(), diagnostic.to_string());
    let (line, column) = diagnostic.position().map_or((0, 0), |position| (position.line, position.column));
    let path = match diagnostic.path.as_str() {
        "" => "properties.template".to_owned(),
        path => format!("properties.template.{path}"),
    };
    body.additional_info = vec![json!({
        "type": "TemplateViolation",
        "info": { "lineNumber": line, "linePosition": column, "path": path },
    })];
    body
}
