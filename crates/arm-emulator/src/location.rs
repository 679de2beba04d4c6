//! The regions that the emulator offers. A location is written `westeurope` or `West Europe`; the short form is what
//! is stored and shown.

/// Short name and display name.
pub(crate) const LOCATIONS: &[(&str, &str)] = &[
    ("australiaeast", "Australia East"),
    ("brazilsouth", "Brazil South"),
    ("canadacentral", "Canada Central"),
    ("centralindia", "Central India"),
    ("centralus", "Central US"),
    ("eastasia", "East Asia"),
    ("eastus", "East US"),
    ("eastus2", "East US 2"),
    ("francecentral", "France Central"),
    ("germanywestcentral", "Germany West Central"),
    ("italynorth", "Italy North"),
    ("japaneast", "Japan East"),
    ("koreacentral", "Korea Central"),
    ("northcentralus", "North Central US"),
    ("northeurope", "North Europe"),
    ("norwayeast", "Norway East"),
    ("polandcentral", "Poland Central"),
    ("southcentralus", "South Central US"),
    ("southeastasia", "Southeast Asia"),
    ("spaincentral", "Spain Central"),
    ("swedencentral", "Sweden Central"),
    ("switzerlandnorth", "Switzerland North"),
    ("uaenorth", "UAE North"),
    ("uksouth", "UK South"),
    ("ukwest", "UK West"),
    ("westcentralus", "West Central US"),
    ("westeurope", "West Europe"),
    ("westus", "West US"),
    ("westus2", "West US 2"),
    ("westus3", "West US 3"),
];

/// The short form of a location that is offered.
pub(crate) fn normalise(text: &str) -> Option<&'static str> {
    let short: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    LOCATIONS.iter().map(|(name, _)| *name).find(|name| name.eq_ignore_ascii_case(&short))
}

/// The short names, for messages.
pub(crate) fn names() -> String {
    LOCATIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn both_spellings_mean_one_place() {
        assert_eq!(normalise("West Europe"), Some("westeurope"));
        assert_eq!(normalise("WESTEUROPE"), Some("westeurope"));
        assert_eq!(normalise("atlantis"), None);
    }
}
