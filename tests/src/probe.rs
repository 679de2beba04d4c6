//! Scripts that jobs run: one that leaves traces wherever it can, one that looks for traces and for the token.

use std::collections::BTreeMap;

/// What a search found, by route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings(pub BTreeMap<String, bool>);

impl Findings {
    /// Reads the report lines `found <route> yes|no` out of a log.
    pub fn read<'a>(log: impl IntoIterator<Item = &'a str>) -> Self {
        Self(
            log.into_iter()
                .filter_map(|line| {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let at = words.iter().position(|word| *word == "found")?;
                    match words.get(at + 1..)? {
                        [route, "yes"] => Some(((*route).to_owned(), true)),
                        [route, "no"] => Some(((*route).to_owned(), false)),
                        _ => None,
                    }
                })
                .collect(),
        )
    }

    /// Routes that led to something.
    pub fn found(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, found)| **found).map(|(route, _)| route.as_str()).collect()
    }
}

/// Leaves a mark in every place that a job can write to, and a process that would go on for a day.
pub fn litter_script(mark: &str) -> String {
    format!(
        r#"for place in /tmp /var/tmp /dev/shm "$HOME" "$HOME/.cache" "$HOME/.config" "$PWD" /azp /azp/work /azp/agent /azp/agent/_diag; do
  mkdir -p "$place" 2>/dev/null; echo {mark} > "$place/{mark}" 2>/dev/null
done
echo 'export MAYFLY_LITTER={mark}' >> "$HOME/.bashrc"; echo 'export MAYFLY_LITTER={mark}' >> "$HOME/.profile"
echo "LEFT={mark}" >> /azp/agent/.env 2>/dev/null
export MAYFLY_LITTER={mark}
nohup setsid bash -c 'exec -a {mark}-survivor sleep 86399' >/dev/null 2>&1 &
sleep 0.2
echo littered"#
    )
}

/// Looks for a mark and for a secret by every route that an ordinary job has. The secret comes in two halves that are
/// joined in the shell alone, so that the search does not find itself.
pub fn search_script(mark: &str, secret: &str) -> String {
    let (left, right) = secret.split_at(secret.len() / 2);
    let (mark_left, mark_right) = mark.split_at(mark.len() / 2);
    format!(
        r#"left={left}; right={right}; mark_left={mark_left}; mark_right={mark_right}
secret() {{ printf '%s%s' "$left" "$right"; }}
mark() {{ printf '%s%s' "$mark_left" "$mark_right"; }}
say() {{ if [ "$2" = 0 ]; then echo "found $1 yes"; else echo "found $1 no"; fi; }}
everywhere="/azp /etc /home /root /run /tmp /var /opt /srv /usr/local /dev/shm"
env | grep -qaF -f <(secret); say secret-own-environment $?
cat /proc/1/environ 2>/dev/null | grep -qaF -f <(secret); say secret-environment-of-pid-1 $?
cat /proc/[0-9]*/environ 2>/dev/null | grep -qaF -f <(secret); say secret-environment-of-any-process $?
cat /proc/[0-9]*/cmdline 2>/dev/null | grep -qaF -f <(secret); say secret-command-lines $?
for file in /proc/[0-9]*/fd/*; do if [ -f "$file" ]; then head -c 5000000 "$file" 2>/dev/null; fi; done | grep -qaF -f <(secret); say secret-open-files $?
grep -D skip -rqsaF -f <(secret) $everywhere 2>/dev/null; say secret-files $?
dd if=/proc/1/mem of=/dev/null bs=1 count=1 2>/dev/null; say secret-memory-of-pid-1 $?
find $everywhere -name "$(mark)*" 2>/dev/null | grep -q .; say litter-files $?
grep -D skip -rqsaF -f <(mark) $everywhere 2>/dev/null; say litter-contents $?
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -qaF -f <(printf '%s-survivor' "$(mark)"); say litter-processes $?
[ -n "${{MAYFLY_LITTER:-}}${{LEFT:-}}" ]; say litter-environment $?
bash -lc '. ~/.bashrc; echo "$MAYFLY_LITTER"' 2>/dev/null | grep -q .; say litter-profile $?
find / -xdev -writable -type d -path '*bin*' 2>/dev/null | grep -v '^/proc' | grep -q .; say writable-program-folder $?
echo searched"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_and_other_lines_are_not() {
        let log = ["2026-01-01T00:00:00Z found a yes", "found b no", "I found nothing", "found c maybe"];
        let findings = Findings::read(log);
        assert_eq!(findings.found(), ["a"]);
        assert_eq!(findings.0.len(), 2);
    }

    #[test]
    fn a_script_never_holds_the_whole_secret() {
        let script = search_script("mark-123456", "secret-abcdefgh");
        assert!(!script.contains("secret-abcdefgh") && !script.contains("mark-123456"));
    }
}
