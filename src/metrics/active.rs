//! A visit while it lasts: counted among the active ones, and when it ends by its result and its length.

use prometheus_client::metrics::histogram::Histogram;

use super::Metrics;
use super::labels::{ControllerLabels, ReconcileLabels, ReconcileResult};

/// A visit that is being measured; see [`Metrics::reconcile_started`].
#[derive(Debug)]
pub struct ActiveReconcile {
    pub(super) metrics: Metrics,
    pub(super) started: tokio::time::Instant,
    pub(super) result: Option<ReconcileResult>,
}

impl ActiveReconcile {
    /// The visit ended so.
    pub fn finish(mut self, result: ReconcileResult) {
        self.result = Some(result);
    }
}

impl Drop for ActiveReconcile {
    fn drop(&mut self) {
        let (inner, labels) = (&self.metrics.0, ControllerLabels::ours());
        let result = self.result.unwrap_or(ReconcileResult::Error);
        inner.active_workers.get_or_create(&labels).dec();
        inner.reconcile_time.get_or_create(&labels).observe(self.started.elapsed().as_secs_f64());
        inner.reconciles.get_or_create(&ReconcileLabels::new(result)).inc();
        if result == ReconcileResult::Error {
            inner.reconcile_errors.get_or_create(&labels).inc();
        }
    }
}

/// controller-runtime's own buckets reach from 5 ms to 60 s; a visit with a synchronous stop may take 75 s.
pub(super) fn reconcile_time() -> Histogram {
    Histogram::new([0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0])
}
