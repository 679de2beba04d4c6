//! Entra ID as far as a sandbox needs it: service principals that log in with a secret or with another issuer's token,
//! managed identities, and tokens that the other emulators verify.
//!
//! [`Entra`] issues and verifies; [`Entra::router`] serves discovery, keys and the token endpoints of one tenant;
//! [`Entra::control_router`] registers applications and federated credentials. [`SigningKey`] signs any JSON Web Token
//! with RS256; other emulators use it for tokens of their own.
//!
//! It does not know users, consent or roles. Who may do what is decided where it is done: the application of the
//! settings owns the subscription, all others have what they were given.

mod applications;
mod control;
mod entra;
mod federation;
mod keys;
mod routes;

pub use applications::NewApplication;
pub use entra::{
    AZURE_DEVOPS, CONTAINER_REGISTRY, Claims, Entra, EntraSettings, Issued, Principal, ServicePrincipal,
    TokenError,
};
pub use keys::{KeyError, SigningKey};
pub use routes::TokenClient;
