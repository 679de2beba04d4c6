//! Paths compare in any case, as on the real service: the literal parts are brought to one form before routing.

/// Words of the route table. A route value that happens to equal one of them is matched in any case as well.
const WORDS: &[&str] = &[
    "_apis",
    "_packages",
    "_signin",
    "agent",
    "agentclouds",
    "agentcloudtypes",
    "agents",
    "artifacts",
    "attachments",
    "authorizedresources",
    "avatar",
    "badge",
    "branches",
    "build",
    "builds",
    "changes",
    "connectedservices",
    "connectiondata",
    "controllers",
    "customerintelligence",
    "definitions",
    "deploymentgroups",
    "distributedtask",
    "endpoints",
    "environmentdeploymentrecords",
    "environments",
    "events",
    "featureflags",
    "feed",
    "filecontents",
    "folders",
    "generalsettings",
    "history",
    "hubs",
    "jobrequests",
    "kubernetes",
    "latest",
    "leases",
    "logs",
    "maintenancedefinitions",
    "maintenancejobs",
    "members",
    "messages",
    "metrics",
    "oauth2",
    "options",
    "packages",
    "pathcontents",
    "pipelines",
    "plans",
    "pools",
    "preview",
    "process",
    "processes",
    "projectcollections",
    "projects",
    "properties",
    "providers",
    "proxies",
    "pullrequests",
    "queues",
    "records",
    "report",
    "repos",
    "repositories",
    "requests",
    "resourceareas",
    "resources",
    "resourceusage",
    "restorewebhooks",
    "retention",
    "revisions",
    "runs",
    "securefiles",
    "serviceendpoint",
    "sessions",
    "settings",
    "sourceproviders",
    "stages",
    "status",
    "tags",
    "targets",
    "taskgroups",
    "tasks",
    "teams",
    "templates",
    "timeline",
    "timelines",
    "token",
    "updates",
    "usercapabilities",
    "variablegroups",
    "webhooks",
    "workitems",
    "yaml",
    "yamlschema",
];

/// The path with the prefix of the organization's address (`/acme`, `/tfs/Main` or nothing) and literal words in their
/// canonical case and without trailing or doubled slashes.
pub(crate) fn canonical(path: &str, prefix: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut verbatim = false;
    let mut own =
        prefix.split('/').filter(|segment| !segment.is_empty()).map(Some).chain(std::iter::repeat(None));
    let mut inside = true;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        out.push('/');
        let word = WORDS.iter().find(|word| !verbatim && word.eq_ignore_ascii_case(segment));
        let expected = own.next().flatten().filter(|_| inside);
        inside = expected.is_some_and(|expected| segment.eq_ignore_ascii_case(expected));
        match word {
            _ if inside => out.push_str(expected.unwrap_or_default()),
            Some(word) => {
                out.push_str(word);
                // What follows are names that belong to the caller.
                verbatim = matches!(
                    *word,
                    "attachments" | "_packages" | "featureflags" | "latest" | "status" | "tags"
                );
            }
            None => out.push_str(segment),
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_words_lose_their_case_and_values_keep_it() {
        let check = |path: &str, expected: &str| assert_eq!(canonical(path, "/Acme"), expected);
        check("/acme/_apis/ConnectionData", "/Acme/_apis/connectiondata");
        check("/Acme/_apis/", "/Acme/_apis");
        check("/Acme//_APIS/DistributedTask/Pools/1", "/Acme/_apis/distributedtask/pools/1");
        check(
            "/Acme/_apis/FeatureFlags/DistributedTask.Agent.UseCng",
            "/Acme/_apis/featureflags/DistributedTask.Agent.UseCng",
        );
        check("/Acme/p/records/r/attachments/X/Logs", "/Acme/p/records/r/attachments/X/Logs");
        check("/", "/");
    }

    #[test]
    fn the_prefix_may_have_several_segments_or_none() {
        for (path, prefix, expected) in [
            ("/TFS/main/_apis/Pools", "/tfs/Main", "/tfs/Main/_apis/pools"),
            ("/TFS/_apis/OAuth2/Token", "/tfs/Main", "/tfs/_apis/oauth2/token"),
            ("/TFS/pools/main", "/tfs/Main", "/tfs/pools/main"),
            ("/_APIS/Pools", "", "/_apis/pools"),
        ] {
            assert_eq!(canonical(path, prefix), expected, "{path} below {prefix}");
        }
    }

    proptest::proptest! {
        #[test]
        fn bringing_a_path_to_its_form_twice_changes_nothing(path in "(/[A-Za-z_]{0,6}|/Logs|/_APIS|/attachments){0,6}") {
            let once = canonical(&path, "/acme");
            proptest::prop_assert_eq!(canonical(&once, "/acme"), once);
        }
    }
}
