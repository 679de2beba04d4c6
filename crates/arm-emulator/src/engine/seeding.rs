//! Makes what a seed file says, by the PUTs that a client would send, and takes all of it back where one is refused.

mod client;

use arm_template::BuiltInRole;
use pipeline_yaml::{Faults, Found};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use service_kit::Seeds;
use tokio::sync::oneshot;
use uuid::Uuid;

use self::client::Client;
use crate::app::Arm;
use crate::error::ArmError;
use crate::providers::{self, Kind, Provisioning};
use crate::records::seeds::{self, Credential, Kept, Made};
use crate::seed::{Application, Entry, Principal, Resource, RoleAssignment, Seed, Wanted};

/// What came of a seed.
#[derive(Debug, Default)]
pub struct Seeded {
    /// By it the seed can be taken back.
    pub number: u32,
    /// The applications, with what they log in with. Secrets that were drawn are shown nowhere else.
    pub applications: Vec<SeededApplication>,
    /// How many things were made, applications among them; a resource group that was there is none.
    pub made: usize,
}

/// An application of a seed.
#[derive(Debug)]
pub struct SeededApplication {
    /// Its name.
    pub name: String,
    /// The application id.
    pub client_id: Uuid,
    /// The object id of its service principal: what roles are given to.
    pub object_id: Uuid,
    /// What it logs in with.
    pub client_secret: SecretString,
}

/// Why nothing of a seed is there.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// Everything that is wrong with it, or the one entry that was refused, each with line, column and key.
    #[error("the seed file has {} fault{}:\n{}", .0.0.len(), if .0.0.len() == 1 { "" } else { "s" }, .0)]
    Faults(Faults),
    /// It could not be kept, or not all of it be taken back; the next start of the sandbox goes on with it.
    #[error("seed the subscription: {0}")]
    Failed(String),
}

impl From<ArmError> for SeedError {
    fn from(error: ArmError) -> Self {
        error.log();
        Self::Failed(error.to_string())
    }
}

impl Arm {
    /// Adds what Azure's part of a seed file holds, all of it or nothing. `docs/seed-file.md` lists its keys.
    ///
    /// # Errors
    /// The file is wrong; an entry is there already, or refused by its provider; the store could not be written.
    pub async fn seed(&self, text: &str) -> Result<Seeded, SeedError> {
        let seed = Seed::parse(text).map_err(SeedError::Faults)?;
        let (arm, text) = (self.clone(), text.to_owned());
        let (done, outcome) = oneshot::channel();
        // In a task of its own, so that a caller who goes away does not leave half a seed.
        self.settings().shutdown.spawn(async move {
            // The caller may have gone away.
            let _ = done.send(add(&arm, text, &seed).await);
        });
        outcome.await.unwrap_or_else(|_| Err(SeedError::Failed("the sandbox is shutting down".to_owned())))
    }

    /// Takes a seed back that was just applied.
    ///
    /// # Errors
    /// Something of it could not be removed.
    pub async fn unseed(&self, seeded: &Seeded) -> Result<(), SeedError> {
        let _seeding = self.seeding().lock().await;
        let found = seeds::list(self)?.into_iter().find(|(number, _)| *number == seeded.number);
        let Some((number, mut kept)) = found else { return Ok(()) };
        take_back(self, number, &mut kept).await?;
        Ok(seeds::forget(self, number)?)
    }

    /// Whether no seed was ever applied, since the beginning or the last reset that forgot them.
    ///
    /// # Errors
    /// The store could not be read.
    pub fn is_unseeded(&self) -> Result<bool, SeedError> {
        Ok(seeds::list(self)?.is_empty())
    }

    /// Applies what a crash kept from being applied. Gives what is wrong with those that could not be; they are tried again at
    /// the next start or reset.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn finish_seeds(&self) -> Result<Vec<String>, SeedError> {
        let _seeding = self.seeding().lock().await;
        let mut remarks = Vec::new();
        for (number, mut kept) in seeds::list(self)?.into_iter().filter(|(_, kept)| !kept.applied) {
            let applied = match take_back(self, number, &mut kept).await {
                Ok(()) => apply_kept(self, number, kept).await,
                Err(error) => Err(error),
            };
            if let Err(error) = applied {
                remarks.push(format!("seed {number}, which a crash interrupted, is not applied: {error}"));
            }
        }
        Ok(remarks)
    }

    /// Puts the subscription and its directory back to how they began, with the seeds or without: deployments are cancelled,
    /// container groups go with their containers, registries with their images, applications, roles and every record but those
    /// of the sandbox's own registry and of the resource group it is in. Gives the names of the container groups that went.
    ///
    /// # Errors
    /// A seed cannot be applied again, and everything is as it was; or the store, the engine or a file refused.
    pub async fn reset(&self, seeds: Seeds) -> Result<Vec<String>, super::reset::ResetError> {
        let arm = self.clone();
        let (done, outcome) = oneshot::channel();
        self.settings().shutdown.spawn(async move {
            // The caller may have gone away.
            let _ = done.send(super::reset::reset(&arm, seeds).await);
        });
        let ended = || Err(ArmError::internal("the sandbox is shutting down").into());
        outcome.await.unwrap_or_else(|_| ended())
    }
}

