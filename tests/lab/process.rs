//! A process of the operator: the real controller with the real clients over the models, in a runtime of its own. When
//! the runtime is dropped all of it ends at that instant, as by SIGKILL.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use agora_snapshot_operator::agora::client::Client;
use agora_snapshot_operator::agora::notification;
use agora_snapshot_operator::agora::settings::ClientSettings;
use agora_snapshot_operator::cluster::events::{Events, Repeated};
use agora_snapshot_operator::cluster::jobs::Jobs;
use agora_snapshot_operator::cluster::leadership::Gate;
use agora_snapshot_operator::cluster::secrets::SecretReader;
use agora_snapshot_operator::controller;
use agora_snapshot_operator::lifecycle::timing::Timing;
use agora_snapshot_operator::metrics::Metrics;
use agora_snapshot_operator::probes::Health;
use agora_snapshot_operator::reconcile::chance::Chance;
use agora_snapshot_operator::reconcile::clock::Clock;
use agora_snapshot_operator::reconcile::hearsay::Hearsay;
use agora_snapshot_operator::reconcile::memories::Memories;
use agora_snapshot_operator::reconcile::neighbours::Neighbours;
use agora_snapshot_operator::reconcile::{Context, farewell};
use agora_snapshot_operator::settings::{Command, CommandLine, Settings};
use clap::Parser;
use kube::runtime::reflector::ObjectRef;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::world::{Operator, Process, World, carrier, client, connections};

/// A runtime with a clock that jumps to the next thing that is due.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime without sockets")
}

fn settings() -> Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let parse = || match CommandLine::parse_from(["agora-snapshot-operator", "run"]).command {
        Command::Run(settings) => *settings,
        _ => unreachable!("it was told to run"),
    };
    SETTINGS.get_or_init(parse).clone()
}

fn context(world: &Arc<World>, process: Process, seed: u64) -> Context {
    let (metrics, client) = (Metrics::new(false), client(world, process));
    let wall = world.clone();
    Context {
        jobs: Jobs::new(client.clone()),
        secrets: SecretReader::new(client.clone(), 1),
        events: Events::start(
            client,
            metrics.clone(),
            Some(format!("operator-{}", process.operator)),
            Repeated::Counted,
        ),
        agora: Client::new(&ClientSettings {
            endpoints: vec!["http://vendor.test".to_owned()],
            carrier: Some(carrier(world, process)),
            ..ClientSettings::default()
        })
        .expect("a client of the vendor's API"),
        neighbours: Neighbours::default(),
        hearsay: Hearsay::default(),
        memories: Memories::default(),
        clock: Clock::with_wall(Arc::new(move || wall.now())),
        chance: Chance::seeded(seed),
        timing: Timing::default(),
        metrics,
        operator_namespace: "agora-system".to_owned(),
        storage_endpoint: Some(http::Uri::from_static("http://bucket.test")),
        connections: connections(world, process),
        withdrawing: false,
        look_again: Duration::from_secs(300),
    }
}

/// kubelet kills a process that was told to end, and has not, after `terminationGracePeriodSeconds` of the chart.
const GRACE: Duration = Duration::from_secs(75);

/// Runs a process of an operator until it is killed, or has ended because it was told to. It stands still when the world
/// says so.
pub(crate) async fn run(world: Arc<World>, operator: usize) {
    let process = world.begin(operator);
    let mut program = pin!(program(world.clone(), process));
    let mut killed = pin!(world.until_operator(operator, Operator::has_ended));
    loop {
        // Who stands still is not woken by its timers: they are all late when it goes on.
        let turn = std::future::poll_fn(|task| {
            if killed.as_mut().poll(task).is_ready() {
                return Poll::Ready(None);
            }
            match world.paused(operator) {
                Some(until) => Poll::Ready(Some(until)),
                None => program.as_mut().poll(task).map(|()| None),
            }
        });
        match turn.await {
            None => break,
            Some(until) => sleep(world.until(until)).await,
        }
    }
    if !world.read(|world| world.operators[operator].has_ended()) {
        world.end(process);
    }
}

/// As `controller::run`, without sockets and signals.
async fn program(world: Arc<World>, process: Process) {
    let seed = u64::try_from(process.operator * 100 + process.number).expect("few processes");
    let context = Arc::new(context(&world, process, seed));
    let (end, ended) = watch::channel(false);
    let client = client(&world, process);
    let control =
        controller::control(settings(), client, context.clone(), Health::new(), Gate::open(), ended);
    let last_words = async {
        world.until_operator(process.operator, Operator::is_told_to_end).await;
        end.send_replace(true);
        sleep(GRACE).await;
    };
    let orderly = async {
        control.await;
        farewell::before_the_end(&context, Duration::from_secs(45)).await;
        context.events.flush(Duration::from_secs(5)).await;
    };
    tokio::select! {
        biased;
        () = orderly => {}
        () = last_words => {}
        () = hear(&world, process, &context) => {}
    }
}

/// Takes the vendor's notifications, as the receiver does with what it found to be the vendor's. What was sent before the
/// process began nobody tells it.
async fn hear(world: &World, process: Process, context: &Context) {
    let mut heard = world.read(|world| world.vendor.notifications.len());
    let mut changes = world.changes();
    loop {
        changes.mark_unchanged();
        world.gate(process).await;
        let (bodies, moves) = world.read(|world| {
            let bodies = world.vendor.notifications[heard..].to_vec();
            (bodies, world.vendor.next_wakeup().map(|at| at.saturating_sub(world.millis())))
        });
        heard += bodies.len();
        for notification in bodies.iter().filter_map(|body| notification::read(body)) {
            for job in context.neighbours.all() {
                let uid = job.metadata.uid.clone().unwrap_or_default();
                context.hearsay.hear(&uid, &ObjectRef::from_obj(&*job), &notification.tiding);
            }
        }
        let pause = Duration::from_millis(moves.unwrap_or(10_000).clamp(1, 10_000));
        tokio::select! {
            biased;
            changed = changes.changed() => changed.expect("the world lasts"),
            // The vendor moves by itself.
            () = sleep(pause) => {}
        }
    }
}
