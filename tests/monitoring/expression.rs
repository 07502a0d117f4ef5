//! What a PromQL expression names: metrics, labels and values, and that all of them exist. Whether it is PromQL at all
//! is promtool's to say.

use agora_snapshot_operator::api::Reason;
use regex::Regex;

use crate::reference::{Metric, metrics};

/// Labels that a scrape adds.
const OF_TARGETS: [&str; 4] = ["namespace", "job", "pod", "instance"];

const KEYWORDS: [&str; 11] =
    ["or", "and", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"];

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern")
}

/// What is wrong with the names in it, if anything.
pub(crate) fn problems(expression: &str) -> Vec<String> {
    let known = metrics();
    let named = named(expression);
    let mut problems = vec![];
    if named.is_empty() {
        problems.push("no metric is named".into());
    }
    let mut labels: Vec<&str> = OF_TARGETS.into();
    for name in &named {
        match find(&known, name) {
            Some(metric) => labels.extend(metric.labels.keys().map(String::as_str)),
            None => problems.push(format!("{name} is not in docs/metrics.md")),
        }
        if name.ends_with("_bucket") {
            labels.push("le");
        }
    }
    for group in pattern(r"\b(?:by|on)\s*\(([^)]*)\)").captures_iter(expression) {
        for label in group[1].split(',').map(str::trim).filter(|label| !labels.contains(label)) {
            problems.push(format!("no metric in it has the label {label}"));
        }
    }
    for selector in pattern(r"([A-Za-z_:]+)\{([^}]*)\}").captures_iter(expression) {
        let Some(metric) = find(&known, &selector[1]) else { continue };
        for matcher in matchers(&selector[2]) {
            problems.extend(mismatch(&selector[1], metric, &matcher));
        }
    }
    problems
}

/// A label, and the values that are asked for.
pub(crate) fn matchers(text: &str) -> Vec<(String, Vec<String>)> {
    pattern(r#"([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)""#)
        .captures_iter(text)
        .map(|found| (found[1].to_owned(), found[2].split('|').map(str::to_owned).collect()))
        .collect()
}

fn mismatch(name: &str, metric: &Metric, (label, values): &(String, Vec<String>)) -> Vec<String> {
    if OF_TARGETS.contains(&label.as_str()) {
        return vec![];
    }
    let Some(known) = metric.labels.get(label) else { return vec![format!("{name} has no label {label}")] };
    let is_known = |value: &String| match (name, label.as_str()) {
        ("agora_snapshot_jobs_by_reason", "reason") => Reason::parse(value).is_some(),
        _ => known.is_empty() || known.contains(value),
    };
    let strange = values.iter().filter(|value| !is_known(value));
    strange.map(|value| format!("{label} of {name} is never {value:?}")).collect()
}

fn find<'a>(known: &'a std::collections::BTreeMap<String, Metric>, name: &str) -> Option<&'a Metric> {
    let series = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let histogram = series.and_then(|name| known.get(name)).filter(|metric| metric.kind == "histogram");
    histogram.or_else(|| known.get(name).filter(|metric| metric.kind != "histogram"))
}

/// Names of metrics: every name that is no function, keyword, label, value or duration.
fn named(expression: &str) -> Vec<String> {
    let mut bare = expression.to_owned();
    for noise in [
        r#""[^"]*""#,
        r"\{[^}]*\}",
        r"\[[^\]]*\]",
        r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)",
    ] {
        bare = pattern(noise).replace_all(&bare, " ").into_owned();
    }
    pattern(r"([A-Za-z_:][A-Za-z0-9_:]*)(\s*\()?")
        .captures_iter(&bare)
        .filter(|found| found.get(2).is_none() && !KEYWORDS.contains(&&found[1]))
        .map(|found| found[1].to_owned())
        .collect()
}

#[test]
fn names_that_are_not_there_are_found() {
    let good = r#"sum by (job, le) (rate(agora_snapshot_poll_lateness_seconds_bucket{job="x"}[5m])) > 0
        or agora_snapshot_jobs{phase=~"Queued|Running"} and max(agora_snapshot_jobs_by_reason{reason="Capturing"})"#;
    assert_eq!(problems(good), Vec::<String>::new());
    for (bad, problem) in [
        ("up == 0", "up is not in docs/metrics.md"),
        ("vector(1)", "no metric is named"),
        ("agora_snapshot_poll_lateness_seconds > 1", "agora_snapshot_poll_lateness_seconds is not"),
        ("agora_snapshot_jobs_bucket", "agora_snapshot_jobs_bucket is not"),
        (r#"agora_snapshot_jobs{phase="Queue"}"#, "phase of agora_snapshot_jobs is never \"Queue\""),
        (r#"agora_snapshot_jobs{fase="Queued"}"#, "agora_snapshot_jobs has no label fase"),
        (r#"agora_snapshot_jobs_by_reason{reason=~"Capturing|Capture"}"#, "never \"Capture\""),
        ("sum by (pod, cluster) (agora_snapshot_jobs)", "no metric in it has the label cluster"),
    ] {
        let found = problems(bad);
        assert!(found.iter().any(|one| one.contains(problem)), "{bad}: {found:?}");
    }
}