async fn add(arm: &Arm, text: String, seed: &Seed) -> Result<Seeded, SeedError> {
    let _seeding = arm.seeding().lock().await;
    let number = seeds::list(arm)?.last().map_or(1, |(last, _)| last + 1);
    let kept = Kept { text, credentials: credentials(arm, seed), made: Vec::new(), applied: false };
    seeds::save(arm, number, &kept)?;
    match apply(arm, number, kept, seed).await {
        Ok(seeded) => Ok(seeded),
        Err(refused) => {
            seeds::forget(arm, number)?;
            Err(refused)
        }
    }
}

/// Applies a seed that is kept.
pub(super) async fn apply_kept(arm: &Arm, number: u32, kept: Kept) -> Result<(), SeedError> {
    let seed = Seed::parse(&kept.text).map_err(SeedError::Faults)?;
    apply(arm, number, kept, &seed).await.map(|_| ())
}

fn credentials(arm: &Arm, seed: &Seed) -> Vec<Credential> {
    let entra = &arm.settings().entra;
    let of = |one: &Application| Credential {
        name: one.name.clone(),
        client_id: one.client_id.unwrap_or_else(|| arm.new_id()),
        secret: one.secret.clone().unwrap_or_else(|| entra.new_secret()).expose_secret().to_owned(),
    };
    let applications = seed.entries.iter().filter_map(|entry| match &entry.it {
        Wanted::Application(application) => Some(of(application)),
        _ => None,
    });
    applications.collect()
}

/// Makes the entries in their order. What is made is written down before; where one is refused all of it is taken back.
async fn apply(arm: &Arm, number: u32, mut kept: Kept, seed: &Seed) -> Result<Seeded, SeedError> {
    let client = Client::new(arm)?;
    for entry in &seed.entries {
        let Err(error) = make(&client, number, &mut kept, entry).await else { continue };
        take_back(arm, number, &mut kept).await?;
        return Err(match error {
            Refused::Entry(why) => {
                let mut found = Found::default();
                found.add(entry.at, &entry.path, why);
                SeedError::Faults(found.or(None::<()>).err().unwrap_or(Faults(Vec::new())))
            }
            Refused::Failed(error) => error.into(),
        });
    }
    kept.applied = true;
    seeds::save(arm, number, &kept)?;
    let applications = kept.credentials.iter().map(|one| SeededApplication {
        name: one.name.clone(),
        client_id: one.client_id,
        object_id: arm.settings().entra.object_id_of(one.client_id),
        client_secret: one.secret.clone().into(),
    });
    Ok(Seeded { number, applications: applications.collect(), made: kept.made.len() })
}

/// Why an entry is not made.
enum Refused {
    /// What is said at its place in the file.
    Entry(String),
    Failed(ArmError),
}

impl From<ArmError> for Refused {
    fn from(error: ArmError) -> Self {
        Self::Failed(error)
    }
}

async fn make(client: &Client<'_>, number: u32, kept: &mut Kept, entry: &Entry) -> Result<(), Refused> {
    match &entry.it {
        Wanted::Application(application) => register(client.arm, number, kept, &application.name),
        Wanted::ResourceGroup(group) => match existing(client, group).await? {
            Some(shown) => same_location(client, group, &shown),
            None => put(client, number, kept, group).await,
        },
        Wanted::Resource(resource) => {
            if existing(client, resource).await?.is_some() {
                let id = client.filled(&resource.id);
                return Err(Refused::Entry(format!(
                    "is there already: `{id}`; a seed adds, it changes nothing"
                )));
            }
            put(client, number, kept, resource).await
        }
        Wanted::RoleAssignment(assignment) => {
            let resource = assigned(client, kept, assignment).await?;
            put(client, number, kept, &resource).await
        }
    }
}

fn register(arm: &Arm, number: u32, kept: &mut Kept, name: &str) -> Result<(), Refused> {
    let credential = kept.credentials.iter().find(|one| one.name == name).cloned();
    let Some(Credential { name, client_id, secret }) = credential else { return Ok(()) };
    let entra = &arm.settings().entra;
    if entra.service_principals().iter().any(|one| one.client_id == client_id) {
        return Err(Refused::Entry(format!("is there already: the application `{client_id}`")));
    }
    kept.made.push(Made::Application(client_id));
    seeds::save(arm, number, kept)?;
    let new = entra_tokens::NewApplication { client_id, display_name: name, secret: secret.into() };
    entra.register(new).map_err(ArmError::from)?;
    Ok(())
}

