use proptest::prelude::*;

use super::{ResourceId, normalise_path};

fn check(path: &str, expected: &str) {
    assert_eq!(normalise_path(path), expected, "for {path}");
}

#[test]
fn fixed_words_become_lower_case_and_names_stay() {
    check("/", "/");
    check("/Subscriptions/S/ResourceGroups/My-Group", "/subscriptions/S/resourcegroups/My-Group");
    check(
        "/subscriptions/S/resourceGroups/G/providers/Microsoft.ContainerInstance//containerGroups/Web/",
        "/subscriptions/S/resourcegroups/G/providers/microsoft.containerinstance/containergroups/Web",
    );
    check(
        "/subscriptions/S/providers/Microsoft.ContainerInstance/Locations/westEurope/Usages",
        "/subscriptions/S/providers/microsoft.containerinstance/locations/westEurope/usages",
    );
    check(
        "/subscriptions/S/providers/Microsoft.Resources/Register",
        "/subscriptions/S/providers/microsoft.resources/register",
    );
    check("//Metadata/Endpoints", "/metadata/endpoints");
    check("/Tenants", "/tenants");
}

#[test]
fn the_short_form_of_deployments_gains_its_provider() {
    check(
        "/subscriptions/S/resourcegroups/G/deployments/D/operations",
        "/subscriptions/S/resourcegroups/G/providers/microsoft.resources/deployments/D/operations",
    );
    check(
        "/subscriptions/S/resourcegroups/G/providers/Microsoft.Resources/deployments/D/operationStatuses/O",
        "/subscriptions/S/resourcegroups/G/providers/microsoft.resources/deployments/D/operationstatuses/O",
    );
    check(
        "/subscriptions/S/resourcegroups/deployments/deployments/",
        "/subscriptions/S/resourcegroups/deployments/providers/microsoft.resources/deployments",
    );
}

#[test]
fn what_is_not_an_id_is_refused_with_a_reason() {
    for (text, reason) in [
        ("", "does not start with"),
        ("/resourceGroups/g", "`providers` was expected"),
        ("providers/A.B/t/n", "does not start with"),
        ("/subscriptions/", "subscription is missing"),
        ("/subscriptions/s/resourceGroups", "name is missing"),
        ("/subscriptions/s/resourceGroups/g/containerGroups/c", "`providers` was expected"),
        ("/subscriptions/s/providers/A.B/t", "not followed by a name"),
        ("/subscriptions/s/providers/A.B", "not followed by a type"),
        ("/subscriptions/s/providers/A.B/t/n/providers/C.D/x", "not followed by a name"),
        ("/subscriptions/s/providers/providers/t/n/x", "not followed by a name"),
    ] {
        let error = text.parse::<ResourceId>().expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn parents_scopes_and_extensions_are_told_apart() {
    let id = |text: &str| text.parse::<ResourceId>().unwrap();
    let child = id("/subscriptions/s/resourceGroups/g/providers/A.B/t/n/c/m");
    assert_eq!(child.parent(), Some(id("/subscriptions/s/resourceGroups/g/providers/A.B/t/n")));
    assert!(!child.is_top_level() && !child.is_extension());
    assert_eq!((child.name().unwrap(), child.last_name()), ("n/m".to_owned(), "m"));
    let extension = id("/subscriptions/s/resourceGroups/g/providers/A.B/t/n/providers/C.D/x/y");
    assert_eq!(extension.resource_type().unwrap(), "C.D/x");
    assert_eq!(extension.scope(), id("/subscriptions/s/resourceGroups/g/providers/A.B/t/n"));
    assert!(extension.is_extension() && extension.parent().is_none());
    let at_tenant = id("/providers/Microsoft.Management/managementGroups/m/providers/C.D/x/y");
    assert_eq!(at_tenant.scope().last_name(), "m");
    assert!(at_tenant.is_within(&id("/")) && extension.is_within(&id("/subscriptions/S/resourceGroups/G")));
    assert!(!extension.is_within(&id("/subscriptions/s/resourceGroups/g2")));
    assert_eq!(id("/").to_string(), "/");
}

fn name() -> impl Strategy<Value = String> {
    // `providers` as a type would start an extension resource; names of types never are this word.
    "[A-Za-z0-9][A-Za-z0-9._()-]{0,12}".prop_filter("a word of the grammar", |text| {
        !["providers", "deployments", "metadata"].contains(&text.to_ascii_lowercase().as_str())
    })
}

fn id() -> impl Strategy<Value = String> {
    let segments = proptest::collection::vec((name(), name()), 1..4);
    (name(), proptest::option::of(name()), proptest::option::of((name(), segments)))
        .prop_map(|(subscription, group, resource)| {
            let mut words = vec![String::new(), "subscriptions".to_owned(), subscription];
            words.extend(group.into_iter().flat_map(|group| ["resourceGroups".to_owned(), group]));
            if let Some((namespace, segments)) = resource {
                words.extend(["providers".to_owned(), namespace]);
                words.extend(segments.into_iter().flat_map(|(kind, name)| [kind, name]));
            }
            words.join("/")
        })
        .prop_filter("a type that is the word resourceGroups", |text| {
            !text.to_lowercase().contains("/resourcegroups/resourcegroups")
        })
}

proptest! {
    #[test]
    fn printing_undoes_parsing(text in id()) {
        prop_assert_eq!(text.parse::<ResourceId>().unwrap().to_string(), text);
    }

    #[test]
    fn ids_that_differ_in_case_alone_are_equal(text in id()) {
        let id: ResourceId = text.parse().unwrap();
        prop_assert_eq!(&text.to_lowercase().parse::<ResourceId>().unwrap(), &id);
        prop_assert_eq!(text.to_uppercase().parse::<ResourceId>().unwrap().key(), id.key());
    }

    #[test]
    fn normalising_twice_changes_nothing_more(path in "(/{1,2}[A-Za-z%.0-9]{0,6}){0,8}") {
        let once = normalise_path(&path);
        prop_assert_eq!(normalise_path(&once), once);
    }

    #[test]
    fn slashes_and_the_case_of_fixed_words_do_not_matter(text in id()) {
        let expected = normalise_path(&text);
        let doubled = text.replace('/', "//") + "/";
        prop_assert_eq!(normalise_path(&doubled), expected.clone());
        let shouted = text.replace("/subscriptions/", "/SUBSCRIPTIONS/").replace("/providers/", "/Providers/")
            .replace("/resourceGroups/", "/RESOURCEgroups/");
        prop_assert_eq!(normalise_path(&shouted), expected.clone());
        let id: ResourceId = text.parse().unwrap();
        prop_assert_eq!(expected.to_lowercase(), id.key());
        for name in [id.name(), id.resource_group().map(str::to_owned)].into_iter().flatten() {
            for part in name.split('/') {
                prop_assert!(expected.contains(part), "the casing of {} is lost in {}", part, expected);
            }
        }
    }

    #[test]
    fn any_text_is_taken_without_a_panic(text in ".{0,64}") {
        let _ = text.parse::<ResourceId>();
        let path = normalise_path(&text);
        prop_assert!(path.starts_with('/'));
    }
}
