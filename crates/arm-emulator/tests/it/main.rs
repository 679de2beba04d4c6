//! The emulator over real HTTP, with containers in memory.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod any_type;
mod complete;
mod computed;
mod container_groups;
mod container_sessions;
mod container_shapes;
mod control;
mod deployments;
mod envelope;
mod group_actions;
mod identities;
mod identity_endpoint;
mod locks_and_tags;
mod nested;
mod registries;
mod registry_children;
mod resource_groups;
mod restart;
mod roles;
mod rollback;
mod scopes;
mod secrets;
mod seed;
mod snapshot;
mod stack;
mod subscription_routes;
mod versions;
mod webhooks;
mod what_if;
mod wire;
