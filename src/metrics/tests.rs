//! The exposition as a strict OpenMetrics parser reads it, and what each method moves.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::api::Reason;
use crate::api::status::Phase;

fn noon() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

/// Name with labels, to value; panics on what OpenMetrics forbids.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (body, end) = text.split_at(text.len() - "# EOF\n".len());
    assert_eq!(end, "# EOF\n");
    let (mut samples, mut families, mut family) =
        (BTreeMap::new(), BTreeSet::new(), (String::new(), String::new()));
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(families.insert(name.to_owned()), "{name} is declared twice");
            assert!(kind != "counter" || !name.ends_with("_total"), "{name} would become {name}_total");
            family = (name.to_owned(), kind.to_owned());
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let name = series.split('{').next().expect("a name");
            let suffix = name
                .strip_prefix(family.0.as_str())
                .unwrap_or_else(|| panic!("{line} outside of its family"));
            let allowed: &[&str] = match family.1.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info"],
                _ => &[""],
            };
            assert!(allowed.contains(&suffix), "{line} in a {}", family.1);
            assert!(
                samples.insert(series.to_owned(), value.parse().expect(line)).is_none(),
                "{series} twice"
            );
        }
    }
    samples
}

fn used() -> Metrics {
    let metrics = Metrics::with_clock(true, noon);
    metrics.max_concurrent_reconciles(16);
    metrics.reconcile_started().finish(ReconcileResult::RequeueAfter);
    drop(metrics.reconcile_started());
    metrics.kubernetes_request(&http::Method::PUT, Some(409));
    metrics.kubernetes_request(&http::Method::GET, None);
    metrics.leads("a", true);
    metrics.leads("b", true);
    metrics.leads("b", false);
    metrics.session_start(StartResult::Started);
    metrics.session_stopped(Upload::BackedUp);
    metrics.session_ended(SessionEnd::Lost);
    metrics.handover(HandoverResult::StoppedFirst);
    metrics.duplicate_prevented(Fence::RecorderUid);
    metrics.agora_request(
        AgoraVerb::Stop,
        Some(206),
        None,
        Some(435),
        "api.agora.io",
        Duration::from_millis(30),
    );
    metrics.agora_request(
        AgoraVerb::Start,
        None,
        Some(Kind::TimedOut),
        None,
        "api.agora.io",
        Duration::from_secs(20),
    );
    metrics.agora_request(
        AgoraVerb::Start,
        Some(400),
        None,
        Some(987_654_321),
        "api.agora.io",
        Duration::ZERO,
    );
    metrics.budget_wait(Duration::from_millis(200));
    metrics.start_latency(Duration::from_secs(2));
    metrics.files_arrived(7);
    for (event_type, result) in [
        (Some(45), NotificationResult::Accepted),
        (Some(45), NotificationResult::Accepted),
        (Some(4711), NotificationResult::Unmatched),
        (None, NotificationResult::Forged),
    ] {
        metrics.notification(event_type, result);
    }
    metrics.billed(Duration::from_millis(1_500));
    metrics.poll_late(Duration::from_millis(5));
    metrics.status_report(true);
    metrics.status_report(false);
    metrics.event_lost();
    metrics
}

fn view(phase: Phase, last_file: Option<&str>) -> JobView {
    let last_file = last_file.map(|time| time.parse().unwrap());
    JobView {
        namespace: "team".into(),
        name: "lobby\"1".into(),
        phase: Some(phase),
        reason: None,
        deleting_since: None,
        last_file,
        next_file_by: None,
        orphan_risks: 0,
    }
}

