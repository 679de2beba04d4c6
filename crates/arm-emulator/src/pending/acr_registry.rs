use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use service_kit::{ServerTls, SharedClock, SharedEntropy, Shutdown, Store};
#[derive(Clone, Debug)]
pub struct Registries(Arc<Mutex<BTreeMap<String, [SecretString; 2]>>>, SharedEntropy, Store);
pub struct RegistrySettings {
    pub blobs_dir: PathBuf,
    pub tls: ServerTls,
    pub shutdown: Shutdown,
    pub store: Store,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub entra: Option<entra_tokens::Entra>,
}
#[derive(Debug)]
pub struct CreateRegistry {
    pub admin_enabled: bool,
    pub port: Option<u16>,
}
#[derive(Debug, Clone)]
pub struct RegistryInfo {
    pub login_server: String,
}
#[derive(Debug, thiserror::Error)]
#[error("pending")]
pub struct RegistryError;
impl Registries {
    pub fn new(settings: RegistrySettings) -> Self {
        Self(Arc::default(), settings.entropy, settings.store)
    }
    pub async fn restore(&self) -> Result<(), RegistryError> {
        for (name, ()) in self.2.list("pending").unwrap() {
            self.0.lock().unwrap().insert(name, ["a".into(), "b".into()]);
        }
        Ok(())
    }
    pub async fn create(&self, name: &str, _: CreateRegistry) -> Result<RegistryInfo, RegistryError> {
        self.2.put("pending", &name.to_lowercase(), &()).unwrap();
        self.0
            .lock()
            .unwrap()
            .entry(name.to_lowercase())
            .or_insert_with(|| [self.1.token(12).into(), self.1.token(12).into()]);
        Ok(self.get(name).unwrap())
    }
    pub fn get(&self, name: &str) -> Option<RegistryInfo> {
        self.0
            .lock()
            .unwrap()
            .get(&name.to_lowercase())
            .map(|_| RegistryInfo { login_server: format!("localhost:{}", 4000 + name.len()) })
    }
    pub async fn delete(&self, name: &str) -> Result<(), RegistryError> {
        self.0.lock().unwrap().remove(&name.to_lowercase());
        self.2.delete("pending", &name.to_lowercase()).unwrap();
        Ok(())
    }
    pub fn credentials(&self, name: &str) -> Result<(String, [SecretString; 2]), RegistryError> {
        self.0
            .lock()
            .unwrap()
            .get(&name.to_lowercase())
            .cloned()
            .map(|p| (name.to_lowercase(), p))
            .ok_or(RegistryError)
    }
    pub fn regenerate(&self, name: &str, which: usize) -> Result<(), RegistryError> {
        self.0.lock().unwrap().get_mut(&name.to_lowercase()).unwrap()[which] = self.1.token(12).into();
        Ok(())
    }
}
