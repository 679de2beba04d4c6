//! Entra ID as far as a sandbox needs it: service principals that log in with a secret, and tokens that the other
//! emulators verify.
//!
//! [`Entra`] issues and verifies; [`Entra::router`] serves discovery, keys and the token endpoints of one tenant.
//! [`SigningKey`] signs any JSON Web Token with RS256; other emulators use it for tokens of their own.
//!
//! It does not know users, consent or roles: whoever holds the one client secret may do everything.

mod entra;
mod keys;
mod routes;

pub use entra::{Claims, Entra, EntraSettings, TokenError};
pub use keys::{KeyError, SigningKey};
