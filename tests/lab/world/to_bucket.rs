//! The operator's way to buckets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use agora_snapshot_operator::snapshots::Connections;
use object_store::client::{HttpError, HttpRequest, HttpResponse, HttpService};

use super::{Process, World};

/// What a request takes.
const TAKES: Duration = Duration::from_millis(20);

/// The way of a process.
struct Way {
    world: Arc<World>,
    process: Process,
}

/// Connections for a process.
pub(crate) fn connections(world: &Arc<World>, process: Process) -> Connections {
    Connections::over(Way { world: world.clone(), process })
}

impl fmt::Debug for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Way").field("process", &self.process).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl HttpService for Way {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.world.ask(self.process, TAKES, |world| world.buckets.list(request.uri())).await;
        Ok(answer.map(Into::into))
    }
}
