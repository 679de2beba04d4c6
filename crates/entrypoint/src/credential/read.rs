//! The settings of the credential: exactly one kind, everything wrong with it at once. Pure.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::{Principal, Proof, Source};
use crate::settings::{Given, Reader, check_token, is_plain_absolute};
use crate::variables::{self, Variable};

const PUBLIC_CLOUD: &str = "https://login.microsoftonline.com";

/// What the variables of the workload identity of Azure Kubernetes Service are read for, where the setting itself is not given.
const FALLBACKS: [(&Variable, &str); 4] = [
    (&variables::CLIENT_ID, "AZURE_CLIENT_ID"),
    (&variables::TENANT_ID, "AZURE_TENANT_ID"),
    (&variables::FEDERATED_TOKEN_FILE, "AZURE_FEDERATED_TOKEN_FILE"),
    (&variables::AUTHORITY_HOST, "AZURE_AUTHORITY_HOST"),
];

/// Reads the credential. `plain` is whether Azure DevOps itself is spoken to without TLS.
pub(crate) fn read(reader: &mut Reader<'_>, plain: bool) -> Option<Source> {
    let before = reader.problems.len();
    let inline = reader.optional(&variables::TOKEN);
    let file = reader.optional(&variables::TOKEN_FILE);
    let identity = reader.optional(&variables::IDENTITY);
    let own_principal = OF_PRINCIPAL.iter().find(|variable| reader.has(variable)).copied();
    // A principal whose variables the platform injected is no choice of the operator's where there is another credential.
    let alone = inline.is_none() && file.is_none() && identity.is_none();
    let injected = alone
        && own_principal.is_none()
        && FALLBACKS[..3].iter().all(|(_, name)| reader.variables.get(name).is_some());
    let principal = own_principal
        .map(|variable| variable.name)
        .or_else(|| injected.then_some("AZURE_FEDERATED_TOKEN_FILE"));
    let names: Vec<&str> = [&inline, &file, &identity]
        .into_iter()
        .filter_map(|given| given.as_ref().map(|given| given.name))
        .chain(principal)
        .collect();
    if let [first, others @ .., last] = names.as_slice() {
        let others = others.join(", ");
        let text = if names.len() == 2 {
            format!("and {last} are both set; set one of them")
        } else {
            format!("{others} and {last} are all set; set one of them")
        };
        reader.problem(first, text);
    }
    let source = match (inline, file, identity) {
        (Some(inline), _, _) => token(reader, inline),
        (None, Some(file), _) if file.value == "-" => Some(Source::StandardInput),
        (None, Some(file), _) => path(reader, file).map(Source::File),
        (None, None, Some(identity)) => self::identity(reader, identity),
        (None, None, None) if principal.is_some() => self::principal(reader, plain).map(Source::Principal),
        (None, None, None) => {
            if reader.problems.len() == before {
                let text = format!(
                    "is not set, and neither is {} nor a service principal ({}, {} and its proof); exactly one of them is needed",
                    variables::TOKEN_FILE.name,
                    variables::CLIENT_ID.name,
                    variables::TENANT_ID.name
                );
                reader.problem(variables::TOKEN.name, text);
            }
            None
        }
    };
    source.filter(|_| reader.problems.len() == before)
}

const OF_PRINCIPAL: [&Variable; 5] = [
    &variables::CLIENT_ID,
    &variables::TENANT_ID,
    &variables::CLIENT_SECRET,
    &variables::CLIENT_SECRET_FILE,
    &variables::FEDERATED_TOKEN_FILE,
];

fn token(reader: &mut Reader<'_>, given: Given) -> Option<Source> {
    match check_token(&given.value) {
        Ok(()) => Some(Source::Inline(SecretString::from(given.value))),
        Err(text) => {
            reader.problem(given.name, text);
            None
        }
    }
}

fn path(reader: &mut Reader<'_>, given: Given) -> Option<PathBuf> {
    let path = PathBuf::from(given.value);
    if is_plain_absolute(&path) {
        return Some(path);
    }
    reader.problem(given.name, "must be an absolute path without `..`");
    None
}

