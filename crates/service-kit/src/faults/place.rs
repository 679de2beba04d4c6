//! Where a fault happens: method and path.

use serde::{Deserialize, Serialize};

/// All that is given must fit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// A text that the path holds, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_contains: Option<String>,
    /// The path, in any case: `*` is one segment, `**` any number of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
}

impl Place {
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(route) = &self.route else { return Ok(()) };
        if !route.starts_with('/') {
            return Err(format!("the route `{route}` is not a path: it begins with `/`"));
        }
        if route.split('/').filter(|segment| *segment == "**").count() > 1 {
            return Err(format!("the route `{route}` has more than one `**`"));
        }
        Ok(())
    }

    pub(super) fn fits(&self, method: &str, path: &str) -> bool {
        let holds = |part: &String| path.to_lowercase().contains(&part.to_lowercase());
        self.method.as_ref().is_none_or(|expected| expected.eq_ignore_ascii_case(method))
            && self.path_contains.as_ref().is_none_or(holds)
            && self.route.as_ref().is_none_or(|route| {
                along(&route.split('/').collect::<Vec<_>>(), &path.split('/').collect::<Vec<_>>())
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
            Place { route: Some(route.into()), ..Place::default() }.fits("GET", path)
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
}
