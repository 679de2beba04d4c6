//! Scopes of personal access tokens: which there are, and which one each route asks for.
//!
//! Sources: MicrosoftDocs/vsts-rest-api-specs, version 7.1 (`security` of each operation: which scope it needs);
//! MicrosoftDocs/azure-devops-docs: `docs/integrate/includes/scopes.md` (the names, and which scope holds which). What
//! plans and timelines need of a user is not published (agents and jobs have
//! tokens of their own); builds, to which they belong, are asked for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a token with full access has in place of single scopes.
const FULL: &str = "app_token";

/// All scopes that a token can be made with, each with the one that it holds too. Those that no route here asks for are
/// still no mistake.
const SCOPES: &[(&str, &str)] = &[
    (FULL, ""),
    ("vso.advsec", ""),
    ("vso.advsec_write", "vso.advsec"),
    ("vso.advsec_manage", "vso.advsec_write"),
    ("vso.agentpools", ""),
    ("vso.agentpools_manage", "vso.agentpools"),
    ("vso.environment_manage", "vso.agentpools_manage"),
    ("vso.analytics", ""),
    ("vso.auditlog", ""),
    ("vso.auditstreams_manage", "vso.auditlog"),
    ("vso.build", "vso.hooks_write"),
    ("vso.build_execute", "vso.build"),
    ("vso.code", "vso.hooks_write"),
    ("vso.code_write", "vso.code"),
    ("vso.code_manage", "vso.code_write"),
    ("vso.code_full", "vso.code_manage"),
    ("vso.code_status", ""),
    ("vso.connected_server", ""),
    ("vso.entitlements", ""),
    ("vso.memberentitlementmanagement", ""),
    ("vso.memberentitlementmanagement_write", "vso.memberentitlementmanagement"),
    ("vso.extension", "vso.profile"),
    ("vso.extension_manage", "vso.extension"),
    ("vso.extension.data", "vso.profile"),
    ("vso.extension.data_write", "vso.extension.data"),
    ("vso.githubconnections", ""),
    ("vso.githubconnections_manage", "vso.githubconnections"),
    ("vso.graph", ""),
    ("vso.graph_manage", "vso.graph"),
    ("vso.identity", ""),
    ("vso.identity_manage", "vso.identity"),
    ("vso.machinegroup_manage", "vso.agentpools_manage"),
    ("vso.gallery", "vso.profile"),
    ("vso.gallery_acquire", "vso.gallery"),
    ("vso.gallery_publish", "vso.gallery"),
    ("vso.gallery_manage", "vso.gallery_publish"),
    ("vso.notification", "vso.profile"),
    ("vso.notification_write", "vso.notification"),
    ("vso.notification_manage", "vso.notification_write"),
    ("vso.notification_diagnostics", "vso.notification"),
    ("vso.packaging", "vso.profile"),
    ("vso.packaging_write", "vso.packaging"),
    ("vso.packaging_manage", "vso.packaging_write"),
    ("vso.pipelineresources_use", ""),
    ("vso.pipelineresources_manage", "vso.pipelineresources_use"),
    ("vso.project", ""),
    ("vso.project_write", "vso.project"),
    ("vso.project_manage", "vso.project_write"),
    ("vso.release", "vso.profile"),
    ("vso.release_execute", "vso.release"),
    ("vso.release_manage", "vso.release_execute"),
    ("vso.securefiles_read", ""),
    ("vso.securefiles_write", "vso.securefiles_read"),
    ("vso.securefiles_manage", "vso.securefiles_write"),
    ("vso.security_manage", ""),
    ("vso.serviceendpoint", "vso.profile"),
    ("vso.serviceendpoint_query", "vso.serviceendpoint"),
    ("vso.serviceendpoint_manage", "vso.serviceendpoint_query"),
    ("vso.hooks", "vso.profile"),
    ("vso.hooks_write", "vso.hooks"),
    ("vso.hooks_interact", "vso.profile"),
    ("vso.settings", ""),
    ("vso.settings_write", "vso.settings"),
    ("vso.symbols", "vso.profile"),
    ("vso.symbols_write", "vso.symbols"),
    ("vso.symbols_manage", "vso.symbols_write"),
    ("vso.taskgroups_read", ""),
    ("vso.taskgroups_write", "vso.taskgroups_read"),
    ("vso.taskgroups_manage", "vso.taskgroups_write"),
    ("vso.dashboards", ""),
    ("vso.dashboards_manage", "vso.dashboards"),
    ("vso.test", "vso.profile"),
    ("vso.test_write", "vso.test"),
    ("vso.threads_full", ""),
    ("vso.tokens", ""),
    ("vso.tokenadministration", ""),
    ("vso.profile", ""),
    ("vso.profile_write", "vso.profile"),
    ("vso.variablegroups_read", ""),
    ("vso.variablegroups_write", "vso.variablegroups_read"),
    ("vso.variablegroups_manage", "vso.variablegroups_write"),
    ("vso.wiki", ""),
    ("vso.wiki_write", "vso.wiki"),
    ("vso.work", "vso.hooks_write"),
    ("vso.work_write", "vso.work"),
    ("vso.work_full", "vso.work_write"),
];

