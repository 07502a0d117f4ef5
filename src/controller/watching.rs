//! Watching SnapshotJobs in one scope, a namespace or all of them, and visiting each when it changes or is due.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::controller::{Action, Config, Controller, Error};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::{Semaphore, watch};

use super::first_lists::FirstLists;
use super::secret_watch;
use crate::cluster::leadership::Gate;
use crate::cluster::stored::StoredJob;
use crate::metrics::ReconcileResult;
use crate::probes::Health;
use crate::reconcile::{Context, Next, farewell, visit};
use crate::settings::Settings;

/// What the controller of one scope has done or met.
pub(super) type Turn = Result<(ObjectRef<StoredJob>, Action), Error<Infallible, watcher::Error>>;

/// What all scopes share.
pub(super) struct Watching {
    context: Arc<Context>,
    health: Health,
    ended: watch::Receiver<bool>,
    streaming_lists: bool,
    concurrency: u16,
    /// Shut while another replica leads: then nothing is visited.
    gate: Gate,
    /// kube's own limit is per scope; this one is for all.
    places: Arc<Semaphore>,
    first_lists: FirstLists,
}

impl Watching {
    /// For so many scopes.
    pub(super) fn new(
        settings: &Settings,
        context: Arc<Context>,
        health: Health,
        ended: watch::Receiver<bool>,
        scopes: usize,
    ) -> Self {
        Self {
            context,
            first_lists: FirstLists::new(health.clone(), scopes),
            health,
            ended,
            streaming_lists: settings.streaming_lists,
            concurrency: settings.max_concurrent_reconciles,
            gate: Gate::open(),
            places: Arc::new(Semaphore::new(usize::from(settings.max_concurrent_reconciles))),
        }
    }

    /// Visits only while this is open, and every job as soon as it is.
    pub(super) fn behind(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    /// Visits the jobs of a scope until told to end, then finishes the visits under way. A change of one of `secrets`,
    /// where they are given, brings a visit to the jobs that refer to it.
    pub(super) fn turns(
        &self,
        scope: Api<StoredJob>,
        secrets: Option<Api<PartialObjectMeta<Secret>>>,
    ) -> BoxStream<'static, Turn> {
        let (store, writer) = reflector::store();
        let told = self.context.hearsay.wakes(scope.namespace());
        self.context.neighbours.add(store.clone());
        let listed = Arc::new(AtomicBool::new(false));
        let config = watcher::Config::default();
        let config = if self.streaming_lists { config.streaming_lists() } else { config };
        let notice = self.notice(scope.namespace(), listed.clone());
        let jobs = watcher(scope, config)
            .default_backoff()
            // Nobody here reads them, and they are the larger part of many objects.
            .modify(|job| job.metadata.managed_fields = None)
            .inspect(notice)
            .reflect(writer)
            .inspect(self.reflected())
            .applied_objects();
        let ended = self.ended();
        let woken = match secrets {
            Some(secrets) => secret_watch::wakes(secrets, store.clone(), self.context.clone()).boxed(),
            None => stream::empty().boxed(),
        };
        Controller::for_stream(jobs, store)
            .reconcile_all_on(stream::once(self.gate.clone().opened()))
            .reconcile_on(woken)
            .reconcile_on(told)
            .with_config(Config::default().concurrency(self.concurrency))
            .graceful_shutdown_on(ended)
            .run(self.visits(), |_, error, _| match *error {}, self.context.clone())
            .take_until(self.ended_unlisted(listed))
            .boxed()
    }

    /// What the watch itself tells: when the first list is complete, which objects are gone, what went wrong.
    fn notice(
        &self,
        namespace: Option<&str>,
        listed: Arc<AtomicBool>,
    ) -> impl FnMut(&watcher::Result<Event<StoredJob>>) + use<> {
        let (context, mut first_list) = (self.context.clone(), self.first_lists.of(namespace));
        move |event| match event {
            Ok(Event::InitDone) => {
                listed.store(true, Ordering::Release);
                first_list.listed();
            }
            Ok(Event::Delete(job)) => farewell::to_gone(&context, &job.uid().unwrap_or_default()),
            Ok(Event::Init | Event::InitApply(_) | Event::Apply(_)) => {}
            Err(error) => first_list.failed(error),
        }
    }

    /// The cache has what the watch has just told.
    fn reflected(&self) -> impl FnMut(&watcher::Result<Event<StoredJob>>) + use<> {
        let context = self.context.clone();
        move |event| match event {
            Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => context.neighbours.changed(),
            // The cache takes a list when it is whole.
            Ok(Event::Init | Event::InitApply(_)) | Err(_) => {}
        }
    }

    fn visits(&self) -> impl FnMut(Arc<StoredJob>, Arc<Context>) -> Visiting + use<> {
        let (health, places, gate) = (self.health.clone(), self.places.clone(), self.gate.clone());
        move |job, context| {
            let (health, places, gate) = (health.clone(), places.clone(), gate.clone());
            Box::pin(async move {
                let _place = places.acquire().await;
                if !gate.is_open() {
                    // All are visited when it opens.
                    return Ok(Action::await_change());
                }
                let _visit = health.visit();
                Ok(turn(&job, &context).await)
            })
        }
    }

    fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut ended = self.ended.clone();
        // An error says that whoever could end it is gone, which is an end too.
        async move { drop(ended.wait_for(|ended| *ended).await) }
    }

    /// kube ends a controller only after its first list, which may never come; nothing is visited before it.
    fn ended_unlisted(&self, listed: Arc<AtomicBool>) -> impl Future<Output = ()> + use<> {
        let ended = self.ended();
        async move {
            ended.await;
            if listed.load(Ordering::Acquire) {
                std::future::pending::<()>().await;
            }
        }
    }
}

type Visiting = std::pin::Pin<Box<dyn Future<Output = Result<Action, Infallible>> + Send>>;

/// One visit, measured.
async fn turn(job: &StoredJob, context: &Arc<Context>) -> Action {
    let uid = job.uid();
    farewell::to_former(context, &job.namespace().unwrap_or_default(), &job.name_any(), uid.as_deref());
    let measured = context.metrics.reconcile_started();
    let next = visit(context, job.clone()).await;
    measured.finish(match next {
        Next::Never => ReconcileResult::Success,
        Next::Visit(Duration::ZERO) => ReconcileResult::Requeue,
        Next::Visit(_) => ReconcileResult::RequeueAfter,
        Next::AfterFailure(_) => ReconcileResult::Error,
    });
    match next {
        Next::Never => Action::await_change(),
        Next::Visit(wait) | Next::AfterFailure(wait) => Action::requeue(wait),
    }
}
