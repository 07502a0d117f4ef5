//! The acquire call: gives out resource ids [API §2]. Bills nothing and starts nothing.

use serde_json::{Value, json};

use super::{Outcome, Reply, Resource, Service};
use crate::answer::Answer;
use crate::clock::{HOUR, Millis};
use crate::settings::name;
use crate::validate;

/// Characters of a resource id; about 200 to 340 were seen [API §2].
const RESOURCE_ID_LENGTH: usize = 270;

impl Service {
    /// Answers an acquire.
    pub fn acquire(&mut self, now: Millis, app_id: &str, body: &Value) -> Outcome {
        self.advance_to(now);
        let answer = self.acquire_answer(now, app_id, body);
        self.outcome(Reply::Now(answer))
    }

    fn acquire_answer(&mut self, now: Millis, app_id: &str, body: &Value) -> Answer {
        let request = match validate::acquire(body, &mut self.notes) {
            Ok(request) => request,
            Err(refusal) => return Answer::service(400, 2, &refusal.0),
        };
        if !validate::channel_name_is_valid(&request.cname) {
            let code = if self.settings.is(name::INVALID_CHANNEL_NAME, "401") { 401 } else { 1013 };
            return Answer::service(400, code, "invalid_channel_name");
        }
        if self.live_sessions(app_id) as u64 >= self.settings.number(name::CONCURRENCY_QUOTA) {
            return Answer::service(400, 406, "vendor_over_load");
        }
        let resource_id = self.random.url_safe(RESOURCE_ID_LENGTH);
        let answer = json!({
            "cname": request.cname, "uid": request.uid.to_string(), "resourceId": resource_id,
        });
        self.resources.insert(
            resource_id,
            Resource {
                app_id: app_id.to_owned(),
                cname: request.cname,
                uid: request.uid,
                acquired_at: now,
                control_window: request.resource_expired_hour * HOUR,
                start_parameter: request.start_parameter,
                sid: None,
            },
        );
        Answer::ok(answer)
    }
}
