//! What is looked for, in every form in which it could turn up; and the brief that tells the hunter of it, masked.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use memchr::memmem;

use crate::Stack;

/// One form of one secret or mark.
#[derive(Debug, Clone)]
pub(crate) struct Needle {
    pub(crate) name: String,
    pub(crate) class: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// Everything that a target's scan looks for.
#[derive(Debug, Clone)]
pub(crate) struct Needles {
    pub(crate) all: Vec<Needle>,
}

/// The secrets of a stack, by the name of their variable, and what each is.
pub(crate) const SECRETS: [(&str, &str, &str); 4] = [
    ("AZDO_TOKEN", "registration token", "registration-token"),
    ("ACR_PASSWORD", "registry password", "registry-password"),
    // Whoever has one of these can have agents registered.
    ("AZURE_CLIENT_SECRET", "service principal's secret", "registration-token"),
    ("MAYFLY_CONTROL_TOKEN", "control token", "registration-token"),
];

impl Needles {
    /// Of a stack, with the mark that job 1 leaves and the hunter's own canary.
    pub(crate) fn of(stack: &Stack, earlier: &str, own: &str) -> Self {
        let mut all = Vec::new();
        let mut add = |name: &str, class: &'static str, bytes: Vec<u8>| {
            all.push(Needle { name: name.to_owned(), class, bytes });
        };
        add("canary", "self", own.into());
        add("mark of job 1", "earlier-job", earlier.into());
        for (variable, name, class) in SECRETS {
            for (form, bytes) in forms(stack.variable(variable)) {
                add(&format!("{name}{form}"), class, bytes);
            }
        }
        Self { all }
    }

    /// Which secrets and marks are in some bytes, by name and class; the hunter's own canary is not told.
    pub(crate) fn within(&self, hay: &[u8]) -> Vec<(String, &'static str)> {
        let mut found: Vec<_> = self
            .all
            .iter()
            .filter(|needle| needle.class != "self" && memmem::find(hay, &needle.bytes).is_some())
            .map(|needle| (needle.name.clone(), needle.class))
            .collect();
        found.dedup();
        found
    }

    /// The brief. Each needle is masked with a key of its own, so that the file holds no secret to be found in it.
    pub(crate) fn brief(&self, stack: &Stack, neighbour: Option<&str>) -> String {
        let mut text = String::new();
        for needle in &self.all {
            let key = crate::random_word(needle.bytes.len());
            let masked: Vec<u8> =
                needle.bytes.iter().zip(key.bytes()).map(|(byte, key)| byte ^ key).collect();
            let _ = writeln!(
                text,
                "needle {} {} {} {}",
                needle.class,
                hex(key.as_bytes()),
                hex(&masked),
                needle.name
            );
        }
        for (variable, service) in [
            ("ARM_ENDPOINT", "Resource Manager"),
            ("AZURE_AUTHORITY_HOST", "Entra ID"),
            ("ACR_LOGIN_SERVER", "the registry"),
            ("MAYFLY_CONTROL_URL", "the control API"),
        ] {
            let port = stack.variable(variable).trim_end_matches('/').rsplit(':').next().unwrap_or_default();
            if port.chars().all(|digit| digit.is_ascii_digit()) && !port.is_empty() {
                let _ = writeln!(text, "closed-port {port} {service}");
            }
        }
        if let Some(neighbour) = neighbour {
            let _ = writeln!(text, "neighbour {neighbour}");
        }
        let _ = writeln!(text, "azure-devops {}", stack.variable("AZDO_URL"));
        text
    }
}

/// A secret as it is, as UTF-16, in hexadecimal, and in base64 at each of the three alignments.
fn forms(secret: &str) -> Vec<(String, Vec<u8>)> {
    let wide = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut forms = vec![
        (String::new(), secret.as_bytes().to_vec()),
        (" (UTF-16)".to_owned(), wide),
        (" (hexadecimal)".to_owned(), hex(secret.as_bytes()).into_bytes()),
    ];
    for before in 0..3 {
        let padded = [&vec![b':'; before], secret.as_bytes()].concat();
        let text = STANDARD.encode(padded);
        // The first letters depend on what stands before, the last ones on what comes after.
        let whole = text.trim_end_matches('=');
        forms.push((" (base64)".to_owned(), whole.as_bytes()[4..whole.len() - 2].to_vec()));
    }
    forms
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_whatever_it_was_wrapped() {
        let secret = "abcdefghijklmnopqrstuvwxyz0123456789";
        let all = forms(secret)
            .into_iter()
            .map(|(form, bytes)| Needle { name: form, class: "registration-token", bytes })
            .collect();
        let needles = Needles { all };
        for wrapped in [
            secret.to_owned(),
            STANDARD.encode(format!(":{secret}")),
            STANDARD.encode(format!("user:{secret}")),
            STANDARD.encode(secret),
            hex(secret.as_bytes()),
        ] {
            assert_eq!(needles.within(format!("x {wrapped} y").as_bytes()).len(), 1, "{wrapped}");
        }
        assert!(needles.within(b"abcdefghijklmnopqrstuvwxyz").is_empty());
    }
}
