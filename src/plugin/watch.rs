//! `watch`: the list of `ls`, kept up to date: drawn anew in a terminal, a line for each change elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};

use super::cluster::Cluster;
use super::ls::{as_table, condition, phase, print};
use super::problem::PluginError;
use super::table::plain;
use crate::api::SnapshotJob;
use crate::api::conditions::ConditionType;

/// Ages grow by themselves.
const REDRAW: Duration = Duration::from_secs(1);

/// A screen of its own, without cursor and line wrap; and back.
const BEGIN: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l";
const END: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

/// Goes on until Ctrl-C, or until nobody reads any more.
pub(super) async fn run(cluster: &Cluster, all: bool, selector: Option<&str>) -> Result<(), PluginError> {
    // A watch goes on after every error; a list says what is wrong from the start.
    cluster.jobs(all, selector).await?;
    let jobs: Api<SnapshotJob> = match all {
        true => Api::all(cluster.client.clone()),
        false => Api::namespaced(cluster.client.clone(), &cluster.namespace),
    };
    let config =
        watcher::Config { label_selector: selector.map(str::to_owned), ..watcher::Config::default() };
    let mut events = watcher(jobs, config).default_backoff().boxed();
    let screen = std::io::stdout().is_terminal();
    let mut known = BTreeMap::new();
    let mut tick = tokio::time::interval(REDRAW);
    if screen {
        print(BEGIN)?;
    }
    let ended = loop {
        let drawn = tokio::select! {
            interrupted = tokio::signal::ctrl_c() => {
                break interrupted.map_err(PluginError::file("Ctrl-C"));
            }
            event = events.next() => match event {
                Some(Ok(event)) => note(&mut known, event, !screen),
                // It lists again by itself.
                Some(Err(_)) => Ok(()),
                None => break Ok(()),
            },
            _ = tick.tick() => Ok(()),
        };
        let drawn = drawn.and_then(|()| if screen { draw(&known, all) } else { Ok(()) });
        if drawn.is_err() {
            break drawn;
        }
    };
    if screen {
        print(END)?;
    }
    ended
}

type Known = BTreeMap<(String, String), SnapshotJob>;

/// Keeps what an event tells; with `tell`, a line says what has changed.
fn note(known: &mut Known, event: watcher::Event<SnapshotJob>, tell: bool) -> Result<(), PluginError> {
    let place = |job: &SnapshotJob| (job.namespace().unwrap_or_default(), job.name_any());
    let (at, line) = match event {
        watcher::Event::Apply(job) | watcher::Event::InitApply(job) => {
            let (at, line) = (place(&job), summary(&job));
            let before = known.insert(at.clone(), job);
            (at, line.filter_new(before.as_ref()))
        }
        watcher::Event::Delete(job) => {
            let at = place(&job);
            known.remove(&at);
            (at, Some("deleted".to_owned()))
        }
        watcher::Event::Init => {
            if !tell {
                known.clear();
            }
            return Ok(());
        }
        watcher::Event::InitDone => return Ok(()),
    };
    match line.filter(|_| tell) {
        Some(line) => {
            let (namespace, name) = at;
            print(&format!("{:.0}  {namespace}/{name}  {}\n", Timestamp::now(), plain(&line)))
        }
        None => Ok(()),
    }
}

/// What a line says of a job.
struct Summary(String);

fn summary(job: &SnapshotJob) -> Summary {
    let snapshots = job.status.as_ref().and_then(|status| status.snapshots.as_ref());
    let count = snapshots.map_or(0, |snapshots| snapshots.count);
    let ready = condition(job, ConditionType::Ready).map_or("-", |ready| ready.reason.as_str());
    Summary(format!("{}  {ready}  {count} snapshots", phase(job)))
}

impl Summary {
    /// The text, unless it was the same before.
    fn filter_new(self, before: Option<&SnapshotJob>) -> Option<String> {
        let same = before.is_some_and(|before| summary(before).0 == self.0);
        (!same).then_some(self.0)
    }
}

fn draw(known: &Known, all: bool) -> Result<(), PluginError> {
    let jobs: Vec<SnapshotJob> = known.values().cloned().collect();
    let now = Timestamp::now();
    let lines: String = as_table(&jobs, all, now).lines().map(|line| format!("{line}\u{1b}[K\r\n")).collect();
    print(&format!("\u{1b}[H{lines}\u{1b}[K\r\n{now:.0}, Ctrl-C ends\u{1b}[K\u{1b}[J"))
}
