//! Completions for shells, and the program by which kubectl completes `kubectl snapshotjob`.

use clap::CommandFactory as _;
use clap_complete::Shell as Known;

use super::settings::{CommandLine, Shell};

/// What kubectl looks for in `$PATH` under the name `kubectl_complete-snapshotjob`.
const KUBECTL: &str = include_str!("completion/kubectl_complete-snapshotjob");

/// The program's own name, without `kubectl` before it.
const PROGRAM: &str = "kubectl-snapshotjob";

/// Prints them to standard output.
pub(super) fn print(shell: Shell) {
    match shell {
        Shell::Bash => print!("{}", bash()),
        Shell::Zsh => print!("{}", of(Known::Zsh, PROGRAM)),
        Shell::Fish => print!("{}", of(Known::Fish, PROGRAM)),
        Shell::PowerShell => print!("{}", of(Known::PowerShell, PROGRAM)),
        Shell::Kubectl => print!("{KUBECTL}"),
    }
}

/// clap_complete writes two labels for one command where the program's name has a hyphen, so that nothing is offered behind
/// a command. It gets a name without one, which is then put right.
fn bash() -> String {
    let stand_in = PROGRAM.replace('-', "_");
    of(Known::Bash, &stand_in).replace(&stand_in, PROGRAM)
}

fn of(shell: Known, program: &str) -> String {
    let mut script = vec![];
    let mut command = CommandLine::command().bin_name(program.to_owned());
    clap_complete::generate(shell, &mut command, program, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn kubectl_is_told_of_every_command_and_of_no_other() {
        let told = KUBECTL.lines().find_map(|line| line.strip_prefix("commands='")?.strip_suffix('\''));
        let told: BTreeSet<_> = told.expect("a list").split(' ').map(str::to_owned).collect();
        let command = CommandLine::command();
        let known: BTreeSet<_> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
        assert_eq!(told, known);
    }
}
