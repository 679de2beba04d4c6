//! What happens to agents, sessions and tokens of the sandbox's Azure DevOps on demand.

use std::path::Path;

use anyhow::Result;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::control::Control;
use crate::cli::{AgentWords, Common, Format, SessionWords, Sessions, TokenWords};
use crate::environment::Environment;
use crate::input;
use crate::outcome::{Outcome, Problem};
use crate::output;

pub(crate) async fn agent(words: &AgentWords, common: &Common, environment: &Environment) -> Result<Outcome> {
    let AgentWords::Update { agent, to, every_session } = words;
    let control = Control::find(common, environment)?;
    let mut body = json!({ "everySession": every_session });
    if let Some(version) = to {
        body["version"] = version.as_str().into();
    }
    let told: Value = control.post(&format!("/azdo/agents/{}/update", segment(agent)), &body).await?;
    let version = told["version"].as_str().unwrap_or_default();
    say(common, &told, &format!("`{agent}` is told to update itself to {version}"))
}

pub(crate) async fn session(
    words: &SessionWords,
    common: &Common,
    environment: &Environment,
) -> Result<Outcome> {
    let control = Control::find(common, environment)?;
    let (path, which, done) = match words {
        SessionWords::List => return list(&control, common).await,
        SessionWords::Expire(which) => ("/azdo/sessions/expire", which, "expired"),
        SessionWords::Release(which) => ("/azdo/sessions/release", which, "released"),
    };
    let ended: Value = control.post(path, &body(which)).await?;
    say(common, &ended, &format!("{done}: {} sessions", ended[done]))
}

fn body(which: &Sessions) -> Value {
    let fields = [("agent", &which.agent), ("owner", &which.owner), ("session", &which.session)];
    let given =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))));
    Value::Object(given.collect::<Map<_, _>>())
}

async fn list(control: &Control, common: &Common) -> Result<Outcome> {
    let sessions: Vec<Value> = control.get("/azdo/sessions").await?;
    if common.output == Format::Json {
        output::document(&sessions)?;
        return Ok(Outcome::Done);
    }
    for session in &sessions {
        let text = |name: &str| session[name].as_str().unwrap_or_default();
        output::result(&format!(
            "{}  {}  by {}, last seen {}, {} messages",
            text("id"),
            text("agent"),
            text("owner"),
            text("lastSeen"),
            session["messages"]
        ));
    }
    if sessions.is_empty() {
        output::note("nobody listens");
    }
    Ok(Outcome::Done)
}

/// The token comes from a file or from standard input: a command line is read by everybody on the machine.
pub(crate) async fn token(words: &TokenWords, common: &Common, environment: &Environment) -> Result<Outcome> {
    let TokenWords::Revoke { file } = words;
    let token = read(file)?;
    let body = json!({ "token": token.expose_secret() });
    Control::find(common, environment)?.tell("/azdo/tokens/revoke", &body).await?;
    say(common, &json!({ "revoked": true }), "the token is revoked")
}

fn read(file: &Path) -> Result<SecretString> {
    let text = input::text(file)?;
    let token = text.trim().to_owned();
    if token.is_empty() {
        return Err(Problem::new(Outcome::Usage, "revoke a token: none was given").into());
    }
    Ok(token.into())
}

fn say(common: &Common, document: &Value, line: &str) -> Result<Outcome> {
    if common.output == Format::Json {
        output::document(document)?;
    } else {
        output::result(line);
    }
    Ok(Outcome::Done)
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encoded = name
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        assert_eq!(segment("mayfly-0"), "mayfly-0");
        assert_eq!(segment("a/b ä?"), "a%2Fb%20%C3%A4%3F");
    }

    #[test]
    fn only_what_was_given_says_which_sessions() {
        let which = Sessions { agent: Some("a".to_owned()), owner: None, session: None };
        assert_eq!(body(&which), json!({ "agent": "a" }));
    }
}
