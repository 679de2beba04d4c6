//! Availability zones. Which regions have them is public; how a subscription's logical zones map to physical ones is not:
//! here zone `1` is `REGION-az1` for every subscription.

use super::{Arguments, Function, Outcome};
use serde_json::Value;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("pickZones", 3, 5, pick_zones),
    Function::plain("toLogicalZone", 3, 3, |arguments| zone(arguments, logical)),
    Function::plain("toLogicalZones", 3, 3, |arguments| zones(arguments, logical)),
    Function::plain("toPhysicalZone", 3, 3, |arguments| zone(arguments, physical)),
    Function::plain("toPhysicalZones", 3, 3, |arguments| zones(arguments, physical)),
];

/// Regions with three zones, from Azure's list of regions.
const REGIONS: &[&str] = &[
    "australiaeast",
    "brazilsouth",
    "canadacentral",
    "centralindia",
    "centralus",
    "eastasia",
    "eastus",
    "eastus2",
    "francecentral",
    "germanywestcentral",
    "indonesiacentral",
    "israelcentral",
    "italynorth",
    "japaneast",
    "japanwest",
    "koreacentral",
    "mexicocentral",
    "newzealandnorth",
    "northeurope",
    "norwayeast",
    "polandcentral",
    "qatarcentral",
    "southafricanorth",
    "southcentralus",
    "southeastasia",
    "spaincentral",
    "swedencentral",
    "switzerlandnorth",
    "uaenorth",
    "uksouth",
    "westeurope",
    "westus2",
    "westus3",
];

/// Types that can be put into a zone, in lower case.
const TYPES: &[&str] = &[
    "microsoft.cache/redis",
    "microsoft.compute/disks",
    "microsoft.compute/virtualmachines",
    "microsoft.compute/virtualmachinescalesets",
    "microsoft.containerinstance/containergroups",
    "microsoft.documentdb/databaseaccounts",
    "microsoft.network/applicationgateways",
    "microsoft.network/azurefirewalls",
    "microsoft.network/loadbalancers",
    "microsoft.network/natgateways",
    "microsoft.network/publicipaddresses",
    "microsoft.network/publicipprefixes",
    "microsoft.network/virtualnetworkgateways",
    "microsoft.storage/storageaccounts",
];

fn region(location: &str) -> String {
    location.to_lowercase().replace(' ', "")
}

/// `pickZones(namespace, type, location, count = 1, offset = 0)`; nothing where there are no zones.
fn pick_zones(mut arguments: Arguments) -> Outcome {
    let given = arguments.len();
    let kind = format!("{}/{}", arguments.string(0)?, arguments.string(1)?).to_lowercase();
    let region = region(&arguments.string(2)?);
    let count = if given > 3 { arguments.integer(3)? } else { 1 };
    let offset = if given > 4 { arguments.integer(4)? } else { 0 };
    if !(1..=3).contains(&count) {
        return Err(
            arguments.error(format_args!("the number of zones '{count}' must be between '1' and '3'"))
        );
    }
    if !(0..=2).contains(&offset) {
        return Err(arguments.error(format_args!("the offset '{offset}' must be between '0' and '2'")));
    }
    if !REGIONS.contains(&region.as_str()) || !TYPES.contains(&kind.as_str()) {
        return Ok(Value::Array(Vec::new()));
    }
    if offset + count > 3 {
        return Err(arguments
            .error(format_args!("the region '{region}' has '3' zones, '{}' are needed", offset + count)));
    }
    Ok((offset + 1..=offset + count).map(|zone| Value::from(zone.to_string())).collect())
}

fn zone(mut arguments: Arguments, map: fn(&str, &str) -> Option<String>) -> Outcome {
    let (region, _) = place(&mut arguments)?;
    let zone = arguments.string(2)?;
    mapped(&arguments, &region, &zone, map)
}

fn zones(mut arguments: Arguments, map: fn(&str, &str) -> Option<String>) -> Outcome {
    let (region, _) = place(&mut arguments)?;
    let zones = arguments.array(2)?;
    let one = |zone: &Value| match zone {
        Value::String(zone) => mapped(&arguments, &region, zone, map),
        other => Err(arguments.wrong_type(2, "an array of strings", other)),
    };
    zones.iter().map(one).collect()
}

fn place(arguments: &mut Arguments) -> Result<(String, String), String> {
    let subscription = arguments.string(0)?;
    Ok((region(&arguments.string(1)?), subscription))
}

fn mapped(arguments: &Arguments, region: &str, zone: &str, map: fn(&str, &str) -> Option<String>) -> Outcome {
    map(region, zone).filter(|_| REGIONS.contains(&region)).map(Value::from).ok_or_else(|| {
        arguments.error(format_args!("the zone '{zone}' is not known in the region '{region}'"))
    })
}

fn logical(region: &str, zone: &str) -> Option<String> {
    let number = zone.to_lowercase().strip_prefix(&format!("{region}-az"))?.to_owned();
    is_zone(&number).then_some(number)
}

fn physical(region: &str, zone: &str) -> Option<String> {
    is_zone(zone).then(|| format!("{region}-az{zone}"))
}

fn is_zone(zone: &str) -> bool {
    matches!(zone, "1" | "2" | "3")
}
