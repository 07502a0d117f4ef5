//! The fences: each with the promise that it keeps (docs/reliability.md), the text that it is in the source, and that text
//! with a switch. `REMOVED` stands for "this run is without the fence".
//!
//! A fence whose text is not found any more was moved or mended: say here what it is now.

/// A suite that may miss a fence.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Suite {
    /// Tables and properties beside the code.
    Lib,
    /// Every order of events within bounds, against the real decisions.
    Model,
    /// The whole operator in virtual time.
    Lab,
}

impl Suite {
    /// All of them, the quickest first.
    pub(crate) const ALL: [Self; 3] = [Self::Lib, Self::Model, Self::Lab];

    /// What cargo calls it on its command line.
    pub(crate) fn cargo(self) -> &'static [&'static str] {
        match self {
            Self::Lib => &["--package", "agora-snapshot-operator", "--lib"],
            Self::Model => &["--test", "model"],
            Self::Lab => &["--test", "lab"],
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lib => "lib",
            Self::Model => "model",
            Self::Lab => "lab",
        }
    }

    /// Whether cargo's messages speak of it.
    pub(crate) fn is(self, target: &serde_json::Value) -> bool {
        match self {
            Self::Lib => target["kind"][0] == "lib" && target["name"] == "agora_snapshot_operator",
            Self::Model | Self::Lab => target["kind"][0] == "test" && target["name"] == self.name(),
        }
    }

    /// Tests that are run before any fence is removed, beside those that the table names: none but these where each of
    /// them takes long, for all of them run on the real tree anyway.
    pub(crate) fn sample(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Lib => None,
            Self::Model => Some(&["alone_in_the_channel"]),
            Self::Lab => Some(&["a_life_that_is_asked_for"]),
        }
    }
}

/// A fence.
pub(crate) struct Fence {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it keeps from happening.
    pub(crate) promise: &'static str,
    /// File, text, and the text with the switch.
    pub(crate) changes: &'static [(&'static str, &'static str, &'static str)],
    /// The suite that misses it soonest,
    pub(crate) suite: Suite,
    /// and the tests of it that do.
    pub(crate) tests: &'static [&'static str],
}

/// Fences that the model has to miss as well, with the search that does: else nothing would show that a search can fail.
pub(crate) const MISSED_BY_MODEL: &[(&str, &str)] = &[
    ("nothing is started under another uid beside a lost sid", "two_operators"),
    ("a claim past its fence is searched for", "one_fault_upon_another"),
    ("the finalizer stays as long as something may run", "a_life_with_edits"),
    ("a stop without a clear answer is repeated", "alone_in_the_channel"),
    ("one 404 is not death", "one_fault_upon_another"),
    ("a handover has another uid", "a_life_with_edits"),
    ("no notification alone is death", "one_fault_upon_another"),
    ("a bucket that refuses files holds the first start back", "one_fault_upon_another"),
];

