use secrecy::SecretString;
#[derive(Clone, Debug)]
pub struct Registries;
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
    pub async fn create(&self, _: &str, _: CreateRegistry) -> Result<RegistryInfo, RegistryError> {
        Err(RegistryError)
    }
    pub fn get(&self, _: &str) -> Option<RegistryInfo> {
        None
    }
    pub async fn delete(&self, _: &str) -> Result<(), RegistryError> {
        Err(RegistryError)
    }
    pub fn credentials(&self, _: &str) -> Result<(String, [SecretString; 2]), RegistryError> {
        Err(RegistryError)
    }
    pub fn regenerate(&self, _: &str, _: usize) -> Result<(), RegistryError> {
        Err(RegistryError)
    }
}
