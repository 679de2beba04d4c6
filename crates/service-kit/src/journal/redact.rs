//! Addresses as they may be shown.

/// Longest path that is kept, in characters: what a client makes up must not fill the memory.
const PATH_LENGTH: usize = 1000;

/// The beginning of a path that is too long.
pub(super) fn shortened(path: String) -> String {
    match path.char_indices().nth(PATH_LENGTH) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path,
    }
}

/// Path and query as they may be shown: of the query, the values of the names in `shown` (in lower case) alone. `is_secret`
/// knows the credentials in force.
pub fn redacted(path: &str, query: Option<&str>, shown: &[&str], is_secret: impl Fn(&str) -> bool) -> String {
    let hide = |text: &str| {
        // A `+` is a space in a query and itself in a path; a client may mean either.
        let forms = [text.to_owned(), decode(text), decode(&text.replace('+', "%2B"))];
        if forms.iter().any(|form| is_secret(form)) { "***".to_owned() } else { text.to_owned() }
    };
    let path = path.split('/').map(&hide).collect::<Vec<_>>().join("/");
    let Some(query) = query.filter(|query| !query.is_empty()) else { return path };
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if shown.contains(&decode(name).to_ascii_lowercase().as_str()) => {
                format!("{name}={}", hide(value))
            }
            Some((name, _)) => format!("{}=***", hide(name)),
            None => hide(pair),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

/// Undoes percent-encoding, and takes `+` for a space.
fn decode(text: &str) -> String {
    // In a path `&` is a character like any other; the parser would end the value there.
    let pair = format!("x={}", text.replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_nowhere_and_harmless_values_do() {
        let secret = |text: &str| text == "pat-1/x";
        let check = |path: &str, query: &str| redacted(path, Some(query), &["poolname"], secret);
        assert_eq!(check("/acme/_apis", "poolName=Default"), "/acme/_apis?poolName=Default");
        assert_eq!(check("/acme/pat-1%2Fx", "poolName=pat-1%2Fx"), "/acme/***?poolName=***");
        assert_eq!(check("/acme", "token=pat-1%2Fx&pat-1%2Fx"), "/acme?token=***&***");
        assert_eq!(redacted("/acme", None, &[], secret), "/acme");
    }

    #[test]
    fn a_token_with_characters_of_queries_shows_in_no_encoding() {
        for (secret, path) in [
            ("a&b/c", "/acme/a&b%2Fc"),
            ("a+b/c", "/acme/a+b%2Fc"),
            ("a b/c", "/acme/a+b%2Fc"),
            ("a+&/c", "/acme/a%2B&%2Fc"),
        ] {
            assert_eq!(redacted(path, None, &[], |text| text == secret), "/acme/***", "{secret} in {path}");
        }
        let secret = |text: &str| text == "a+b/c";
        assert_eq!(redacted("/acme", Some("poolName=a+b%2Fc"), &["poolname"], secret), "/acme?poolName=***");
    }

    #[test]
    fn a_path_has_a_longest_length() {
        assert_eq!(shortened("/acme".into()), "/acme");
        assert_eq!(shortened("ä".repeat(70_000)).chars().count(), PATH_LENGTH + 1);
    }
}
