//! Doors for the fuzz targets alone, behind the feature `fuzzing`. They panic where a law is broken.

use serde_json::Value;

use crate::filter::Filter;
use crate::providers::aci;
use crate::request::is_api_version;
use crate::resource_id::{ResourceId, normalise_path};

/// A path in the router's spelling stays as it is, and what is printed of an id is read as the same id.
pub fn path(text: &str) {
    let once = normalise_path(text);
    assert_eq!(normalise_path(&once), once);
    if let Ok(id) = text.parse::<ResourceId>() {
        let again = id.to_string().parse::<ResourceId>().expect("an id is read as it is printed");
        assert_eq!((again.to_string(), again.key()), (id.to_string(), id.key()));
    }
}

/// Any text is a filter or is refused.
pub fn filter(text: &str) {
    let _ = Filter::parse(Some(text), &["resourceType", "tagName", "tagValue"]);
}

/// Any text is an api-version or is not.
pub fn api_version(text: &str) {
    is_api_version(text);
}

/// Any JSON is a container group or is refused.
pub fn container_group(body: &Value) {
    let id = ResourceId::in_group("s", "g", "Microsoft.ContainerInstance/containerGroups", "name");
    let _ = aci::read::group(&id, body);
}
