//! The operator's way to the vendor: carries requests to the simulator.

use std::sync::Arc;
use std::time::Duration;

use agora_simulator::answer::Answer;
use agora_simulator::service::{Reply, Ticket};
use agora_snapshot_operator::agora::carrier::{Carrier, Inbound, Outbound};
use agora_snapshot_operator::agora::transport::Fault;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::time::{sleep, timeout};

use super::vendor::Call;
use super::{Inner, Loss, World};

/// What a request takes.
const TAKES: Duration = Duration::from_millis(60);

/// The way of an operator.
struct Way {
    world: Arc<World>,
    operator: usize,
}

/// A way for an operator.
pub(crate) fn carrier(world: &Arc<World>, operator: usize) -> Arc<dyn Carrier> {
    Arc::new(Way { world: world.clone(), operator })
}

impl Carrier for Way {
    fn carry(&self, outbound: Outbound) -> BoxFuture<'_, Result<Inbound, Fault>> {
        let limit = outbound.limit;
        async move {
            match timeout(limit, self.world.to_vendor(self.operator, outbound)).await {
                Ok(Ok((answer, date))) => Ok(inbound(&answer, date)),
                Ok(Err(Loss::Refused)) => Err(Fault::Unreachable("connection refused".to_owned())),
                Ok(Err(Loss::Broken)) => Err(Fault::Lost { http: None }),
                Err(_elapsed) => Err(Fault::TimedOut { limit, http: None }),
            }
        }
        .boxed()
    }
}

impl World {
    async fn to_vendor(&self, operator: usize, outbound: Outbound) -> Result<(Answer, Timestamp), Loss> {
        let limit = outbound.limit;
        let call = call(outbound);
        let what = what(&call.path);
        let act = move |world: &mut Inner| {
            let now = world.millis();
            let reply = world.vendor.call(now, &call, &mut world.buckets);
            world.witness.called(&call.path);
            match &reply {
                Reply::Now(answer) => world.tell(format!("    {}", words(answer))),
                Reply::Held(_) => {}
            }
            reply
        };
        let answer = match self.affect(operator, what, (TAKES, limit), act).await? {
            Reply::Now(answer) => answer,
            Reply::Held(ticket) => self.held(ticket).await,
        };
        // Nothing comes back to a process that has ended or stands still.
        self.gate(operator).await;
        Ok((answer, self.now()))
    }

    async fn held(&self, ticket: Ticket) -> Answer {
        loop {
            let next = self.read(|world| {
                let answer = world.vendor.take(ticket);
                answer.ok_or_else(|| {
                    world.vendor.next_wakeup().unwrap_or_default().saturating_sub(world.millis())
                })
            });
            match next {
                Ok(answer) => {
                    // What became of the session is a change that the witness has to see.
                    self.with(|world| world.tell(format!("    held: {}", words(&answer))));
                    return answer;
                }
                Err(wait) => sleep(Duration::from_millis(wait.max(1))).await,
            }
        }
    }
}

fn call(outbound: Outbound) -> Call {
    let text = |name: HeaderName| {
        outbound.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    Call {
        authorization: text(AUTHORIZATION),
        content_type: text(CONTENT_TYPE),
        method: outbound.method.to_string(),
        path: outbound.url.path().to_owned(),
        body: outbound.body,
    }
}

/// The call as the story names it: its verb, and whose it is.
fn what(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let after = |name: &str| {
        let at = parts.iter().position(|part| *part == name)?;
        parts.get(at + 1).map(|id| &id[..id.len().min(6)])
    };
    let verb = parts.last().copied().unwrap_or_default();
    format!("{verb} {} {}", after("resourceid").unwrap_or_default(), after("sid").unwrap_or_default())
}

fn words(answer: &Answer) -> String {
    let code = answer.code().map(|code| format!("/{code}")).unwrap_or_default();
    let sid = answer.body["sid"].as_str().unwrap_or_default();
    let status = &answer.body["serverResponse"]["status"];
    let status = status.as_i64().map(|status| format!(" status {status}")).unwrap_or_default();
    format!("{}{code} {}{status}", answer.status, &sid[..sid.len().min(6)])
}

fn inbound(answer: &Answer, date: Timestamp) -> Inbound {
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&date).expect("a date of this century");
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        (DATE, HeaderValue::try_from(date).expect("a date")),
    ]);
    Inbound { http: answer.status, headers, body: Some(answer.body.to_string().into_bytes()) }
}
