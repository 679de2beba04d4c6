//! Request bodies of scope maps and tokens, read strictly.

use jiff::Timestamp;
use serde_json::Value;

use crate::error::ArmError;
use crate::fields::Fields;

const REPOSITORY_ACTIONS: [&str; 5] =
    ["content/delete", "content/read", "content/write", "metadata/read", "metadata/write"];
const GATEWAY_ACTIONS: [&str; 4] = ["config/read", "config/write", "message/read", "message/write"];

pub(super) struct ScopeMapChanges {
    pub(super) description: Option<String>,
    pub(super) actions: Option<Vec<String>>,
}

pub(super) struct TokenChanges {
    /// The name of the scope map.
    pub(super) scope_map: Option<String>,
    pub(super) enabled: Option<bool>,
}

pub(super) struct Generate {
    /// The name of the token.
    pub(super) token: String,
    pub(super) which: Option<usize>,
    pub(super) expiry: Option<Timestamp>,
}

/// 5 to 50 letters, digits, dashes and underscores.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), ArmError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (5..=50).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let message = format!(
        "The {what} name '{name}' is invalid. It has 5 to 50 letters, digits, '-' and '_' and nothing else."
    );
    Err(ArmError::bad_request("InvalidResourceName", message))
}

pub(super) fn scope_map(body: &Value) -> Result<ScopeMapChanges, ArmError> {
    let mut fields = Fields::of(body, "")?;
    fields.required_object("properties")?.required("actions")?;
    scope_map_changes(body)
}

pub(super) fn scope_map_changes(body: &Value) -> Result<ScopeMapChanges, ArmError> {
    let mut fields = Fields::of(body, "")?;
    for echoed in ["id", "name", "type", "systemData"] {
        fields.value(echoed);
    }
    let mut changes = ScopeMapChanges { description: None, actions: None };
    if let Some(mut properties) = fields.object("properties")? {
        for read_only in ["type", "creationDate", "provisioningState"] {
            properties.value(read_only);
        }
        changes.description = properties.string("description")?.map(str::to_owned);
        if properties.value("actions").is_some() {
            let actions = properties.strings("actions")?;
            for (at, action) in actions.iter().enumerate() {
                check_action(at, action)?;
            }
            changes.actions = Some(actions);
        }
        properties.finish()?;
    }
    fields.finish()?;
    Ok(changes)
}

/// `repositories/<name>/content/read` and the like; the name may be `*` or end in `/*`.
fn check_action(at: usize, action: &str) -> Result<(), ArmError> {
    let wrong = || {
        let supported = format!("{}; {}", REPOSITORY_ACTIONS.join(", "), GATEWAY_ACTIONS.join(", "));
        ArmError::invalid_content(
            &format!("properties.actions[{at}]"),
            format_args!(
                "The action is not 'repositories/{{name}}/{{action}}' or 'gateway/{{name}}/{{action}}' with one of the \
                 supported actions: {supported}. A '*' stands alone or at the end of the name, behind a '/'."
            ),
        )
    };
    let (kind, rest) = action.split_once('/').ok_or_else(wrong)?;
    let known: &[&str] = match kind {
        "repositories" => &REPOSITORY_ACTIONS,
        "gateway" => &GATEWAY_ACTIONS,
        _ => return Err(wrong()),
    };
    let name = known.iter().find_map(|known| rest.strip_suffix(known)?.strip_suffix('/'));
    let name = name.filter(|name| !name.is_empty()).ok_or_else(wrong)?;
    let plain = name.strip_suffix("/*").or_else(|| name.strip_suffix('*').filter(|rest| rest.is_empty()));
    if plain.unwrap_or(name).contains('*') { Err(wrong()) } else { Ok(()) }
}

pub(super) fn token(body: &Value) -> Result<TokenChanges, ArmError> {
    let mut fields = Fields::of(body, "")?;
    for echoed in ["id", "name", "type", "systemData"] {
        fields.value(echoed);
    }
    let mut changes = TokenChanges { scope_map: None, enabled: None };
    if let Some(mut properties) = fields.object("properties")? {
        for read_only in ["creationDate", "provisioningState"] {
            properties.value(read_only);
        }
        changes.scope_map = properties.string("scopeMapId")?.map(last_segment);
        let status = properties.word("status", &["enabled", "disabled"])?;
        changes.enabled = status.map(|status| status == "enabled");
        if let Some(mut credentials) = properties.object("credentials")? {
            // Passwords are made by generateCredentials alone; what comes back from a GET is taken.
            credentials.value("passwords");
            credentials.unsupported("certificates", "use passwords")?;
            credentials.finish()?;
        }
        properties.finish()?;
    }
    fields.finish()?;
    Ok(changes)
}

pub(super) fn generate(body: &Value) -> Result<Generate, ArmError> {
    let mut fields = Fields::of(body, "")?;
    let token = last_segment(fields.required_string("tokenId")?);
    let name = fields.word("name", &["password1", "password2"])?;
    let expiry = fields.string("expiry")?;
    let path = fields.path("expiry");
    let expiry = expiry.map(str::parse::<Timestamp>).transpose();
    let expiry = expiry.map_err(|error| ArmError::invalid_content(&path, error))?;
    fields.finish()?;
    Ok(Generate { token, which: name.map(|name| usize::from(name == "password2")), expiry })
}

fn last_segment(id: &str) -> String {
    id.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_name_a_repository_and_what_may_be_done() {
        for good in [
            "repositories/a/b/content/read",
            "repositories/*/metadata/write",
            "repositories/team/*/content/delete",
            "gateway/edge/config/read",
        ] {
            assert!(check_action(0, good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "repositories",
            "repositories/content/read",
            "repositories/a/content/fly",
            "repositories/a*/content/read",
            "repositories/*/a/content/read",
            "repositories/**/content/read",
            "gateway/a/content/read",
            "planets/a/content/read",
        ] {
            let error = check_action(3, bad).unwrap_err();
            assert!(error.body.message.contains("properties.actions[3]"), "{bad}");
        }
    }
}
