//! The operator's way to buckets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use agora_snapshot_operator::snapshots::Connections;
use http::Method;
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};

use super::{Inner, Loss, Process, World};

/// What a request takes.
const TAKES: Duration = Duration::from_millis(20);

/// So long the operator waits for a bucket.
const PATIENCE: Duration = Duration::from_secs(10);

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
        let uri = request.uri().clone();
        if request.method() == Method::GET {
            let answer = self.world.ask(self.process, TAKES, |world| world.buckets.list(&uri)).await;
            return Ok(answer.map(Into::into));
        }
        let (method, what) = (request.method().clone(), format!("{} {}", request.method(), uri.path()));
        let write = move |world: &mut Inner| {
            let at = world.millis();
            let answer = world.buckets.write(&method, &uri, at);
            world.tell(format!("    {}", answer.status().as_u16()));
            answer
        };
        match self.world.affect(self.process, what, (TAKES, PATIENCE), write).await {
            Ok(answer) => Ok(answer.map(Into::into)),
            Err(loss @ Loss::Refused) => Err(HttpError::new(HttpErrorKind::Connect, loss)),
            Err(loss @ Loss::Broken) => Err(HttpError::new(HttpErrorKind::Interrupted, loss)),
        }
    }
}
