//! Faults of Azure DevOps: what they can be aimed at beside a place below the organization.

use axum::extract::Request;
use axum::http::header;
use serde::{Deserialize, Serialize};

use crate::app::AzureDevOps;
use crate::auth;
use crate::state::secrets::Caller;

/// The faults of an organization.
pub(crate) type Faults = service_kit::Faults<ByCaller>;
/// What happens to a call.
pub(crate) type Hit = service_kit::Hit<ByCaller>;

/// Who calls, as faults see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    who: Kind,
    /// The agent that calls, or whose job does.
    agent: Option<&'a str>,
    user_agent: &'a str,
}

/// By which kind of credential a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// None, or one that is not taken.
    Anonymous,
    /// A personal access token.
    User,
    /// An access token of the directory.
    Member,
    /// An agent's access token.
    Agent,
    /// A job's access token.
    Job,
}

/// Who calls: all that is given must fit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Who {
    /// The agent's name, in any case; its own calls and those of its jobs, but not its registration, which is a user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// A text that the header `User-Agent` holds, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// A fault that is for certain callers alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ByCaller {
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<Who>,
}

impl service_kit::Aim for ByCaller {
    type Call<'a> = Call<'a>;

    fn check(&self) -> Result<(), String> {
        match self.caller {
            Some(Who { agent: None, kind: None, user_agent: None }) => {
                Err("`caller` needs `agent`, `kind` or `user_agent`".into())
            }
            _ => Ok(()),
        }
    }

    fn fits(&self, call: &Call<'_>) -> bool {
        let Some(who) = &self.caller else { return true };
        let holds = |part: &String| call.user_agent.to_lowercase().contains(&part.to_lowercase());
        let is = |name: &String| call.agent.is_some_and(|agent| agent.eq_ignore_ascii_case(name));
        who.kind.is_none_or(|kind| kind == call.who)
            && who.agent.as_ref().is_none_or(is)
            && who.user_agent.as_ref().is_none_or(holds)
    }
}

/// The fault that hits a request, if any.
pub(crate) fn on(service: &AzureDevOps, request: &Request) -> Option<Hit> {
    if service.faults().none() {
        return None;
    }
    let path = request.uri().path();
    let below = service.addresses().organization_url().path().trim_end_matches('/');
    let path = path.strip_prefix(below).unwrap_or(path);
    let caller = auth::caller(service, request.headers());
    let agent = caller.and_then(|caller| agent_of(service, caller));
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let call =
        Call { who: kind(caller), agent: agent.as_deref(), user_agent: user_agent.unwrap_or_default() };
    service.faults().hit(request.method().as_str(), path, &call)
}

fn kind(caller: Option<Caller>) -> Kind {
    match caller {
        None => Kind::Anonymous,
        Some(Caller::User { member: None, .. }) => Kind::User,
        Some(Caller::User { member: Some(_), .. }) => Kind::Member,
        Some(Caller::Agent { .. }) => Kind::Agent,
        Some(Caller::Job { .. }) => Kind::Job,
    }
}

fn agent_of(service: &AzureDevOps, caller: Caller) -> Option<String> {
    let state = service.state();
    match caller {
        Caller::User { .. } => None,
        Caller::Agent { id, .. } => state.agents.get(&id).map(|agent| agent.name.clone()),
        Caller::Job { request, .. } => {
            Some(state.requests.get(&request)?.assignment.as_ref()?.agent_name.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use service_kit::Aim as _;

    use super::*;

    #[test]
    fn a_caller_is_told_by_credential_agent_and_program() {
        let fits = |who: Who| {
            let aim = ByCaller { caller: Some(who) };
            let call = Call {
                who: Kind::Job,
                agent: Some("Web01"),
                user_agent: "VSServices/16 VstsAgentCore-linux-x64/4.270.0",
            };
            aim.fits(&call)
        };
        assert!(fits(Who { agent: Some("web01".into()), ..Who::default() }));
        assert!(!fits(Who { agent: Some("web02".into()), ..Who::default() }));
        assert!(fits(Who { kind: Some(Kind::Job), user_agent: Some("vstsagent".into()), agent: None }));
        assert!(!fits(Who { kind: Some(Kind::Agent), agent: Some("web01".into()), user_agent: None }));
        assert!(!fits(Who { user_agent: Some("curl".into()), ..Who::default() }));
    }

    #[test]
    fn an_empty_caller_is_refused() {
        let fault = serde_json::from_str(r#"{"status": 500, "caller": {}}"#).unwrap();
        assert!(Faults::default().add(vec![fault]).unwrap_err().contains("needs"));
    }
}
