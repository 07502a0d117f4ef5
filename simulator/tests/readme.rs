//! The README's table of settings is the code's.

use std::fmt::Write as _;

use agora_simulator::settings::{Domain, SETTINGS};

#[test]
fn the_readme_lists_every_setting_as_the_code_has_it() {
    let mut table = String::from("| Setting | Values | Decides |\n|---|---|---|\n");
    for setting in SETTINGS {
        let values = match setting.domain {
            Domain::Words(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            Domain::Number { default, least, most } => format!("{least} to {most}, default {default}"),
        };
        let _ = writeln!(table, "| `{}` | {values} | {} |", setting.name, setting.about.trim());
    }
    let readme = include_str!("../README.md");
    assert!(readme.contains(&table), "simulator/README.md must hold this table:\n\n{table}");
}
