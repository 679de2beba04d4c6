//! Doors for the fuzz targets alone, behind the feature `fuzzing`: the pure readers of what comes over the network, each
//! with the law it has to keep. They panic where a law is broken.

use serde_json::Value;
use service_kit::SeededEntropy;

use crate::seed::Seed;
use crate::settings::Switches;
use crate::state::seeding::NewSeed;
use crate::state::{Meta, Moment, State};
use crate::wire::assertion::TokenRequest;
use crate::wire::bodies;
use crate::wire::crypto::{PublicKey, SessionKey};
use crate::wire::demand::Demand;
use crate::wire::{paths, version};

/// What is printed of a demand is read as the same demand.
pub fn demand(text: &str) {
    let Ok(demand) = text.parse::<Demand>() else { return };
    let printed = demand.to_string();
    assert_eq!(printed.parse(), Ok(demand.clone()), "`{printed}` is another demand");
    demand.met_by([(printed.as_str(), text)].into_iter());
}

/// Any text in the query or in `Accept` is served or refused.
pub fn api_version(text: &str) {
    for found in [
        version::requested(Some(text), None, None),
        version::requested(None, Some(text), None),
        version::requested(None, None, Some(text)),
    ] {
        let _ = found.map(version::check);
    }
}

/// A path in its canonical form stays as it is.
pub fn path(text: &str) {
    let once = paths::canonical(text, "acme");
    assert_eq!(paths::canonical(&once, "acme"), once);
    assert!(once.starts_with('/') && !once.contains("//"), "{once}");
}

/// A client assertion is taken apart; none that is made up has a signature of this key.
pub fn assertion(text: &str) {
    let request = TokenRequest {
        grant_type: "client_credentials".to_owned(),
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
        client_assertion: text.to_owned(),
    };
    let Ok(signed) = request.assertion() else { return };
    signed.forgettable();
    let stranger: PublicKey = serde_json::from_value(stranger()).expect("a key");
    assert!(signed.verify(&stranger, "audience", jiff::Timestamp::UNIX_EPOCH).is_err());
}

/// A public key with a modulus of 2048 bits to which nobody has the private one.
fn stranger() -> Value {
    serde_json::json!({"exponent": "AQAB", "modulus": format!("{}w==", "w7".repeat(170) + "w7")})
}

/// A public key is printed as it is read, and takes a session key.
pub fn public_key(bytes: &[u8]) {
    let Ok(key) = serde_json::from_slice::<PublicKey>(bytes) else { return };
    let printed = serde_json::to_vec(&key).expect("a key is JSON");
    assert!(serde_json::from_slice::<PublicKey>(&printed).expect("its own form") == key);
    assert!(!key.verifies(b"text", bytes));
    let session = SessionKey::generate(&SeededEntropy::new(1));
    let _ = key.wrap(&session);
}

/// The bodies of requests.
pub fn body(bytes: &[u8]) {
    let _ = serde_json::from_slice::<bodies::AgentBody>(bytes);
    let _ = serde_json::from_slice::<bodies::RequestPatch>(bytes);
    let _ = serde_json::from_slice::<bodies::EventBody>(bytes);
    let _ = serde_json::from_slice::<bodies::FeedBody>(bytes);
}

/// A seed file is read or refused, and one that is read is applied as a whole or changes nothing.
pub fn seed_file(text: &str) {
    let Ok(seed) = Seed::parse(text) else { return };
    let entropy = SeededEntropy::new(1);
    let moment = Moment { now: jiff::Timestamp::UNIX_EPOCH, entropy: &entropy };
    let mut state = State::new(Meta::create(moment), Switches::default());
    state.ensure_pool("Default", moment.now);
    state.dirty.clear();
    let key: PublicKey = serde_json::from_value(stranger()).expect("a key");
    let new = NewSeed { text, seed: &seed, generated: &[], organization: "acme", nobodys_key: Some(&key) };
    match state.seed(&new, moment) {
        Ok(outcome) => {
            assert_eq!((outcome.agents.len(), outcome.jobs.len()), (seed.agents.len(), seed.jobs.len()));
            assert_eq!((state.agents.len(), state.requests.len()), (seed.agents.len(), seed.jobs.len()));
        }
        Err(faults) => {
            assert!(!faults.0.is_empty());
            let changed = state.agents.len() + state.requests.len() + state.pats.len() + state.dirty.len();
            assert_eq!((changed, state.pools.len()), (0, 1), "a refused seed changed something");
        }
    }
}