/// Every job asks the same endpoint as this process, and nothing can be taken away from it.
fn identity(reader: &mut Reader<'_>, given: Given) -> Option<Source> {
    if !reader.flag(&variables::ALLOW_IDENTITY) {
        let text = format!(
            "would register agents with an identity that every job can use just so, at the identity endpoint; use a service principal or a token, or accept it with {}=1",
            variables::ALLOW_IDENTITY.name
        );
        reader.problem(given.name, text);
        return None;
    }
    if given.value == "system" {
        return Some(Source::Identity(None));
    }
    let value = identifier(reader, given)?;
    Some(Source::Identity(Some(value)))
}

fn principal(reader: &mut Reader<'_>, plain: bool) -> Option<Principal<Proof>> {
    let secret = reader.optional(&variables::CLIENT_SECRET);
    let secret_file = reader.optional(&variables::CLIENT_SECRET_FILE);
    let federated = match (&secret, &secret_file) {
        (None, None) => fallback(reader, &variables::FEDERATED_TOKEN_FILE),
        _ => reader.optional(&variables::FEDERATED_TOKEN_FILE),
    };
    let client = needed(reader, &variables::CLIENT_ID);
    let tenant = needed(reader, &variables::TENANT_ID);
    let authority = authority(reader, plain);
    let proofs = [secret.is_some(), secret_file.is_some(), federated.is_some()];
    if proofs.into_iter().filter(|given| *given).count() != 1 {
        let text = format!(
            "a service principal needs exactly one of {}, {} and {}",
            variables::CLIENT_SECRET.name,
            variables::CLIENT_SECRET_FILE.name,
            variables::FEDERATED_TOKEN_FILE.name
        );
        reader.problem(variables::CLIENT_ID.name, text);
    }
    let proof = match (secret, secret_file, federated) {
        (Some(secret), ..) => self::secret(reader, secret),
        (_, Some(file), _) => path(reader, file).map(Proof::SecretFile),
        (.., Some(file)) => path(reader, file).map(Proof::FederatedFile),
        _ => None,
    };
    Some(Principal { client: client?, tenant: tenant?, authority: authority?, proof: proof? })
}

fn secret(reader: &mut Reader<'_>, given: Given) -> Option<Proof> {
    match check_token(&given.value) {
        Ok(()) => Some(Proof::Secret(SecretString::from(given.value))),
        Err(text) => {
            reader.problem(given.name, text);
            None
        }
    }
}

fn fallback(reader: &mut Reader<'_>, variable: &Variable) -> Option<Given> {
    if let Some(given) = reader.optional(variable) {
        return Some(given);
    }
    let (_, name) = FALLBACKS.iter().find(|(known, _)| known.name == variable.name)?;
    if reader.has(variable) {
        return None;
    }
    reader.one(name)
}

fn needed(reader: &mut Reader<'_>, variable: &Variable) -> Option<String> {
    let before = reader.problems.len();
    if let Some(given) = fallback(reader, variable) {
        return identifier(reader, given);
    }
    if reader.problems.len() == before {
        let text = format!("is not set; a service principal needs the {}", variable.meaning);
        reader.problem(variable.name, text);
    }
    None
}

/// An application's id, a tenant's id or its domain: it becomes part of a path.
fn identifier(reader: &mut Reader<'_>, given: Given) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let fine = given.value.len() <= 253
        && given.value.chars().all(allowed)
        && given.value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if fine {
        return Some(given.value);
    }
    reader.problem(given.name, "is neither an id nor a domain");
    None
}

fn authority(reader: &mut Reader<'_>, plain: bool) -> Option<Url> {
    let Some(given) = fallback(reader, &variables::AUTHORITY_HOST) else {
        return Url::parse(PUBLIC_CLOUD).ok();
    };
    let name = given.name;
    let url = reader.url(given)?;
    if url.scheme() == "http" && !plain {
        reader.problem(name, "must begin with https://, as the server's own URL does");
        return None;
    }
    Some(url)
}

#[cfg(test)]
mod tests;