/// One row: paths below the organization that begin so (a `*` is one segment), what reading needs and what changing
/// needs. Any one of several is enough.
struct Row {
    path: &'static str,
    read: &'static [&'static str],
    write: &'static [&'static str],
}

const fn row(path: &'static str, read: &'static [&'static str], write: &'static [&'static str]) -> Row {
    Row { path, read, write }
}

const POOLS: &[&str] = &["vso.agentpools"];
const POOLS_MANAGE: &[&str] = &["vso.agentpools_manage"];
const BUILD: &[&str] = &["vso.build"];
const BUILD_EXECUTE: &[&str] = &["vso.build_execute"];
const PROJECT: &[&str] = &["vso.profile", "vso.project"];

/// The first row that fits counts. A path that no row names needs a good token and no scope: the connection's own data,
/// feature flags, telemetry.
const ROWS: &[Row] = &[
    row("_apis/distributedtask/pools", POOLS, POOLS_MANAGE),
    row("_apis/distributedtask/agentclouds", POOLS, POOLS_MANAGE),
    row("_apis/distributedtask/packages", POOLS, POOLS_MANAGE),
    row("_apis/distributedtask/tasks", POOLS, POOLS_MANAGE),
    row("_apis/distributedtask/queues", POOLS, POOLS_MANAGE),
    row("*/_apis/distributedtask/queues", POOLS, POOLS_MANAGE),
    row("_apis/distributedtask/variablegroups", &["vso.variablegroups_read"], &["vso.variablegroups_manage"]),
    row(
        "*/_apis/distributedtask/variablegroups",
        &["vso.variablegroups_read"],
        &["vso.variablegroups_manage"],
    ),
    row("*/_apis/distributedtask/hubs", BUILD, BUILD_EXECUTE),
    row("_apis/build", BUILD, BUILD_EXECUTE),
    row("*/_apis/build", BUILD, BUILD_EXECUTE),
    row("*/_apis/sourceproviders", BUILD, BUILD_EXECUTE),
    row("*/_apis/pipelines/*/preview", BUILD, BUILD),
    row("_apis/pipelines", BUILD, BUILD_EXECUTE),
    row("*/_apis/pipelines", BUILD, BUILD_EXECUTE),
    row("_apis/projects", PROJECT, &["vso.project_write"]),
    row("_apis/teams", PROJECT, &["vso.project_write"]),
];

/// What a personal access token was made for.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<String>", try_from = "Vec<String>")]
pub(crate) struct Scopes(u128);

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope of a personal access token; there are {all}", all = SCOPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))]
pub(crate) struct UnknownScope(pub(crate) String);

impl Scopes {
    /// All of them.
    pub(crate) const FULL: Self = Self(1);

    /// None: a good token, and nothing that needs a scope.
    pub(crate) const NONE: Self = Self(0);
    /// Reading agent pools.
    pub(crate) const POOLS: Self = Self(1 << 4);

    /// Those of a list. An empty one allows nothing that needs a scope.
    pub(crate) fn of(names: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, UnknownScope> {
        names.into_iter().try_fold(Self(0), |all, name| {
            let name = name.as_ref().trim();
            let bit = bit(name).ok_or_else(|| UnknownScope(name.to_owned()))?;
            Ok(Self(all.0 | bit))
        })
    }

    /// Whether this scope, or one that holds it, is among them.
    pub(crate) fn allows(self, name: &str) -> bool {
        self.0 & Self::FULL.0 != 0
            || self.names().any(|held| chain(held).any(|held| held.eq_ignore_ascii_case(name)))
    }

    /// Whether a request is within them. `path` is below the organization and in its canonical form.
    pub(crate) fn reach(self, method: &str, path: &str) -> bool {
        let needed = needed(method, path);
        needed.is_empty() || needed.iter().any(|name| self.allows(name))
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        SCOPES.iter().enumerate().filter(move |(at, _)| self.0 & (1 << at) != 0).map(|(_, (name, _))| *name)
    }
}

fn bit(name: &str) -> Option<u128> {
    SCOPES.iter().position(|(known, _)| known.eq_ignore_ascii_case(name)).map(|at| 1 << at)
}

/// A scope, the one it holds, the one that one holds, and so on.
fn chain(name: &'static str) -> impl Iterator<Item = &'static str> {
    let below = |name: &&str| SCOPES.iter().find(|(known, _)| known == name).map(|(_, held)| *held);
    std::iter::successors(Some(name), below).filter(|name| !name.is_empty())
}

/// The scopes of which a request needs one.
pub(crate) fn needed(method: &str, path: &str) -> &'static [&'static str] {
    let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let fits = |row: &&Row| {
        let mut own = path.iter();
        row.path.split('/').all(|wanted| {
            own.next().is_some_and(|segment| {
                // A segment of the caller's own is never the word that parts it from the routes.
                if wanted == "*" { *segment != "_apis" } else { segment.eq_ignore_ascii_case(wanted) }
            })
        })
    };
    match ROWS.iter().find(fits) {
        None => &[],
        Some(row) if matches!(method, "GET" | "HEAD" | "OPTIONS") => row.read,
        Some(row) => row.write,
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// One scope or several, parted by blanks or commas, as in the answer of a token endpoint.
impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::of(text.split([' ', ',']).filter(|name| !name.is_empty()))
    }
}

impl From<Scopes> for Vec<String> {
    fn from(scopes: Scopes) -> Self {
        scopes.names().map(str::to_owned).collect()
    }
}

impl TryFrom<Vec<String>> for Scopes {
    type Error = UnknownScope;

    fn try_from(names: Vec<String>) -> Result<Self, UnknownScope> {
        Self::of(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_asks_for_the_scope_that_its_specification_names() {
        let plan = "/1f2e/_apis/distributedtask/hubs/build/plans/2/timelines/3/records";
        for (method, path, expected) in [
            ("GET", "/_apis/connectiondata", &[][..]),
            ("POST", "/_apis/customerintelligence/events", &[]),
            ("GET", "/_apis/distributedtask/pools", &["vso.agentpools"]),
            ("POST", "/_apis/distributedtask/pools", &["vso.agentpools_manage"]),
            ("PATCH", "/_apis/distributedtask/pools/1/agents/2", &["vso.agentpools_manage"]),
            ("GET", "/_apis/distributedtask/pools/1/jobrequests/2", &["vso.agentpools"]),
            ("GET", "/demo/_apis/distributedtask/queues", &["vso.agentpools"]),
            ("GET", "/demo/_apis/build/builds/3/logs", &["vso.build"]),
            ("PATCH", "/demo/_apis/build/builds/3", &["vso.build_execute"]),
            ("POST", "/demo/_apis/pipelines/3/runs", &["vso.build_execute"]),
            ("POST", "/demo/_apis/pipelines/3/preview", &["vso.build"]),
            ("GET", "/_apis/projects/demo", &["vso.profile", "vso.project"]),
            ("GET", plan, &["vso.build"]),
            ("GET", "/_apis/distributedtask/variablegroups", &["vso.variablegroups_read"]),
            ("GET", "/no/such/route", &[]),
        ] {
            assert_eq!(needed(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_scope_holds_what_is_below_it_and_nothing_beside_it() {
        let scopes = |text: &str| text.parse::<Scopes>().unwrap();
        let pools = "/_apis/distributedtask/pools";
        for (held, method, reached) in [
            ("vso.agentpools", "GET", true),
            ("vso.agentpools", "POST", false),
            ("vso.agentpools_manage", "GET", true),
            ("vso.agentpools_manage", "POST", true),
            ("vso.build_execute vso.code", "GET", false),
            ("app_token", "DELETE", true),
            ("", "GET", false),
        ] {
            assert_eq!(scopes(held).reach(method, pools), reached, "{held} {method}");
        }
        assert!(scopes("").reach("GET", "/_apis/connectiondata"), "a good token is enough");
        assert!(scopes("vso.project_manage").reach("GET", "/_apis/projects"));
        assert!(!scopes("vso.profile").reach("PATCH", "/_apis/projects/1"));
        assert!(scopes("vso.build").reach("GET", "/_apis/projects"), "over the service hooks, as documented");
        assert!(
            scopes("vso.environment_manage").reach("POST", pools) && !scopes("vso.code").reach("GET", pools)
        );
    }

    #[test]
    fn names_are_kept_as_text_and_unknown_ones_are_named() {
        assert_eq!(Scopes::of(["vso.agentpools"]), Ok(Scopes::POOLS));
        assert_eq!(Scopes::of([FULL]), Ok(Scopes::FULL));
        let scopes: Scopes = "vso.build,vso.AgentPools".parse().unwrap();
        let kept = serde_json::to_value(scopes).unwrap();
        assert_eq!(kept, serde_json::json!(["vso.agentpools", "vso.build"]));
        assert_eq!(serde_json::from_value::<Scopes>(kept).unwrap(), scopes);
        assert_eq!("vso.everything".parse::<Scopes>(), Err(UnknownScope("vso.everything".into())));
        assert!(SCOPES.len() <= 128, "one bit each");
        assert!(SCOPES.iter().all(|(_, held)| held.is_empty() || bit(held).is_some()));
        for name in ROWS.iter().flat_map(|row| row.read.iter().chain(row.write)) {
            assert!(bit(name).is_some(), "{name}");
        }
    }
}
