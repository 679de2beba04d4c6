//! The addresses at which one organization is reached.

use std::sync::{Arc, PoisonError};

use url::Url;

use super::AzureDevOps;
use crate::addresses::Addresses;
use crate::error::StartError;
use crate::state::State;
use crate::wire::job::Origin;

impl AzureDevOps {
    /// The same organization at a further address, for example by HTTPS: what its [`Self::router`] gives out begins with
    /// `base`. Agents, jobs and tokens are the same at all addresses, and an agent that registered at one may ask for its
    /// token at another.
    ///
    /// # Errors
    /// `base` is no address of the organization that this service was made with.
    pub fn at(&self, base: &Url) -> Result<Self, StartError> {
        let addresses = Addresses::new(base, &self.addresses.organization)?;
        let mut known = self.inner.token_endpoints.write().unwrap_or_else(PoisonError::into_inner);
        let endpoint = addresses.token_endpoint();
        if !known.contains(&endpoint) {
            known.push(endpoint);
        }
        drop(known);
        Ok(Self { inner: self.inner.clone(), addresses: Arc::new(addresses) })
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The token endpoint that an assertion must name: the one it names if it is one of this organization, else that of
    /// the address it came by.
    pub(crate) fn audience(&self, named: &str) -> String {
        let known = self.inner.token_endpoints.read().unwrap_or_else(PoisonError::into_inner);
        let own = known.iter().find(|endpoint| *endpoint == named);
        own.cloned().unwrap_or_else(|| self.addresses.token_endpoint())
    }

    /// What job messages say about the organization.
    pub(crate) fn origin<'a>(&'a self, state: &State) -> Origin<'a> {
        Origin {
            url: self.addresses().organization_url(),
            organization: &self.addresses().organization,
            collection_id: state.meta.instance_id,
            project_id: state.meta.project_id,
        }
    }
}
