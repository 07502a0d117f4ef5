//! What is sent to the vendor stands in the status before: a start as a claim, a stop as a session that is being stopped.
//! A process that ends in between leaves the next one something to go on with.

use crate::life::{Plan, lead};
use crate::script::WHOLE_LIFE;

#[test]
fn what_is_sent_is_stored_before() {
    let life = lead(&WHOLE_LIFE, Plan::new(&[], 3));
    assert!(life.is_well(), "{}", life.tell());
    let story = life.tell();
    let (mut starts, mut stops, mut sessions) = (0, 0, "");
    for line in story.lines() {
        if let Some((_, written)) = line.split_once(" generation ") {
            sessions = written.split_once('[').expect("a story tells the sessions of a status").1;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, _, "start", _resource_id] => {
                starts += 1;
                assert!(sessions.contains("Claimed"), "{line}, while the status says [{sessions}:\n{story}");
            }
            [_, _, "stop", _resource_id, sid] => {
                stops += 1;
                let stored = format!("Stopping {sid}");
                assert!(sessions.contains(&stored), "{line}, while the status says [{sessions}:\n{story}");
            }
            _ => {}
        }
    }
    assert!(
        starts >= 3 && stops >= 3,
        "a life has a session, its successor and one after the suspension:\n{story}"
    );
    println!("stored before it is sent: {starts} starts and {stops} stops of a whole life");
}
