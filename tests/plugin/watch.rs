//! `watch` where there is no terminal: what changes, and what keeps it from hearing of changes.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::telling::assert_has;
use crate::user::User;
use crate::world::{Plan, SOON};

/// Lines of a program that runs.
struct Lines {
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    fn of(output: impl Read + Send + 'static) -> Self {
        let (lines, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        Self { lines: receiver, seen: vec![] }
    }

    /// Waits for a line with all these parts, and returns it.
    fn until(&mut self, parts: &[&str]) -> String {
        loop {
            let line = self.lines.recv_timeout(SOON);
            let line = line.unwrap_or_else(|_| panic!("no {parts:?} in {:#?}", self.seen));
            self.seen.push(line.clone());
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
    }
}

/// Begins to watch, with what it prints and what it complains of.
fn watch(user: &User) -> (Child, Lines, Lines) {
    let mut command = user.command(&["watch"]);
    let mut watching = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let output = Lines::of(watching.stdout.take().expect("it is piped"));
    let errors = Lines::of(watching.stderr.take().expect("it is piped"));
    (watching, output, errors)
}

fn end(mut watching: Child) {
    watching.kill().expect("it is ended");
    watching.wait().expect("it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_a_line_for_each_change_where_there_is_no_terminal() {
    let world = Plan::new("plugin-watch").make().await;
    let user = User::of(&world).await;
    let (watching, mut output, errors) = watch(&user);
    let mut spec = world.spec("first");
    spec["suspend"] = json!(true);
    world.create("first", spec).await;
    // It watches, and misses nothing of the next one.
    output.until(&["/first"]);
    world.simulator.join("lobby", 101).await.expect("a user");
    world.create("lobby", world.spec("lobby")).await;
    for phase in ["Pending", "Starting", "Running", "deleted"] {
        if phase == "deleted" {
            world.delete("lobby").await;
        }
        output.until(&["/lobby", phase]);
    }
    end(watching);
    assert!(!output.seen.concat().contains('\u{1b}'), "{:#?}", output.seen);
    let complained: Vec<String> = errors.lines.iter().collect();
    assert!(complained.is_empty(), "{complained:#?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_watch_from_hearing_is_told_once_and_what_happened_meanwhile_is_told_later() {
    let world = Plan::new("plugin-deaf").make_without_operator().await;
    for name in ["lobby", "stays"] {
        world.create(name, world.spec(name)).await;
    }
    let rules = |verbs: Value| json!([{"apiGroups": ["agora-snapshot.dev"], "resources": ["snapshotjobs"], "verbs": verbs}]);
    let user = User::with(&world, "lister", rules(json!(["get", "list"]))).await;
    let (watching, mut output, mut errors) = watch(&user);
    output.until(&["/lobby  Pending"]);
    let told = errors.until(&["Not up to date since"]);
    assert_has(&told, &["you may not watch SnapshotJobs in namespace", "It is tried again by itself."]);
    // A list that works says nothing of the watch behind it.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let more: Vec<String> = errors.lines.try_iter().collect();
    assert!(more.is_empty(), "{more:#?}");

    world.delete("lobby").await;
    let roles: Api<Role> = Api::namespaced(world.client.clone(), &world.namespace);
    let patch = json!({"rules": rules(json!(["get", "list", "watch"]))});
    roles.patch("lister", &PatchParams::default(), &Patch::Merge(patch)).await.expect("a right");
    output.until(&["/lobby  deleted"]);
    errors.until(&["the list is up to date again"]);
    world.delete("stays").await;
    output.until(&["/stays  deleted"]);
    end(watching);
    world.end().await;
}