/// What is at an entry's place.
async fn existing(client: &Client<'_>, resource: &Resource) -> Result<Option<serde_json::Value>, Refused> {
    let answer = client.get(&resource.id, &resource.api_version).await?;
    // Whatever else is wrong, the PUT says it better.
    Ok(answer.is_success().then_some(answer.body))
}

fn same_location(client: &Client<'_>, group: &Resource, shown: &serde_json::Value) -> Result<(), Refused> {
    let short =
        |place: &serde_json::Value| place.as_str().unwrap_or_default().to_lowercase().replace(' ', "");
    let (there, wanted) = (short(&shown["location"]), short(&group.body["location"]));
    if there == wanted {
        return Ok(());
    }
    let id = client.filled(&group.id);
    Err(Refused::Entry(format!("is there already, in `{there}` and not in `{wanted}`: `{id}`")))
}

async fn put(client: &Client<'_>, number: u32, kept: &mut Kept, resource: &Resource) -> Result<(), Refused> {
    let id = client.filled(&resource.id);
    kept.made.push(Made::Resource { id: id.clone(), api_version: resource.api_version.clone() });
    seeds::save(client.arm, number, kept)?;
    let answer = client.put(&resource.id, &resource.api_version, &resource.body).await?;
    if !answer.is_success() {
        if answer.is_refusal() {
            // Nothing was made, and what is there under an id that is wrong cannot be removed either.
            kept.made.pop();
        }
        return Err(Refused::Entry(format!("is refused: PUT `{id}`: {}", answer.refusal())));
    }
    let Some((kind, parsed)) = id.parse().ok().and_then(|id| Kind::of(client.arm, &id).ok()) else {
        return Ok(());
    };
    match providers::settled(client.arm, kind, &parsed).await? {
        Some(Provisioning::Failed(error)) => {
            Err(Refused::Entry(format!("failed: `{id}`: {}: {}", error.code, error.message)))
        }
        Some(_) => Ok(()),
        None => Err(Refused::Entry(format!("was deleted while it was made: `{id}`"))),
    }
}

/// The PUT of a role assignment. Its name is the same whenever its file is applied to the subscription.
async fn assigned(client: &Client<'_>, kept: &Kept, wanted: &RoleAssignment) -> Result<Resource, Refused> {
    let entra = &client.arm.settings().entra;
    let principal = match &wanted.principal {
        Principal::Id(id) => client.filled(id),
        Principal::Application(name) => {
            let found = kept.credentials.iter().find(|one| one.name == *name);
            found.map(|one| entra.object_id_of(one.client_id).to_string()).unwrap_or_default()
        }
        Principal::Identity(id) => {
            let shown = client.get(id, "2023-01-31").await?.body;
            shown["properties"]["principalId"].as_str().unwrap_or_default().to_owned()
        }
    };
    let known = BuiltInRole::named(&wanted.role);
    let role = known.map_or_else(|| client.filled(&wanted.role), |role| role.id.to_string());
    let definition = if role.starts_with('/') {
        role.clone()
    } else {
        format!("{}/providers/Microsoft.Authorization/roleDefinitions/{role}", client.filled(&wanted.scope))
    };
    // By what the file calls the principal: a managed identity is another one each time it is made.
    let (Principal::Id(called) | Principal::Application(called) | Principal::Identity(called)) =
        &wanted.principal;
    let own = format!("{}|{called}|{role}", wanted.scope.to_lowercase());
    let subscription = client.arm.settings().subscription_id;
    let name = wanted.name.unwrap_or_else(|| Uuid::new_v5(&subscription, own.as_bytes()));
    Ok(Resource {
        id: format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", wanted.scope),
        api_version: "2022-04-01".to_owned(),
        body: json!({ "properties": {
            "roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal",
        } }),
    })
}

/// Removes what was made of a seed, the last first, and writes down what is left.
async fn take_back(arm: &Arm, number: u32, kept: &mut Kept) -> Result<(), SeedError> {
    let client = Client::new(arm)?;
    kept.applied = false;
    while let Some(made) = kept.made.last() {
        match made {
            Made::Application(client_id) => {
                arm.settings().entra.unregister(*client_id).map_err(ArmError::from)?;
            }
            Made::Resource { id, api_version } => {
                let answer = client.delete(id, api_version).await?;
                if !answer.is_success() && !answer.is_missing() {
                    let why = format!("take back what was made of it: DELETE `{id}`: {}", answer.refusal());
                    return Err(SeedError::Failed(why));
                }
                client.gone(id, api_version, &answer).await?;
            }
        }
        kept.made.pop();
        seeds::save(arm, number, kept)?;
    }
    Ok(())
}
