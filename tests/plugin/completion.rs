//! Completions as a shell asks for them: bash with the script that it sources, kubectl with the program that it runs.

use std::path::Path;
use std::process::Command;

use agora_snapshot_testbed::{Folder, plugin_program};

use crate::user::User;
use crate::world::Plan;

fn script(shell: &str) -> String {
    let program = plugin_program().expect("the plugin is built");
    let output = Command::new(program).args(["completion", shell]).output().expect("it runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What Tab offers in bash behind these words.
fn in_bash(folder: &Path, words: &[&str]) -> Vec<String> {
    let ask = r#"source "$1" && shift
        function=$(complete -p kubectl-snapshotjob | sed 's/.*-F \([^ ]*\).*/\1/')
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let script = folder.join("completion.bash");
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", ask, "bash"])
        .arg(script)
        .arg("kubectl-snapshotjob")
        .args(words)
        .output()
        .expect("bash runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{words:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_their_flags() {
    let folder = Folder::new("completion").expect("a folder");
    std::fs::write(folder.path().join("completion.bash"), script("bash")).expect("written");
    let offered = |words: &[&str]| in_bash(folder.path(), words);
    assert_eq!(offered(&["de"]), ["describe"]);
    assert_eq!(offered(&["op"]), ["open"]);
    assert_eq!(offered(&["open", "--po"]), ["--port"]);
    assert_eq!(offered(&["pictures", "lobby", "--dow"]), ["--download"]);
    assert_eq!(offered(&["completion", "fi"]), ["fish"]);
    let all = offered(&[""]);
    for command in ["ls", "describe", "pictures", "watch", "doctor", "open", "latest", "completion", "help"] {
        assert!(all.iter().any(|one| one == command), "{command} in {all:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_completes_commands_and_the_jobs_of_the_namespace_that_was_typed() {
    let world = Plan::new("plugin-completion").make_without_operator().await;
    let folder = Folder::new("completion").expect("a folder");
    let program = folder.path().join("kubectl_complete-snapshotjob");
    std::fs::write(&program, script("kubectl")).expect("written");
    assert!(Command::new("chmod").arg("+x").arg(&program).status().expect("chmod").success());
    let plugin = plugin_program().expect("the plugin is built");
    let user = User::of(&world).await;
    for job in ["lobby", "lounge"] {
        world.create(job, world.spec(job)).await;
    }
    let path = format!(
        "{}:{}:{}",
        folder.path().display(),
        plugin.parent().expect("a folder").display(),
        std::env::var("PATH").expect("a PATH")
    );
    let offered = |words: &[&str]| -> Vec<String> {
        let output = Command::new("kubectl")
            .args(["__complete", "snapshotjob"])
            .args(words)
            .env("PATH", &path)
            .env("KUBECONFIG", user.kubeconfig())
            .output()
            .expect("kubectl runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let (offered, directive) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
        assert!(directive.starts_with(':'), "{text}");
        offered.lines().map(str::to_owned).collect()
    };
    let namespace = world.namespace.as_str();
    assert!(offered(&[""]).contains(&"open".to_owned()));
    assert_eq!(offered(&["d"]), ["describe", "doctor"]);
    assert_eq!(offered(&["-n", namespace, "op"]), ["open"]);
    assert_eq!(offered(&["open", "--namespace", namespace, "lo"]), ["lobby", "lounge"]);
    assert_eq!(offered(&["-n", namespace, "describe", "lou"]), ["lounge"]);
    assert_eq!(offered(&["latest", "-o", "a.jpg", &format!("--namespace={namespace}"), "lob"]), ["lobby"]);
    assert_eq!(offered(&["describe", "-n", namespace, "lobby", ""]), Vec::<String>::new());
    assert_eq!(offered(&["completion", "b"]), ["bash"]);
    world.end().await;
}
