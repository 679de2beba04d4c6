//! Expands every ARM template below the given folders and counts what came of it.
//!
//! `cargo run --release -p arm-template --example expand_all -- FOLDER… [--show N]`
//!
//! Parameters without a default are made up: the first allowed value, the least number, a text as long as it must be, an
//! empty array, an object with the members that its type or the template's expressions name. See `docs/arm-subset.md`.
#![expect(clippy::print_stdout, reason = "a program for people")]

#[path = "expand_all/values.rs"]
mod values;

use arm_template::jsonc::{self, Node};
use arm_template::{Code, Diagnostic, Level, Linked, Mode, Placeholders, PlanRequest, Scope, Template};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

#[derive(Default)]
struct Tally {
    expanded: usize,
    resources: usize,
    bytes: usize,
    /// Reason to the files that gave it.
    refused: BTreeMap<String, Vec<PathBuf>>,
    unsupported: BTreeMap<String, Vec<PathBuf>>,
}

fn main() {
    let mut show = 3;
    let mut arguments = std::env::args().skip(1).peekable();
    while let Some(argument) = arguments.next() {
        if argument == "--show" {
            show = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(show);
            continue;
        }
        let folder = PathBuf::from(&argument);
        let mut tally = Tally::default();
        for file in files(&folder) {
            tally.add(&folder, &file);
        }
        tally.print(&argument, show);
    }
}

/// All `.json` files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs_err::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The template's level by its schema; none for a file that is no deployment template.
fn level(root: &Node) -> Option<Level> {
    root.get("resources")?;
    Level::of_schema(root.get("$schema")?.as_str()?)
}

impl Tally {
    fn add(&mut self, folder: &Path, file: &Path) {
        let Ok(text) = fs_err::read_to_string(file) else { return };
        let text = text.trim_start_matches('\u{feff}');
        if !text.contains("eploymentTemplate.json") {
            return;
        }
        let shown = file.strip_prefix(folder).unwrap_or(file).to_owned();
        let root = match jsonc::parse(text) {
            Ok(root) => root,
            Err(fault) => return self.fault(&fault, shown),
        };
        let Some(level) = level(&root) else { return };
        self.bytes += text.len();
        match expand(file, text, &root, level) {
            Ok(count) => {
                self.expanded += 1;
                self.resources += count;
            }
            Err(faults) => match faults.iter().find(|fault| fault.code == Code::FeatureNotSupported) {
                Some(fault) => self.fault(fault, shown),
                None => self.fault(&faults[0], shown),
            },
        }
    }

    fn fault(&mut self, fault: &Diagnostic, file: PathBuf) {
        let reasons = match fault.code {
            Code::FeatureNotSupported => &mut self.unsupported,
            _ => &mut self.refused,
        };
        reasons.entry(format!("{}: {}", fault.code, shape(&fault.detail))).or_default().push(file);
    }

    fn print(&self, name: &str, show: usize) {
        let count = |reasons: &BTreeMap<String, Vec<PathBuf>>| reasons.values().map(Vec::len).sum::<usize>();
        let (refused, unsupported) = (count(&self.refused), count(&self.unsupported));
        println!(
            "{name}: {} templates, {} bytes: {} expanded ({} resources), {refused} refused, {unsupported} not supported",
            self.expanded + refused + unsupported,
            self.bytes,
            self.expanded,
            self.resources,
        );
        for (title, reasons) in [("refused", &self.refused), ("not supported", &self.unsupported)] {
            let mut reasons: Vec<_> = reasons.iter().collect();
            reasons.sort_by_key(|(_, files)| std::cmp::Reverse(files.len()));
            for (reason, files) in reasons {
                println!("  {title} {:4}  {reason}", files.len());
                for file in files.iter().take(show) {
                    println!("              {}", file.display());
                }
            }
        }
    }
}

/// A message without what is special to one template, so that equal reasons are counted together.
fn shape(detail: &str) -> String {
    let mut shape = String::new();
    let mut quoted = false;
    for character in detail.chars() {
        if character == '\'' {
            quoted = !quoted;
            shape.push('\'');
        } else if !quoted {
            shape.push(character);
        }
    }
    // What an expression failed with tells more than where.
    let inner: String =
        detail.chars().skip(detail.find("'The template").map_or(0, |at| at + 1)).take(160).collect();
    format!("{} ‹{inner}›", shape.chars().take(200).collect::<String>())
}

/// Linked templates beside the template; nothing is fetched.
#[derive(Debug)]
struct Beside(PathBuf);

impl Linked for Beside {
    fn text(&self, uri: &str) -> Result<Arc<str>, String> {
        let path = uri.strip_prefix("file://").ok_or("nothing is fetched")?;
        if !Path::new(path).starts_with(&self.0) {
            return Err("the file is outside of the folder".to_owned());
        }
        fs_err::read_to_string(path).map(Arc::from).map_err(|error| error.to_string())
    }
}

fn expand(file: &Path, text: &str, root: &Node, level: Level) -> Result<usize, Vec<Diagnostic>> {
    let template = Template::parse(text)?;
    let request = PlanRequest {
        parameters: values::parameters(root, text),
        scope: Scope {
            level,
            subscription_id: "00000000-0000-0000-0000-000000000001".to_owned(),
            tenant_id: "00000000-0000-0000-0000-00000000000f".to_owned(),
            management_group: "example-management-group".to_owned(),
            location: "westeurope".to_owned(),
            resource_group: arm_template::ResourceGroupInfo {
                name: "example-group".to_owned(),
                location: "westeurope".to_owned(),
                ..arm_template::ResourceGroupInfo::default()
            },
        },
        deployment_name: "example".to_owned(),
        mode: Mode::Incremental,
        now: jiff::Timestamp::UNIX_EPOCH,
        new_guid: &|| Uuid::from_u128(1),
        environment: None,
        custom_roles: None,
        deployer: Some(serde_json::json!({"objectId": Uuid::from_u128(2), "tenantId": Uuid::from_u128(3)})),
        linked: file.parent().map(|folder| Arc::new(Beside(folder.to_owned())) as Arc<dyn Linked>),
        template_uri: Some(format!("file://{}", file.display())),
    };
    let plan = template.plan(&request)?;
    for index in 0..plan.resources().len() {
        plan.body(index, &Placeholders).map_err(|fault| vec![fault])?;
    }
    plan.outputs(&Placeholders).map_err(|fault| vec![fault])?;
    Ok(plan.resources().len())
}
