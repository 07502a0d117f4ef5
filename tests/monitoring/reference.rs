//! docs/metrics.md as data: which metrics there are, with which labels and values. The document is held to the running
//! operator by `tests/system/binary.rs` and to the code by the tests of `src/metrics`, so it can stand for them here.

use std::collections::BTreeMap;

/// A metric of the reference.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) kind: String,
    /// Labels with the values they may have; none where the reference names none.
    pub(crate) labels: BTreeMap<String, Vec<String>>,
}

/// By name.
pub(crate) fn metrics() -> BTreeMap<String, Metric> {
    let document = include_str!("../../docs/metrics.md");
    let mut metrics: BTreeMap<String, Metric> = document.lines().filter_map(row).collect();
    let process = document.lines().filter(|line| line.starts_with("`process_"));
    for name in process.flat_map(|line| line.split('`')).filter(|part| part.starts_with("process_")) {
        metrics.insert(name.into(), Metric { kind: "gauge".into(), labels: BTreeMap::new() });
    }
    metrics
}

/// `| name | kind | labels | meaning |`
fn row(line: &str) -> Option<(String, Metric)> {
    let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
    let name = cells.next()?.trim_end_matches('`').to_owned();
    let kind = cells.next()?.to_owned();
    let labels = regex::Regex::new(r"([a-z_]+)(?: \(([^)]*)\))?").expect("a pattern");
    let labels = labels.captures_iter(cells.next()?).map(|found| {
        let values = found.get(2).map_or("", |values| values.as_str());
        let values = values.split(", ").filter(|value| !value.is_empty()).map(str::to_owned).collect();
        (found[1].to_owned(), values)
    });
    Some((name, Metric { kind, labels: labels.collect() }))
}

#[test]
fn the_reference_is_read_as_it_is_meant() {
    let metrics = metrics();
    assert!(metrics.len() > 25, "{:?}", metrics.keys());
    let starts = &metrics["agora_snapshot_sessions_started_total"];
    assert_eq!(starts.kind, "counter");
    assert_eq!(starts.labels["result"], ["started", "already_started", "rejected", "unknown", "not_sent"]);
    let requests = &metrics["agora_snapshot_api_requests_total"].labels;
    assert_eq!(
        requests.keys().map(String::as_str).collect::<Vec<_>>(),
        ["code", "domain", "vendor_code", "verb"]
    );
    assert!(metrics["agora_snapshot_files_total"].labels.is_empty());
    assert!(metrics.contains_key("process_start_time_seconds"));
}
