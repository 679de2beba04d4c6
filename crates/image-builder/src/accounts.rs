//! The agent's user in the base image's account files. Pure.
//!
//! What `groupadd` and `useradd` write (passwd(5), group(5), shadow(5), gshadow(5)), without a date: the same base
//! image gives the same files.

/// The agent's user and group, by name and number.
pub(crate) const AGENT: &str = "agent";
pub(crate) const AGENT_ID: u64 = 10001;

/// The account files, and the agent's line in each.
pub(crate) const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "agent:x:10001:10001::/home/agent:/bin/bash"),
    ("etc/group", "agent:x:10001:"),
    ("etc/shadow", "agent:!::0:99999:7:::"),
    ("etc/gshadow", "agent:!::"),
];

/// The file with the agent's line at its end; as it was where the line is there already.
///
/// # Errors
/// The line that has the agent's name or number and is another account.
pub(crate) fn with_agent(text: &str, line: &str) -> Result<String, String> {
    let numbered = !line.starts_with("agent:!");
    for other in text.lines() {
        if other == line {
            return Ok(text.to_owned());
        }
        let mut fields = other.split(':');
        let taken = fields.next() == Some(AGENT) || (numbered && fields.nth(1) == Some("10001"));
        if taken {
            return Err(other.to_owned());
        }
    }
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{text}{end}{line}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_added_once() {
        let (_, line) = FILES[0];
        let first = with_agent("root:x:0:0:root:/root:/bin/bash\n", line).unwrap();
        assert_eq!(first, format!("root:x:0:0:root:/root:/bin/bash\n{line}\n"));
        assert_eq!(with_agent(&first, line).unwrap(), first);
        assert_eq!(with_agent("a", "agent:!::").unwrap(), "a\nagent:!::\n");
        assert!(line.contains(&AGENT_ID.to_string()));
    }

    #[test]
    fn another_account_of_that_name_or_number_is_refused() {
        for other in ["agent:x:1000:1000::/home/agent:/bin/sh", "somebody:x:10001:10001::/:/bin/sh"] {
            assert_eq!(with_agent(other, FILES[0].1), Err(other.to_owned()));
        }
        assert!(with_agent("agent:*:1::::::", FILES[2].1).is_err());
        assert!(with_agent("x:10001:10001::::::", FILES[2].1).is_ok(), "no numbers of accounts in there");
    }
}
