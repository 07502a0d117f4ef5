//! `watch`: the list of `ls`, kept up to date: drawn anew in a terminal, a line for each change elsewhere. What keeps it
//! from being up to date is told.

mod known;
mod screen;

use std::io::IsTerminal as _;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use kube::Api;
use kube::runtime::watcher::{self, watcher};
use tokio::signal::unix::{SignalKind, signal};

use super::cluster::Cluster;
use super::ls::print;
use super::problem::PluginError;
use super::table::plain;
use crate::api::SnapshotJob;
use crate::cluster::client::CallError;
use known::{Known, Trouble};
use screen::Size;

/// Ages grow by themselves.
const REDRAW: Duration = Duration::from_secs(1);

/// Between an error and the next list, doubled by each error up to the second.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Seconds after which a watch is begun anew; a connection that died without a word is noticed after as long.
const WATCH: u32 = 30;

/// The API server's code for a watch that is to begin with a list again, which it does by itself.
const GONE: u16 = 410;

/// A screen of its own, without cursor and line wrap; and back.
const BEGIN: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l";
const END: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

type Events = BoxStream<'static, watcher::Result<watcher::Event<SnapshotJob>>>;

/// Goes on until Ctrl-C, or until nobody reads any more.
pub(super) async fn run(cluster: &Cluster, all: bool, selector: Option<&str>) -> Result<(), PluginError> {
    // A watch goes on after every error; a list says what is wrong from the start.
    cluster.jobs(all, selector).await?;
    let client = cluster.impatient_client()?;
    let (jobs, what) = match all {
        true => (Api::all(client), "watch SnapshotJobs in all namespaces".to_owned()),
        false => {
            let jobs = Api::namespaced(client, &cluster.namespace);
            (jobs, format!("watch SnapshotJobs in namespace {}", cluster.namespace))
        }
    };
    let config =
        watcher::Config { label_selector: selector.map(str::to_owned), ..watcher::Config::default() }
            .timeout(WATCH);
    let is_screen = std::io::stdout().is_terminal();
    if is_screen {
        print(BEGIN)?;
    }
    let ended = follow(jobs, &config, &what, all, is_screen).await;
    if is_screen {
        print(END)?;
    }
    ended
}

async fn follow(
    jobs: Api<SnapshotJob>,
    config: &watcher::Config,
    what: &str,
    all: bool,
    is_screen: bool,
) -> Result<(), PluginError> {
    let mut events = events(&jobs, config, Duration::ZERO);
    let (mut known, mut pause) = (Known::default(), PAUSE);
    let mut resized = signal(SignalKind::window_change()).map_err(PluginError::file("SIGWINCH"))?;
    let mut size = if is_screen { screen::size().await } else { Size::USUAL };
    let mut tick = tokio::time::interval(REDRAW);
    loop {
        // A list comes in job by job; it is drawn when it is complete.
        let (mut changes, mut is_drawn) = (vec![], is_screen);
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => {
                return interrupted.map_err(PluginError::file("Ctrl-C"));
            }
            Some(()) = resized.recv(), if is_screen => size = screen::size().await,
            event = events.next() => match event {
                Some(Ok(event)) => {
                    is_drawn &= !matches!(event, watcher::Event::InitApply(_));
                    changes = known.note(event, Timestamp::now());
                }
                Some(Err(watcher::Error::WatchError(status))) if status.code == GONE => {}
                Some(Err(error)) => {
                    let trouble = known.fail(problem(what, error).to_string(), Timestamp::now());
                    if let Some(trouble) = trouble.filter(|_| !is_screen) {
                        eprintln!("{}", in_a_line(trouble));
                    }
                    // A watch that is taken up again is silent until something changes; a list tells that all is well.
                    events = self::events(&jobs, config, pause);
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
                None => return Ok(()),
            },
            _ = tick.tick() => {}
        }
        let now = Timestamp::now();
        if known.recover(now) {
            pause = PAUSE;
            if !is_screen {
                eprintln!("{now:.0}  the list is up to date again");
            }
        }
        if is_drawn {
            print(&screen::frame(&screen::lines(&known, all, size, now), size))?;
        }
        if !is_screen {
            let lines = changes.iter().map(|change| format!("{now:.0}  {}\n", plain(change)));
            print(&lines.collect::<String>())?;
        }
    }
}

/// What happens to the jobs from a list on, that is asked for after a pause.
fn events(jobs: &Api<SnapshotJob>, config: &watcher::Config, pause: Duration) -> Events {
    let (jobs, config) = (jobs.clone(), config.clone());
    stream::once(tokio::time::sleep(pause)).flat_map(move |()| watcher(jobs.clone(), config.clone())).boxed()
}

fn problem(what: &str, error: watcher::Error) -> PluginError {
    let error = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => kube::Error::Api(status),
        watcher::Error::NoResourceVersion => {
            return PluginError::Cluster { what: what.to_owned(), why: error.to_string() };
        }
    };
    PluginError::call(what, &CallError::from(error))
}

/// What is told of a trouble, wherever it is told.
fn in_a_line(trouble: &Trouble) -> String {
    plain(&format!(
        "Not up to date since {:.0}: {}. It is tried again by itself.",
        trouble.since, trouble.words
    ))
}