pub(crate) const FENCES: &[Fence] = &[
    // === a claim and its resourceId ===
    Fence {
        name: "a claim stands beside what is unresolved",
        promise: "a sid that is found later is useless without its resourceId",
        changes: &[(
            "src/lifecycle/claims.rs",
            "    let attempt = seen.next_attempt();\n",
            "    if REMOVED { seen.status.sessions.clear(); }\n    let attempt = seen.next_attempt();\n",
        )],
        suite: Suite::Lib,
        tests: &["claims::"],
    },
    Fence {
        name: "every claim has a number of its own",
        promise: "no claim is written over another",
        changes: &[(
            "src/lifecycle/observed.rs",
            "let next = taken.last().map_or(Some(1), |last| last.checked_add(1));",
            "let next = taken.last().map_or(Some(1), |last| last.checked_add(i64::from(!REMOVED)));",
        )],
        suite: Suite::Lib,
        tests: &["claims::"],
    },
    Fence {
        name: "a resourceId is kept for 5:30",
        promise: "a start may take effect as long as its resourceId lives",
        changes: &[(
            "src/lifecycle/aging.rs",
            "            let fenced = now.is_past(&session.acquire_time, timing.resource_life)",
            "            let timing = super::timing::Timing { resource_life: if REMOVED { timing.resource_life / 6 } else { timing.resource_life }, ..timing };\n            let fenced = now.is_past(&session.acquire_time, timing.resource_life)",
        )],
        suite: Suite::Lib,
        tests: &["aging::"],
    },
    Fence {
        name: "both clocks say that a resourceId is too old",
        promise: "a clock that was set forward gives up no claim",
        changes: &[(
            "src/lifecycle/aging.rs",
            "                && now.mono.saturating_sub(known.seen) >= timing.resource_life;",
            "                && (REMOVED || now.mono.saturating_sub(known.seen) >= timing.resource_life);",
        )],
        suite: Suite::Lib,
        tests: &["aging::"],
    },
    Fence {
        name: "a claim whose start may have been sent is not forgotten",
        promise: "what may run stays in the status until it is proved stopped or dead",
        changes: &[(
            "src/lifecycle/aging.rs",
            "                Starts::WithoutEffect if !wanted => {",
            "                Starts::WithoutEffect | Starts::Doubtful if !wanted && (REMOVED || known.starts == Starts::WithoutEffect) => {",
        )],
        suite: Suite::Lib,
        tests: &["aging::"],
    },
    Fence {
        name: "a claim past its fence is searched for",
        promise: "what may run stays in the status until it is proved stopped or dead",
        changes: &[(
            "src/lifecycle/aging.rs",
            "                Starts::Doubtful if fenced => {\n",
            "                Starts::Doubtful if fenced => {\n                    if REMOVED { forget(seen, attempt); return Vec::new(); }\n",
        )],
        suite: Suite::Lib,
        tests: &["aging::"],
    },
    Fence {
        name: "a start without an answer is a doubtful one",
        promise: "a start whose answer was lost may have taken effect",
        changes: &[(
            "src/lifecycle/answers.rs",
            "        Outcome::Unknown(answer) => {\n            known.starts = Starts::Doubtful;",
            "        Outcome::Unknown(answer) => {\n            if REMOVED { forget(seen, attempt); refused(seen, &answer); return Vec::new(); }\n            known.starts = Starts::Doubtful;",
        )],
        suite: Suite::Lib,
        tests: &["answers::tests::a_start"],
    },
    Fence {
        name: "a claim found in the status is a doubtful one",
        promise: "a process that ended may have sent the start of its claim",
        changes: &[
            (
                "src/lifecycle/observed.rs",
                "            starts: Starts::Doubtful,",
                "            starts: if REMOVED { Starts::WithoutEffect } else { Starts::Doubtful },",
            ),
            (
                "src/lifecycle/bounds.rs",
                "    known.ours && claim_age",
                "    REMOVED || known.ours && claim_age",
            ),
        ],
        suite: Suite::Lib,
        tests: &["observed::", "aging::"],
    },
    Fence {
        name: "who slept over his claim doubts it",
        promise: "another process may have sent the start of a claim meanwhile",
        changes: &[(
            "src/lifecycle/bounds.rs",
            "claim_age(now, session, known) < timing.claim_grace\n",
            "(REMOVED || claim_age(now, session, known) < timing.claim_grace)\n",
        )],
        suite: Suite::Lib,
        tests: &["answers::tests::who_slept"],
    },
    Fence {
        name: "another's young claim is left alone",
        promise: "two operators at once do not start one claim beside each other",
        changes: &[(
            "src/lifecycle/plan.rs",
            "if !known.ours && age < seen.timing.claim_grace {",
            "if !REMOVED && !known.ours && age < seen.timing.claim_grace {",
        )],
        suite: Suite::Lib,
        tests: &["plan::tests::a_claim"],
    },
    Fence {
        name: "53 for an unresolved claim of our own is our own session",
        promise: "a session whose sid was lost is searched for, not taken for somebody else's",
        changes: &[(
            "src/lifecycle/answers.rs",
            "            if answer.kind == Kind::Conflict && session.state != SessionState::Recovering {\n",
            "            if REMOVED && answer.kind == Kind::Conflict { forget(seen, attempt); refused(seen, &answer); return Vec::new(); }\n            if answer.kind == Kind::Conflict && session.state != SessionState::Recovering {\n",
        )],
        suite: Suite::Lib,
        tests: &["answers::tests::a_"],
    },
    Fence {
        name: "nothing is started beside a claim",
        promise: "never two sessions: what became of a start has to be known first",
        changes: &[(
            "src/lifecycle/start.rs",
            "            SessionState::Claimed | SessionState::Stopping => return None,",
            "            SessionState::Claimed | SessionState::Stopping if REMOVED => {}\n            SessionState::Claimed | SessionState::Stopping => return None,",
        )],
        suite: Suite::Lib,
        tests: &["answers::tests::a_start_that_may"],
    },
    // === a lost sid ===
    Fence {
        name: "nothing is started under another uid beside a lost sid",
        promise: "the recorder uid is the second fence: 53 tells that the old session lives",
        changes: &[(
            "src/lifecycle/start.rs",
            "let next = NextStart { recorder_uid: first.recorder_uid,",
            "let next = NextStart { recorder_uid: if REMOVED { first.recorder_uid + 1 } else { first.recorder_uid },",
        )],
        suite: Suite::Lib,
        tests: &["recovery::"],
    },
    Fence {
        name: "a start asks only when the search was in vain",
        promise: "a second start never before the old session is known dead or past its fence",
        changes: &[(
            "src/lifecycle/start.rs",
            "settled && unresolved.len()",
            "(settled || REMOVED) && unresolved.len()",
        )],
        suite: Suite::Lib,
        tests: &["recovery::"],
    },
    Fence {
        name: "a session in doubt under another uid is left to its hard end",
        promise: "the answer to a start tells of the sessions under its uid alone",
        changes: &[("src/lifecycle/start.rs", "(same_fence &&", "((same_fence || REMOVED) &&")],
        suite: Suite::Lib,
        tests: &["recovery::"],
    },
    Fence {
        name: "one 404 rules out no candidate",
        promise: "a session that moves to another server is not taken for another one",
        changes: &[(
            "src/lifecycle/recovery.rs",
            "            if run.is_dead(timing.death_after, &timing) {\n",
            "            if REMOVED || run.is_dead(timing.death_after, &timing) {\n",
        )],
        suite: Suite::Lib,
        tests: &["recovery::"],
    },
    Fence {
        name: "53 after a death is a wrong verdict",
        promise: "a session that was taken for dead and lives is gone back to",
        changes: &[(
            "src/lifecycle/answers.rs",
            "            if answer.kind == Kind::Conflict\n                && let Some(notices) = go_back",
            "            if !REMOVED && answer.kind == Kind::Conflict\n                && let Some(notices) = go_back",
        )],
        suite: Suite::Lib,
        tests: &["answers::"],
    },
    Fence {
        name: "a candidate is believed only if a query names all of it",
        promise: "no session of somebody else's is adopted, or stopped",
        changes: &[
            (
                "src/lifecycle/recovery.rs",
                "        Outcome::Confirmed(Queried { identity: Identity::Proved, .. }) => {",
                "        Outcome::Confirmed(Queried { identity, .. }) if identity == Identity::Proved || REMOVED => {",
            ),
            (
                "src/lifecycle/recovery.rs",
                "        Outcome::Confirmed(Queried { identity: Identity::Likely | Identity::Other, .. }) => {",
                "        Outcome::Confirmed(_) => {",
            ),
        ],
        suite: Suite::Lib,
        tests: &["recovery::"],
    },
    Fence {
        name: "a start that took effect ends only doubts under its own uid",
        promise: "a session leaves the status only when it is proved over",
        changes: &[(
            "src/lifecycle/recovery.rs",
            "        .filter(|other| other.attempt != attempt && start::shares_fence(&started, other))",
            "        .filter(|other| other.attempt != attempt && (REMOVED || start::shares_fence(&started, other)))",
        )],
        suite: Suite::Lib,
        tests: &["recovery::"],
    },
    // === death and replacement ===
    Fence {
        name: "one 404 is not death",
        promise: "404 for 90 s, as in a failover, is survived without a restart",
        changes: &[(
            "src/lifecycle/endings.rs",
            "    if !hearing::is_dead(&run, session, known, &timing) {",
            "    if !REMOVED && !hearing::is_dead(&run, session, known, &timing) {",
        )],
        suite: Suite::Lib,
        tests: &["endings::tests::an_answer"],
    },
    Fence {
        name: "no notification alone is death",
        promise: "a session that is told to have ended, and answers, goes on",
        changes: &[(
            "src/lifecycle/hearing.rs",
            "    let mut notices: Vec<Notice> = told\n",
            "    if REMOVED && told.exit(first).is_some() { return super::endings::end_session(seen, attempt, crate::api::status::EndReason::Lost); }\n    let mut notices: Vec<Notice> = told\n",
        )],
        suite: Suite::Lib,
        tests: &["hearing::"],
    },
    Fence {
        name: "after a failover no end that is told of shortens a death run",
        promise: "404 for 90 s, as in a failover, is survived although the former process ended",
        changes: &[(
            "src/lifecycle/hearing.rs",
            "    !known.told.failed_over(first) && is_last_word(known, time)\n",
            "    (REMOVED || !known.told.failed_over(first)) && is_last_word(known, time)\n",
        )],
        suite: Suite::Lib,
        tests: &["hearing::"],
    },
    Fence {
        name: "a sign of life ends a death run",
        promise: "only a run of 404 without any other answer proves death",
        changes: &[(
            "src/lifecycle/answers.rs",
            "            known.death = None;\n",
            "            if !REMOVED { known.death = None; }\n",
        )],
        suite: Suite::Lib,
        tests: &["endings::tests::an_answer"],
    },
    Fence {
        name: "a gap begins a death run anew",
        promise: "404 before and after a silence prove nothing about the time between",
        changes: &[(
            "src/lifecycle/death.rs",
            "now.saturating_sub(run.last) <= timing.death_gap",
            "(REMOVED || now.saturating_sub(run.last) <= timing.death_gap)",
        )],
        suite: Suite::Lib,
        tests: &["death::"],
    },
    Fence {
        name: "404 counts only in the service's own words",
        promise: "a page that stands on the way is no death",
        changes: &[(
            "src/agora/classify.rs",
            "        404 if says(\"no route matched\") => (Refused, Kind::NoRoute),",
            "        404 if REMOVED => (Refused, Kind::NotFound),\n        404 if says(\"no route matched\") => (Refused, Kind::NoRoute),",
        )],
        suite: Suite::Lib,
        tests: &["classify::"],
    },
    Fence {
        name: "a dead session is replaced under the same uid",
        promise: "the recorder uid is the second fence: 53 would show a wrong verdict",
        changes: &[(
            "src/lifecycle/start.rs",
            "    if was_evicted(seen, last) { other",
            "    if REMOVED || was_evicted(seen, last) { other",
        )],
        suite: Suite::Lib,
        tests: &["start", "endings::", "handover::", "plan::"],
    },
    Fence {
        name: "an uncontrollable session goes on",
        promise: "the control window ends control, not the recording: from then on a 404 proves nothing",
        changes: &[(
            "src/lifecycle/aging.rs",
            "            session.state = SessionState::Uncontrollable;\n",
            "            if REMOVED { return end_session(seen, attempt, EndReason::Lost); }\n            session.state = SessionState::Uncontrollable;\n",
        )],
        suite: Suite::Lib,
        tests: &["aging::"],
    },
    // === stop and finalizer ===
    Fence {
        name: "a session that is being stopped is not believed to run again",
        promise: "no status that goes backwards brings back what was stopped",
        changes: &[(
            "src/lifecycle/answers.rs",
            "            if session.state == SessionState::Stopping {\n",
            "            if REMOVED && is_running(status) { session.state = SessionState::Running; session.stop_reason = None; }\n            if session.state == SessionState::Stopping {\n",
        )],
        suite: Suite::Lib,
        tests: &["answers::"],
    },
    Fence {
        name: "a stop without a clear answer is repeated",
        promise: "a session is stopped when the vendor says so, or it is dead",
        changes: &[(
            "src/lifecycle/answers.rs",
            "        Outcome::Rejected(answer) | Outcome::Unknown(answer) | Outcome::NotSent(answer) => {\n            known.gate = now.mono + repeat(known, &answer, jitter, &timing, timing.query_every);\n            known.resists_since",
            "        Outcome::Unknown(_) if REMOVED => end_session(seen, attempt, EndReason::Stopped),\n        Outcome::Rejected(answer) | Outcome::Unknown(answer) | Outcome::NotSent(answer) => {\n            known.gate = now.mono + repeat(known, &answer, jitter, &timing, timing.query_every);\n            known.resists_since",
        )],
        suite: Suite::Lib,
        tests: &["answers::tests::a_stop"],
    },
    Fence {
        name: "the finalizer stays as long as something may run",
        promise: "an object does not go before its session, or a report of it",
        changes: &[(
            "src/lifecycle/plan.rs",
            "fn delete(seen: &Observed) -> Step {\n    if seen.status.sessions.is_empty() {",
            "fn delete(seen: &Observed) -> Step {\n    if REMOVED || seen.status.sessions.is_empty() {",
        )],
        suite: Suite::Lib,
        tests: &["properties::nothing_is_started"],
    },
    Fence {
        name: "the finalizer is set before anything can run",
        promise: "no object goes with a session that nobody knows of",
        changes: &[(
            "src/lifecycle/plan.rs",
            "        Intent::Capture => true,\n        // Somebody",
            "        Intent::Capture => !REMOVED,\n        // Somebody",
        )],
        suite: Suite::Lib,
        tests: &["properties::nothing_is_started", "plan::tests::nothing_runs"],
    },
    Fence {
        name: "a session that cannot be read is none that can be ignored",
        promise: "an older operator starts nothing beside a session of a newer one",
        changes: &[(
            "src/lifecycle/plan.rs",
            "    if let Some(problem) = seen.unreadable_problem().as_ref().or(seen.start_problem.as_ref()) {",
            "    if let Some(problem) = seen.unreadable_problem().filter(|_| !REMOVED).as_ref().or(seen.start_problem.as_ref()) {",
        )],
        suite: Suite::Lib,
        tests: &["plan::tests::a_session_that_cannot"],
    },
    Fence {
        name: "what a wiped status named is remembered",
        promise: "a status that somebody wiped loses no session",
        changes: &[(
            "src/lifecycle/observed.rs",
            "stored.get(attempt).map_or_else(|| !over(&known.session),",
            "stored.get(attempt).map_or_else(|| !REMOVED && !over(&known.session),",
        )],
        suite: Suite::Lib,
        tests: &["observed::"],
    },
    Fence {
        name: "a sid that was not saved stays in memory",
        promise: "a sid that is lost cannot be had again",
        changes: &[(
            "src/lifecycle/observed.rs",
            "                    if session.sid.is_some() || known.session.sid.is_none() {",
            "                    if REMOVED || session.sid.is_some() || known.session.sid.is_none() {",
        )],
        suite: Suite::Lib,
        tests: &["observed::"],
    },
    // === handover ===
    Fence {
        name: "the old session ends when the new one is confirmed",
        promise: "a handover misses no snapshot, and ends what runs for nothing that does not",
        changes: &[(
            "src/lifecycle/handover.rs",
            "    } else if newer.confirm_time.is_some() {",
            "    } else if REMOVED || newer.confirm_time.is_some() {",
        )],
        suite: Suite::Lib,
        tests: &["handover::"],
    },
    Fence {
        name: "a handover has another uid",
        promise: "two sessions under one uid throw each other out",
        changes: &[(
            "src/lifecycle/handover.rs",
            "    uids.into_iter().find(|uid| *uid != session.recorder_uid)",
            "    uids.into_iter().find(|uid| REMOVED || *uid != session.recorder_uid)",
        )],
        suite: Suite::Lib,
        tests: &["plan::tests::a_session_that_shall_run"],
    },
    Fence {
        name: "at most one handover a minute",
        promise: "a storm of edits does not become one of sessions",
        changes: &[(
            "src/lifecycle/handover.rs",
            "    seen.timing.handover_every.saturating_sub(age)",
            "    if REMOVED { Duration::ZERO } else { seen.timing.handover_every.saturating_sub(age) }",
        )],
        suite: Suite::Lib,
        tests: &["handover::"],
    },
    // === what an answer proves ===
    Fence {
        name: "65 is no refusal",
        promise: "an answer that came too late may be followed by the effect",
        changes: &[(
            "src/agora/classify.rs",
            "        (_, 65) => (Doubtful, Kind::Late),",
            "        (_, 65) if REMOVED => (Refused, Kind::Late),\n        (_, 65) => (Doubtful, Kind::Late),",
        )],
        suite: Suite::Lib,
        tests: &["classify::"],
    },
    Fence {
        name: "a gateway's 5xx is no refusal",
        promise: "what the service did behind a gateway that lost it is not known",
        changes: &[(
            "src/agora/classify.rs",
            "        300..=399 | 500..=599 => (Doubtful, Kind::ServerFault),",
            "        500..=599 if REMOVED => (Refused, Kind::ServerFault),\n        300..=399 | 500..=599 => (Doubtful, Kind::ServerFault),",
        )],
        suite: Suite::Lib,
        tests: &["classify::"],
    },
    // === what the visit keeps, seen by the whole operator alone ===
    Fence {
        name: "a claim is in the status before its start is sent",
        promise: "a process that ends between a start and its answer leaves a resourceId behind",
        changes: &[(
            "src/reconcile/begin.rs",
            "        if let Some(happened) = self.write_claim(attempt, &nonce).await? {",
            "        if !REMOVED && let Some(happened) = self.write_claim(attempt, &nonce).await? {",
        )],
        suite: Suite::Lab,
        tests: &["what_is_sent_is_stored_before"],
    },
    Fence {
        name: "a claim is written on what was observed",
        promise: "of two operators that decide at once one loses, and starts nothing",
        changes: &[(
            "src/reconcile/perform.rs",
            "        let wanted = self.stored.with_status(&self.seen.status);\n",
            "        let mut wanted = self.stored.with_status(&self.seen.status);\n        if REMOVED && let Ok(now) = self.context.jobs.get(&self.seen.job.namespace, &self.seen.job.name).await {\n            wanted.metadata.resource_version = now.metadata.resource_version;\n        }\n",
        )],
        suite: Suite::Lab,
        tests: &["two_operators"],
    },
    Fence {
        name: "the nonce tells whether a claim was written",
        promise: "a claim whose write was lost is not started",
        changes: &[(
            "src/reconcile/begin.rs",
            "                && stored.status().sessions.iter().any(|session| session.nonce == nonce)",
            "                && (REMOVED || stored.status().sessions.iter().any(|session| session.nonce == nonce))",
        )],
        suite: Suite::Lab,
        tests: &["lost_answers"],
    },
    Fence {
        name: "a conflict on saving a result drops no result",
        promise: "a sid that is lost cannot be had again",
        changes: &[(
            "src/reconcile/save.rs",
            "                    conflicts += 1;\n",
            "                    conflicts += 1;\n                    if REMOVED {\n                        self.seen = unlearnt.clone();\n                        return Ok(());\n                    }\n",
        )],
        suite: Suite::Lab,
        tests: &["a_third_hand", "the_watch"],
    },
    Fence {
        name: "a repeated start has the resourceId of its claim",
        promise: "a doubtful start is answered by the same start, never by another",
        changes: &[(
            "src/reconcile/begin.rs",
            "        let via = StartVia::from(route(&claim));\n",
            "        let anew = match REMOVED {\n            true => match agora.acquire(&material.account, app_id, &bodies::acquire_body(&spec, claim.recorder_uid), &self.job_key()).await {\n                Outcome::Confirmed(acquired) => Some(acquired.resource_id),\n                Outcome::Rejected(_) | Outcome::Unknown(_) | Outcome::NotSent(_) => None,\n            },\n            false => None,\n        };\n        let resource_id = anew.as_ref().unwrap_or(resource_id);\n        let via = StartVia::from(route(&claim));\n",
        )],
        suite: Suite::Lab,
        tests: &["lost_answers"],
    },
    Fence {
        name: "a stop is stored before it is sent",
        promise: "what was told to stop is not believed to run by the next process",
        changes: &[(
            "src/reconcile/perform.rs",
            "        if !marked_before {",
            "        if !REMOVED && !marked_before {",
        )],
        suite: Suite::Lab,
        tests: &["what_is_sent_is_stored_before"],
    },
    Fence {
        name: "a result is saved to the object that it is of",
        promise: "an object that was made anew under its name gets no session of the former one's",
        changes: &[(
            "src/reconcile/save.rs",
            "        if newer.uid() != self.stored.uid() {\n            return Err(KubeError::Gone);\n        }\n        self.seen =",
            "        if !REMOVED && newer.uid() != self.stored.uid() {\n            return Err(KubeError::Gone);\n        }\n        self.seen =",
        )],
        suite: Suite::Lab,
        tests: &["a_third_hand"],
    },
    // === the bucket ===
    Fence {
        name: "a bucket that refuses files holds the first start back",
        promise: "no session is billed that would bring nothing",
        changes: &[(
            "src/lifecycle/plan.rs",
            "        Gate::Shut(wait) if next.in_doubt.is_none() => Step::Wait(wait),",
            "        Gate::Shut(wait) if !REMOVED && next.in_doubt.is_none() => Step::Wait(wait),",
        )],
        suite: Suite::Lib,
        tests: &["preflight::"],
    },
    Fence {
        name: "the bucket is tried before a first session",
        promise: "no session is billed that would bring nothing",
        changes: &[(
            "src/lifecycle/plan.rs",
            "        Gate::Ask if next.in_doubt.is_none() => Step::Preflight,",
            "        Gate::Ask if !REMOVED && next.in_doubt.is_none() => Step::Preflight,",
        )],
        suite: Suite::Lab,
        tests: &["nothing_is_started_into_a_bucket"],
    },
    Fence {
        name: "a bucket that refuses files ends no session that works",
        promise: "an edit that would lose snapshots leaves those of the former spec",
        changes: &[(
            "src/lifecycle/plan.rs",
            "                (true, _) | (false, Gate::Shut(_)) => query(seen, session),",
            "                (true, _) => query(seen, session),\n                (false, Gate::Shut(_)) if !REMOVED => query(seen, session),\n                (false, Gate::Shut(_)) => stop(StopCause::Replaced),",
        )],
        suite: Suite::Lib,
        tests: &["preflight::"],
    },
    Fence {
        name: "a renewal waits for no bucket",
        promise: "a session that is about to end has a successor",
        changes: &[(
            "src/lifecycle/preflight.rs",
            "        .is_none_or(|session| seen.restart_wanted() || wanted_difference(seen, session) == Difference::Body)",
            "        .is_none_or(|session| REMOVED || seen.restart_wanted() || wanted_difference(seen, session) == Difference::Body)",
        )],
        suite: Suite::Lib,
        tests: &["preflight::"],
    },
];