#[test]
fn every_method_moves_its_series() {
    let samples = parse(&used().exposition());
    for (series, value) in [
        (r#"controller_runtime_reconcile_total{controller="snapshotjob",result="requeue_after"}"#, 1.0),
        (r#"controller_runtime_reconcile_total{controller="snapshotjob",result="error"}"#, 1.0),
        (r#"controller_runtime_reconcile_errors_total{controller="snapshotjob"}"#, 1.0),
        (r#"controller_runtime_reconcile_time_seconds_count{controller="snapshotjob"}"#, 2.0),
        (r#"controller_runtime_max_concurrent_reconciles{controller="snapshotjob"}"#, 16.0),
        (r#"controller_runtime_active_workers{controller="snapshotjob"}"#, 0.0),
        (r#"rest_client_requests_total{code="409",method="PUT"}"#, 1.0),
        (r#"rest_client_requests_total{code="<error>",method="GET"}"#, 1.0),
        (r#"leader_election_master_status{name="a"}"#, 1.0),
        (r#"leader_election_master_status{name="b"}"#, 0.0),
        (r#"agora_snapshot_sessions_started_total{result="started"}"#, 1.0),
        (r#"agora_snapshot_sessions_stopped_total{upload="backed_up"}"#, 1.0),
        (r#"agora_snapshot_sessions_stopped_total{upload="uploaded"}"#, 0.0),
        (r#"agora_snapshot_sessions_ended_total{reason="Lost"}"#, 1.0),
        (r#"agora_snapshot_sessions_ended_total{reason="Idle"}"#, 0.0),
        (r#"agora_snapshot_handovers_total{result="stopped_first"}"#, 1.0),
        (r#"agora_snapshot_handovers_total{result="completed"}"#, 0.0),
        (r#"agora_snapshot_duplicate_sessions_prevented_total{fence="recorder_uid"}"#, 1.0),
        (r#"agora_snapshot_notifications_total{type="45",result="accepted"}"#, 2.0),
        (r#"agora_snapshot_notifications_total{type="other",result="unmatched"}"#, 1.0),
        (r#"agora_snapshot_notifications_total{type="",result="forged"}"#, 1.0),
        (r#"agora_snapshot_notifications_total{type="",result="refused"}"#, 0.0),
        (
            r#"agora_snapshot_api_requests_total{verb="stop",code="206",vendor_code="435",domain="api.agora.io"}"#,
            1.0,
        ),
        (
            r#"agora_snapshot_api_requests_total{verb="start",code="timed_out",vendor_code="",domain="api.agora.io"}"#,
            1.0,
        ),
        (
            r#"agora_snapshot_api_requests_total{verb="start",code="400",vendor_code="other",domain="api.agora.io"}"#,
            1.0,
        ),
        (r#"agora_snapshot_api_request_duration_seconds_count{verb="start"}"#, 2.0),
        ("agora_snapshot_api_budget_wait_seconds_count", 1.0),
        ("agora_snapshot_start_latency_seconds_sum", 2.0),
        ("agora_snapshot_files_total", 7.0),
        ("agora_snapshot_billed_seconds_total", 1.5),
        ("agora_snapshot_poll_lateness_seconds_count", 1.0),
        (r#"agora_snapshot_status_writes_total{changed="true"}"#, 1.0),
        (r#"agora_snapshot_status_writes_total{changed="false"}"#, 1.0),
        ("agora_snapshot_events_lost_total", 1.0),
        (r#"agora_snapshot_jobs{phase="Running"}"#, 0.0),
        ("agora_snapshot_orphan_risk_sessions", 0.0),
        ("agora_snapshot_oldest_deletion_age_seconds", 0.0),
        ("agora_snapshot_jobs_missing_snapshots", 0.0),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series} in {samples:#?}");
    }
}

#[test]
fn a_visit_counts_as_active_until_it_ends() {
    let metrics = Metrics::with_clock(true, noon);
    let visit = metrics.reconcile_started();
    let active = r#"controller_runtime_active_workers{controller="snapshotjob"}"#;
    assert_eq!(parse(&metrics.exposition())[active], 1.0);
    visit.finish(ReconcileResult::Success);
    assert_eq!(parse(&metrics.exposition())[active], 0.0);
}

#[test]
fn jobs_are_counted_as_they_are_now_and_ages_grow_by_themselves() {
    let metrics = Metrics::with_clock(true, noon);
    metrics.job_seen("1", view(Phase::Starting, None));
    metrics.job_seen("1", view(Phase::Running, Some("2026-07-01T11:58:30Z")));
    metrics.job_seen("2", view(Phase::Running, None));
    metrics
        .job_seen("3", JobView { phase: Some(Phase::Failed), orphan_risks: 1, ..view(Phase::Failed, None) });
    let samples = parse(&metrics.exposition());
    assert_eq!(samples[r#"agora_snapshot_jobs{phase="Running"}"#], 2.0);
    assert_eq!(samples[r#"agora_snapshot_jobs{phase="Starting"}"#], 0.0);
    assert_eq!(samples["agora_snapshot_orphan_risk_sessions"], 1.0);
    assert_eq!(samples[r#"agora_snapshot_last_file_age_seconds{namespace="team",name="lobby\"1"}"#], 90.0);

    metrics.job_gone("1");
    metrics.job_gone("3");
    metrics.orphan_left(Some("2026-07-01T11:59:59Z".parse().unwrap()));
    metrics.orphan_left(Some("2026-07-01T12:00:01Z".parse().unwrap()));
    metrics.orphan_left(None);
    let samples = parse(&metrics.exposition());
    assert_eq!(samples[r#"agora_snapshot_jobs{phase="Running"}"#], 1.0);
    assert_eq!(samples["agora_snapshot_orphan_risk_sessions"], 2.0, "one is past its hard end");
    assert!(!samples.keys().any(|series| series.starts_with("agora_snapshot_last_file_age")));
}

#[test]
fn jobs_are_counted_by_the_reason_of_ready() {
    let metrics = Metrics::with_clock(true, noon);
    assert!(!metrics.exposition().contains("jobs_by_reason"), "no job, no reason");
    let because = |reason| JobView { reason: Some(reason), ..view(Phase::Waiting, None) };
    metrics.job_seen("1", because(Reason::Unauthorized));
    metrics.job_seen("2", because(Reason::Unauthorized));
    metrics.job_seen("3", because(Reason::QuotaQueued));
    metrics.job_seen("3", because(Reason::Capturing));
    let samples = parse(&metrics.exposition());
    assert_eq!(samples[r#"agora_snapshot_jobs_by_reason{reason="Unauthorized"}"#], 2.0);
    assert_eq!(samples[r#"agora_snapshot_jobs_by_reason{reason="Capturing"}"#], 1.0);
    assert!(!samples.contains_key(r#"agora_snapshot_jobs_by_reason{reason="QuotaQueued"}"#));
}

#[test]
fn the_oldest_deletion_is_the_one_that_counts() {
    let metrics = Metrics::with_clock(true, noon);
    let age = || parse(&metrics.exposition())["agora_snapshot_oldest_deletion_age_seconds"];
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    metrics.job_deleting("1", time("2026-07-01T11:00:00Z"));
    assert_eq!(age(), 0.0, "a job that nobody has seen is none, or one that is gone would stay for ever");
    for uid in ["1", "2"] {
        metrics.job_seen(uid, view(Phase::Running, None));
    }
    metrics.job_deleting("1", time("2026-07-01T11:50:00Z"));
    let later = JobView { deleting_since: Some(time("2026-07-01T11:58:00Z")), ..view(Phase::Stopping, None) };
    metrics.job_seen("2", later);
    assert_eq!(age(), 600.0);
    metrics.job_gone("1");
    assert_eq!(age(), 120.0);
    metrics.job_gone("2");
    assert_eq!(age(), 0.0);
}

#[test]
fn snapshots_are_missing_once_they_are_overdue() {
    let metrics = Metrics::with_clock(false, noon);
    let missing = || parse(&metrics.exposition())["agora_snapshot_jobs_missing_snapshots"];
    for (uid, due) in
        [("1", "2026-07-01T11:59:59Z"), ("2", "2026-07-01T12:00:00Z"), ("3", "2026-07-01T12:00:01Z")]
    {
        let due = due.parse().unwrap();
        metrics.job_seen(uid, JobView { next_file_by: Some(due), ..view(Phase::Running, None) });
    }
    metrics.job_seen("4", view(Phase::Running, None));
    assert_eq!(missing(), 1.0, "the metric by job may be off, this one stays");
    metrics.job_gone("1");
    assert_eq!(missing(), 0.0);
}

#[test]
fn the_metric_by_job_can_be_switched_off() {
    let metrics = Metrics::with_clock(false, noon);
    metrics.job_seen("1", view(Phase::Running, Some("2026-07-01T11:58:30Z")));
    assert!(!metrics.exposition().contains("lobby"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_measured() {
    let samples = parse(&Metrics::new(true).exposition());
    assert!(samples["process_resident_memory_bytes"] > 1e6);
    assert!(samples["process_open_fds"] >= 3.0);
    assert!(samples.contains_key("process_cpu_seconds_total"));
}

#[test]
fn the_reference_names_every_metric() {
    let reference = include_str!("../../docs/metrics.md");
    let metrics = used();
    let running = view(Phase::Running, Some("2026-07-01T11:58:30Z"));
    metrics.job_seen("1", JobView { reason: Some(Reason::Capturing), ..running });
    let exposition = metrics.exposition();
    for line in exposition.lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let name = match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        };
        assert!(reference.contains(&format!("`{name}`")), "docs/metrics.md does not tell of `{name}`");
    }
    // And no other: alerts and dashboards are held to the reference.
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    for (name, _) in rows {
        let family = name.strip_suffix("_total").or_else(|| name.strip_suffix("_info")).unwrap_or(name);
        assert!(
            exposition.contains(&format!("# TYPE {family} ")),
            "docs/metrics.md tells of `{name}`, which is not there"
        );
    }
}
