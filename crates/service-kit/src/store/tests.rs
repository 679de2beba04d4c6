use super::*;
use crate::SystemEntropy;

#[test]
fn documents_survive_reopening_and_the_file_holds_no_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let (file, entropy) = (folder.path().join("state.redb"), SystemEntropy::shared());
    let key = StoreKey::load_or_create(&folder.path().join("key"), &entropy).unwrap();
    let store = Store::open(&file, &key, &entropy).unwrap();
    store.put("agents", "7", &"planted-secret-value").unwrap();
    store.put("agents", "70", &"b").unwrap();
    store.put("agentz", "1", &"c").unwrap();
    assert!(matches!(Store::open(&file, &key, &entropy), Err(StoreError::InUse { .. })));
    drop(store);

    let raw = fs_err::read(&file).unwrap();
    assert!(!raw.windows(14).any(|w| w == b"planted-secret"), "the file shows a secret");
    assert!(raw.windows(6).any(|w| w == b"agents"), "control: what is not sealed can be found");

    let key = StoreKey::load_or_create(&folder.path().join("key"), &entropy).unwrap();
    let store = Store::open(&file, &key, &entropy).unwrap();
    let listed: Vec<(String, String)> = store.list("agents").unwrap();
    assert_eq!(listed, [("7".into(), "planted-secret-value".into()), ("70".into(), "b".into())]);
    store.write(Batch::new().delete("agents", "7").put("x", "y", &1).unwrap()).unwrap();
    assert_eq!(store.get::<String>("agents", "7").unwrap(), None);
    assert_eq!(store.get::<i32>("x", "y").unwrap(), Some(1));
}

#[test]
fn a_store_in_memory_answers_as_a_file_does() {
    let folder = tempfile::tempdir().unwrap();
    let entropy = SystemEntropy::shared();
    let file = Store::open(&folder.path().join("s"), &StoreKey::generate(&entropy), &entropy).unwrap();
    let answers = |store: &Store| {
        assert_eq!(store.get::<i32>("t", "k").unwrap(), None);
        assert_eq!(store.list::<i32>("t").unwrap(), []);
        store.write(Batch::new().put("t", "b", &1).unwrap().put("t", "a", &2).unwrap()).unwrap();
        let clone = store.clone();
        clone.write(Batch::new().delete("t", "none").put("u", "b", &"3").unwrap()).unwrap();
        store.put("t", "b", &4).unwrap();
        store.put("uv", "x", &1).unwrap();
        store.write(Batch::new().clear("u").put("u", "b", &"3").unwrap()).unwrap();
        assert_eq!(store.list::<i32>("uv").unwrap(), [], "its name begins so too");
        let wrong_type = store.list::<String>("t").unwrap_err().to_string();
        (store.list::<i32>("t").unwrap(), store.get::<String>("u", "b").unwrap(), wrong_type)
    };
    let expected = vec![("a".to_owned(), 2), ("b".to_owned(), 4)];
    let expected = (expected, Some("3".to_owned()), "list document `a` of `t`".to_owned());
    assert_eq!(answers(&file), expected);
    assert_eq!(answers(&Store::in_memory()), expected);
}

#[test]
fn documents_go_from_one_store_to_another_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let entropy = SystemEntropy::shared();
    let file = Store::open(&folder.path().join("s"), &StoreKey::generate(&entropy), &entropy).unwrap();
    let memory = Store::in_memory();
    for store in [&file, &memory] {
        store.put("a.x", "1", &"one").unwrap();
        store.put("a.y", "1", &2).unwrap();
        store.put("b.x", "1", &3).unwrap();
    }
    let given = file.documents(&["a."]).unwrap();
    assert_eq!(given, memory.documents(&["a."]).unwrap());
    assert_eq!(given.iter().map(|one| one.table.as_str()).collect::<Vec<_>>(), ["a.x", "a.y"]);
    assert!(!format!("{given:?}").contains("one"), "a value is not printed");
    let other = Store::in_memory();
    other.write(given.into_iter().fold(Batch::new(), Batch::document)).unwrap();
    assert_eq!(other.get::<String>("a.x", "1").unwrap().as_deref(), Some("one"));
    assert_eq!(other.get::<i32>("b.x", "1").unwrap(), None);
}

#[test]
fn a_key_is_the_same_as_text() {
    use secrecy::ExposeSecret as _;

    let key = StoreKey::generate(&SystemEntropy::shared());
    let again = StoreKey::from_hex(key.to_hex().expose_secret()).unwrap();
    assert_eq!(again.name(), key.name());
    for bad in ["", "0f", &"0".repeat(63), &"x".repeat(64)] {
        assert!(StoreKey::from_hex(bad).is_none(), "{bad}");
    }
}

#[test]
fn another_key_reads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (file, entropy) = (folder.path().join("state.redb"), SystemEntropy::shared());
    let store = Store::open(&file, &StoreKey::generate(&entropy), &entropy).unwrap();
    store.put("t", "k", &"v").unwrap();
    drop(store);
    let other = Store::open(&file, &StoreKey::generate(&entropy), &entropy).unwrap();
    let error = other.get::<String>("t", "k").unwrap_err();
    assert_eq!(error.to_string(), "read document `k` of `t`");
}
