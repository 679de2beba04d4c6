//! What of a job must not be shown (azure-pipelines-agent: Worker.cs InitializeSecretMasker).

use crate::{
    masking::Masker,
    wire::{JobMessage, Quiet},
};

/// Registers everything that must not be shown.
pub(crate) fn learn_secrets(masker: &Masker, message: &JobMessage) {
    for hint in &message.mask {
        let Some(Quiet(value)) = &hint.value else { continue };
        let by_name = hint.kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("variable"));
        match message.variables.get(value).and_then(|variable| variable.value.as_ref()) {
            Some(Quiet(secret)) if by_name => masker.add_value(secret),
            _ if by_name => {}
            _ => masker.add_pattern(value),
        }
    }
    for variable in message.variables.values().filter(|variable| variable.is_secret) {
        if let Some(Quiet(value)) = &variable.value {
            masker.add_value(value);
        }
    }
    for endpoint in &message.resources.endpoints {
        for Quiet(value) in
            endpoint.authorization.iter().flat_map(|authorization| authorization.parameters.values())
        {
            masker.add_value(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::learn_secrets;
    use crate::masking::Masker;

    #[test]
    fn secrets_of_a_job_are_learnt_from_all_three_places() {
        let message = serde_json::from_value(serde_json::json!({
            "plan": {"scopeIdentifier": "s", "planType": "Build", "planId": "p"},
            "timeline": {"id": "t"}, "jobId": "j", "requestId": 1,
            "resources": {"endpoints": [{"name": "SystemVssConnection", "url": "http://h/",
                "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": "from-endpoint"}}}]},
            "variables": {"v": {"value": "from-variable", "isSecret": true}, "w": {"value": "by-name"}},
            "mask": [{"type": "regex", "value": "from-ma[s]k"}, {"type": "variable", "value": "w"}]
        }))
        .expect("a job");
        let masker = Masker::default();
        learn_secrets(&masker, &message);
        let masked = masker.mask("from-endpoint from-variable from-mask by-name");
        assert_eq!(masked, "*** *** *** ***");
    }
}
