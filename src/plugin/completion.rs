//! Completions for shells, and the program by which kubectl completes `kubectl snapshotjob`.

use clap::CommandFactory as _;
use clap_complete::Shell as Known;

use super::settings::{CommandLine, Shell};

/// What kubectl looks for in `$PATH` under the name `kubectl_complete-snapshotjob`.
const KUBECTL: &str = include_str!("completion/kubectl_complete-snapshotjob");

/// Prints them to standard output.
pub(super) fn print(shell: Shell) {
    let known = match shell {
        Shell::Bash => Known::Bash,
        Shell::Zsh => Known::Zsh,
        Shell::Fish => Known::Fish,
        Shell::PowerShell => Known::PowerShell,
        Shell::Kubectl => return print!("{KUBECTL}"),
    };
    let mut command = CommandLine::command().bin_name("kubectl-snapshotjob");
    clap_complete::generate(known, &mut command, "kubectl-snapshotjob", &mut std::io::stdout());
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
