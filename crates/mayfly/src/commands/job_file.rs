//! The part of a pipeline file that `run --file` understands. Everything else is refused by name: a key that is read
//! over would let a job run that is not the one in the file.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;

/// The steps of a pipeline file, in the form of the control API.
pub(crate) fn steps(text: &str) -> Result<Vec<Value>> {
    let document: Yaml = serde_yaml_ng::from_str(text).context("read the file as YAML")?;
    let Yaml::Mapping(root) = document else { bail!("the file holds no mapping; it starts with `steps:`") };
    for key in root.keys() {
        if key.as_str() != Some("steps") {
            bail!("`{}` is not supported at the top of the file; supported: steps", shown(key));
        }
    }
    let Some(Yaml::Sequence(steps)) = root.get("steps") else { bail!("`steps` is missing or no list") };
    if steps.is_empty() {
        bail!("`steps` is empty: there is nothing to run");
    }
    steps.iter().enumerate().map(|(index, one)| step(index + 1, one)).collect()
}

fn step(number: usize, yaml: &Yaml) -> Result<Value> {
    let Yaml::Mapping(map) = yaml else { bail!("step {number} is no mapping") };
    let (mut script, mut name) = (None, None);
    for (key, value) in map {
        let text = || value.as_str().with_context(|| format!("step {number}: `{}` is no text", shown(key)));
        match key.as_str() {
            Some(kind @ ("script" | "bash")) => {
                if script.replace((kind, text()?)).is_some() {
                    bail!("step {number} has both `script` and `bash`");
                }
            }
            Some("displayName") => name = Some(text()?),
            _ => bail!(
                "step {number}: `{}` is not supported; supported: script, bash, displayName",
                shown(key)
            ),
        }
    }
    let Some((kind, script)) = script else { bail!("step {number} has neither `script` nor `bash`") };
    let mut step = json!({});
    step[kind] = script.into();
    if let Some(name) = name {
        step["displayName"] = name.into();
    }
    Ok(step)
}

fn shown(key: &Yaml) -> String {
    serde_yaml_ng::to_string(key).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_in_order() {
        let read = steps("steps:\n- script: echo 1\n- bash: |\n    echo 2\n  displayName: Two\n").unwrap();
        assert_eq!(read, [json!({"script": "echo 1"}), json!({"bash": "echo 2\n", "displayName": "Two"})]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let refused = |text: &str| format!("{:#}", steps(text).unwrap_err());
        assert!(refused("trigger: none\nsteps: []").contains("`trigger` is not supported"));
        assert!(refused("steps:\n- task: Npm@1").contains("step 1: `task` is not supported"));
        assert!(
            refused("steps:\n- script: x\n- script: y\n  condition: always()")
                .contains("step 2: `condition`")
        );
        assert!(refused("steps:\n- script: x\n  bash: y").contains("both"));
        assert!(refused("steps:\n- displayName: x").contains("neither"));
        assert!(refused("steps: []").contains("nothing to run"));
        assert!(refused("- a").contains("no mapping"));
        assert!(refused("steps: [").contains("as YAML"));
        assert!(refused("steps:\n- script: 5").contains("`script` is no text"));
    }
}
