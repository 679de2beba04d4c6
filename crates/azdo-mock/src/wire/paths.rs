//! Paths compare in any case, as on the real service: the literal parts are brought to one form before routing.

/// Words of the route table. A route value that happens to equal one of them is matched in any case as well.
const WORDS: &[&str] = &[
    "_apis",
    "_packages",
    "agent",
    "agents",
    "attachments",
    "connectiondata",
    "customerintelligence",
    "distributedtask",
    "events",
    "featureflags",
    "feed",
    "hubs",
    "jobrequests",
    "logs",
    "messages",
    "oauth2",
    "packages",
    "plans",
    "pools",
    "records",
    "resourceareas",
    "sessions",
    "tasks",
    "timelines",
    "token",
    "updates",
    "usercapabilities",
];

/// The path with organization and literal words in their canonical case and without trailing or doubled slashes.
pub(crate) fn canonical(path: &str, organization: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut verbatim = false;
    for (index, segment) in path.split('/').filter(|segment| !segment.is_empty()).enumerate() {
        out.push('/');
        let word = WORDS.iter().find(|word| !verbatim && word.eq_ignore_ascii_case(segment));
        match word {
            _ if index == 0 && segment.eq_ignore_ascii_case(organization) => out.push_str(organization),
            Some(word) => {
                out.push_str(word);
                // What follows are names that belong to the caller.
                verbatim = matches!(*word, "attachments" | "_packages" | "featureflags");
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
        let check = |path: &str, expected: &str| assert_eq!(canonical(path, "Acme"), expected);
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

    proptest::proptest! {
        #[test]
        fn bringing_a_path_to_its_form_twice_changes_nothing(path in "(/[A-Za-z_]{0,6}|/Logs|/_APIS|/attachments){0,6}") {
            let once = canonical(&path, "acme");
            proptest::prop_assert_eq!(canonical(&once, "acme"), once);
        }
    }
}
