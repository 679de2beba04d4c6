//! Values for parameters that a template does not give a default.

use arm_template::jsonc::{Kind, Node};
use serde_json::{Map, Value, json};

/// `{"name": {"value": …}}` for every parameter that must be given.
pub(crate) fn parameters(root: &Node, text: &str) -> Map<String, Value> {
    let mut given = Map::new();
    for member in root.get("parameters").map_or(&[][..], Node::members) {
        let node = &member.value;
        if node.get("defaultValue").is_none() && !is_nullable(root, node) {
            given.insert(member.name.clone(), json!({"value": value(root, node, &member.name, text, 0)}));
        }
    }
    given
}

fn definition<'n>(root: &'n Node, node: &'n Node) -> Option<&'n Node> {
    let mut segments = node.get("$ref")?.as_str()?.strip_prefix("#/definitions/")?.split('/');
    let named = root.get("definitions")?.get(segments.next()?)?;
    segments.try_fold(named, |node, segment| match node.elements() {
        Some(elements) => elements.get(segment.parse::<usize>().ok()?),
        None => node.get(segment),
    })
}

fn is_nullable(root: &Node, node: &Node) -> bool {
    matches!(node.get("nullable").map(|node| &node.kind), Some(Kind::Bool(true)))
        || definition(root, node).is_some_and(|node| is_nullable(root, node))
}

fn number(node: &Node, name: &str) -> Option<i64> {
    node.get(name)?.to_value().as_i64()
}

/// A value of the type that a node describes.
fn value(root: &Node, node: &Node, name: &str, text: &str, depth: usize) -> Value {
    if depth > 20 {
        return Value::Null;
    }
    if let Some(node) = definition(root, node) {
        return value(root, node, name, text, depth + 1);
    }
    let kind = node.get("type").and_then(Node::as_str).unwrap_or_default().to_ascii_lowercase();
    if let Some(first) = node.get("allowedValues").and_then(Node::elements).and_then(<[Node]>::first) {
        let first = first.to_value();
        return if kind == "array" && !first.is_array() { json!([first]) } else { first };
    }
    match kind.as_str() {
        "int" => json!(number(node, "minValue").or(number(node, "maxValue")).unwrap_or(1)),
        "bool" => json!(true),
        "array" => array(root, node, name, text, depth),
        "object" | "secureobject" => object(root, node, name, text, depth),
        _ => json!(string(node, name)),
    }
}

/// A text that the usual uses of a parameter of that name accept.
fn string(node: &Node, name: &str) -> String {
    let folded = name.to_ascii_lowercase();
    let own = format!("made{folded}");
    let mut made = if folded.contains("location") || folded.contains("region") {
        "westeurope"
    } else if folded.ends_with("resourceid") {
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/other/providers/Microsoft.Example/items/a/parts/b/pieces/c"
    } else if folded.contains("subscription") {
        "00000000-0000-0000-0000-000000000001"
    } else if folded.contains("cidr") || folded.contains("addressprefix") {
        "10.0.0.0/16"
    } else if folded.contains("uri") || folded.contains("url") {
        "https://example.invalid/"
    } else {
        own.as_str()
    }
    .to_owned();
    let least = number(node, "minLength").and_then(|least| usize::try_from(least).ok()).unwrap_or(0);
    while made.len() < least {
        made.push('x');
    }
    if let Some(most) = number(node, "maxLength").and_then(|most| usize::try_from(most).ok()) {
        made.truncate(most);
    }
    made
}

fn array(root: &Node, node: &Node, name: &str, text: &str, depth: usize) -> Value {
    if let Some(elements) = node.get("prefixItems").and_then(Node::elements) {
        return elements.iter().map(|element| value(root, element, name, text, depth + 1)).collect();
    }
    let least = number(node, "minLength").unwrap_or(0).max(0);
    match node.get("items") {
        Some(items) => (0..least).map(|_| value(root, items, name, text, depth + 1)).collect(),
        None => (0..least).map(|_| json!("made")).collect(),
    }
}

fn object(root: &Node, node: &Node, name: &str, text: &str, depth: usize) -> Value {
    let mut members = Map::new();
    if let Some(discriminator) = node.get("discriminator") {
        let first = discriminator.get("mapping").and_then(|mapping| mapping.members().first());
        if let (Some(first), Some(property)) =
            (first, discriminator.get("propertyName").and_then(Node::as_str))
        {
            let mut one = value(root, &first.value, name, text, depth + 1);
            one[property] = json!(first.name);
            return one;
        }
    }
    for member in node.get("properties").map_or(&[][..], Node::members) {
        if !is_nullable(root, &member.value) {
            members.insert(member.name.clone(), value(root, &member.value, &member.name, text, depth + 1));
        }
    }
    if depth == 0 && members.is_empty() {
        used(text, name, &mut members);
    }
    Value::Object(members)
}

/// The members that expressions of the template read of a parameter without a described type: `parameters('x').a.b`.
fn used(text: &str, name: &str, members: &mut Map<String, Value>) {
    let start = format!("parameters('{name}').");
    for (at, _) in text.match_indices(&start) {
        let rest = &text[at + start.len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_')).unwrap_or(rest.len());
        let mut place = &mut *members;
        let mut steps = rest[..end].trim_end_matches('.').split('.').peekable();
        while let Some(step) = steps.next() {
            let last = steps.peek().is_none();
            let entry = place.entry(step).or_insert_with(|| if last { json!("made") } else { json!({}) });
            if last {
                break;
            }
            if !entry.is_object() {
                *entry = json!({});
            }
            let Value::Object(inner) = entry else { break };
            place = inner;
        }
    }
}
