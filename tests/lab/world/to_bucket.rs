//! The operator's way to buckets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use agora_snapshot_operator::snapshots::Connections;
use object_store::client::{HttpError, HttpRequest, HttpResponse, HttpService};

use super::World;

/// What a request takes.
const TAKES: Duration = Duration::from_millis(20);

/// The way of an operator.
struct Way {
    world: Arc<World>,
    operator: usize,
}

/// Connections for an operator.
pub(crate) fn connections(world: &Arc<World>, operator: usize) -> Connections {
    Connections::over(Way { world: world.clone(), operator })
}

impl fmt::Debug for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Way").field("operator", &self.operator).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl HttpService for Way {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.world.ask(self.operator, TAKES, |world| world.buckets.list(request.uri())).await;
        Ok(answer.map(Into::into))
    }
}
