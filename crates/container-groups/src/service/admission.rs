//! Whether a group is let in: engine, images, names, quota, rates.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use crate::entry::Entry;
use crate::error::GroupError;
use crate::group::{GroupId, GroupSpec, OsType};
use crate::identity;
use crate::rate::Change;
use crate::record::cores;
use crate::runtime::RuntimeError;
use crate::service::{Groups, Quota, Usage};
use crate::validate;
use crate::view::GroupState;

impl Groups {
    /// How much of the quota is used.
    pub fn usage(&self) -> Usage {
        usage_of(&self.table(), None)
    }

    /// The quota.
    pub fn quota(&self) -> Quota {
        self.shared.settings.quota
    }

    /// Counts a creation or deletion, or refuses it.
    pub(super) fn count(&self, change: Change, location: &str) -> Result<(), GroupError> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.count(change, location, self.shared.now(), self.quota())
    }

    pub(super) fn check_os(&self, spec: &GroupSpec) -> Result<(), GroupError> {
        let engine = self.shared.runtime.os();
        if spec.os_type == engine {
            return Ok(());
        }
        if spec.os_type == OsType::Windows && self.shared.switches().windows_as_linux {
            tracing::warn!(group = %spec.id, "osType Windows is run as Linux containers: not what Azure would do");
            return Ok(());
        }
        let mut refusal = validate::not_available(spec);
        let (asked, has) = (spec.os_type.as_str(), engine.as_str());
        refusal.message = format!(
            "{} This sandbox's container engine runs {has} containers; osType '{asked}' needs an engine in {asked} mode{}.",
            refusal.message,
            if asked == "Windows" { " or a sandbox started with --run-windows-groups-as-linux" } else { "" },
        );
        Err(refusal)
    }

    pub(super) async fn check_image(&self, spec: &GroupSpec, image: &str) -> Result<(), GroupError> {
        let login = identity::login(&self.shared, spec, image);
        match self.shared.runtime.check_image(image, login.as_ref()).await {
            Ok(()) => Ok(()),
            Err(error @ RuntimeError::Unavailable { .. }) => Err(GroupError::runtime(&error)),
            Err(error) => {
                tracing::warn!(group = %spec.id, %image, %error, "image is not accessible");
                Err(GroupError::registry(image, &spec.name, &error.to_string()))
            }
        }
    }

    pub(super) fn check_admission(&self, spec: &GroupSpec) -> Result<(), GroupError> {
        self.check_admission_in(&self.table(), spec)
    }

    /// Whether the change is allowed now, given all other groups.
    pub(super) fn check_admission_in(
        &self,
        table: &BTreeMap<GroupId, Arc<Entry>>,
        spec: &GroupSpec,
    ) -> Result<(), GroupError> {
        let present = table.get(&spec.id);
        if let Some(entry) = present {
            let record = entry.record();
            if record.operation.is_some() {
                return Err(GroupError::transitioning(&record.spec.name));
            }
            validate::check_location(&record.spec, spec)?;
            // A put of a stopped or ended group is a new deployment.
            if matches!(record.state(), GroupState::Running | GroupState::Pending) {
                validate::check_update(&record.spec, spec)?;
            }
        }
        let wanted = validate::public_name(spec);
        let taken = |(id, entry): (&GroupId, &Arc<Entry>)| {
            *id != spec.id && validate::public_name(&entry.record().spec) == wanted
        };
        if wanted.is_some() && table.iter().any(taken) {
            return Err(validate::name_taken(spec));
        }
        let (others, quota) = (usage_of(table, Some(&spec.id)), self.quota());
        let location = &spec.location;
        if present.is_none() && others.groups >= quota.groups {
            let usage = f64::from(others.groups);
            return Err(GroupError::quota("ContainerGroups", location, quota.groups, usage, 1.0));
        }
        let requested = cores(spec);
        if others.cores + requested > f64::from(quota.cores) + 1e-9 {
            return Err(GroupError::quota("StandardCores", location, quota.cores, others.cores, requested));
        }
        Ok(())
    }
}

/// What all groups use, but for one.
fn usage_of(table: &BTreeMap<GroupId, Arc<Entry>>, without: Option<&GroupId>) -> Usage {
    let mut usage = Usage::default();
    for (_, entry) in table.iter().filter(|(id, _)| Some(*id) != without) {
        usage.groups += 1;
        usage.cores += entry.record().cores();
    }
    usage
}
