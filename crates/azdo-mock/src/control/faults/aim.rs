//! Which calls a fault is for.

use serde::{Deserialize, Serialize};

/// A call as faults see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    /// Below the organization.
    pub(super) path: &'a str,
    pub(super) who: Option<Kind>,
    /// The agent that calls, or whose job does.
    pub(super) agent: Option<&'a str>,
    pub(super) user_agent: &'a str,
}

/// By which kind of credential a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
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
pub(super) struct Who {
    /// The agent's name, in any case; its own calls and those of its jobs, but not its registration, which is a user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// A text that the header `User-Agent` holds, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// What a call must be to be hit: all that is given must fit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Aim {
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// A text that the path below the organization holds, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_contains: Option<String>,
    /// The path below the organization, in any case: `*` is one segment, `**` any number of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<Who>,
}

impl Aim {
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(route) = &self.route {
            if !route.starts_with('/') {
                return Err(format!("the route `{route}` is not a path: it begins with `/`"));
            }
            if route.split('/').filter(|segment| *segment == "**").count() > 1 {
                return Err(format!("the route `{route}` has more than one `**`"));
            }
        }
        if let Some(Who { agent: None, kind: None, user_agent: None }) = self.caller {
            return Err("`caller` needs `agent`, `kind` or `user_agent`".into());
        }
        Ok(())
    }

    pub(super) fn fits(&self, call: &Call<'_>) -> bool {
        let holds = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(call.method))
            && self.path_contains.as_ref().is_none_or(|part| holds(call.path, part))
            && self.route.as_ref().is_none_or(|route| {
                along(&route.split('/').collect::<Vec<_>>(), &call.path.split('/').collect::<Vec<_>>())
            })
            && self.caller.as_ref().is_none_or(|who| {
                who.kind.is_none_or(|kind| Some(kind) == call.who)
                    && who
                        .agent
                        .as_ref()
                        .is_none_or(|name| call.agent.is_some_and(|agent| agent.eq_ignore_ascii_case(name)))
                    && who.user_agent.as_ref().is_none_or(|part| holds(call.user_agent, part))
            })
    }
}

fn along(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => (0..=path.len()).any(|skipped| along(rest, &path[skipped..])),
        (Some((expected, rest)), Some((segment, others))) => {
            (*expected == "*" || expected.eq_ignore_ascii_case(segment)) && along(rest, others)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_matched_by_segments() {
        let fits = |route: &str, path: &str| {
            let aim = Aim { route: Some(route.into()), ..Aim::default() };
            aim.fits(&Call { method: "GET", path, who: None, agent: None, user_agent: "" })
        };
        let messages = "/_apis/distributedtask/pools/1/messages";
        for (route, expected) in [
            ("/_apis/distributedtask/pools/*/messages", true),
            ("/_APIS/DistributedTask/pools/1/Messages", true),
            ("/**", true),
            ("/**/messages", true),
            ("/_apis/**", true),
            ("/_apis/*/messages", false),
            ("/_apis/distributedtask/pools/*", false),
            ("/**/messages/*", false),
            ("/_apis/distributedtask/pools/1/messages/**", true),
        ] {
            assert_eq!(fits(route, messages), expected, "{route}");
        }
    }

    #[test]
    fn a_caller_is_told_by_credential_agent_and_program() {
        let fits = |who: Who| {
            let aim = Aim { caller: Some(who), ..Aim::default() };
            let call = Call {
                method: "GET",
                path: "/",
                who: Some(Kind::Job),
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
}
