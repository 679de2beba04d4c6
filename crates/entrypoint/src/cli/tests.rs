use clap::CommandFactory as _;

use super::*;

#[test]
fn the_definition_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn help_names_every_variable_and_exit_code() {
    let help = Arguments::command().render_long_help().to_string();
    for variable in variables::ALL {
        assert!(help.contains(variable.name), "{}", variable.name);
    }
    for exit in Exit::ALL {
        assert!(help.contains(&format!("{:>2}  {}", exit.code(), exit.meaning())), "{exit:?}");
    }
    assert!(help.contains("--reach") && !help.contains("--resume"));
}
