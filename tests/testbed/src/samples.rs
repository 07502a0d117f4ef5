//! What the operator counts, read from the text of its `/metrics`.

/// The values of a metric's series that have all these labels, as they stand in the text. Only whole numbers: a family
/// without a label value yet has no series, and its answer is empty.
///
/// `metric` is the full name of the sample, `_total` included; a metric without labels has no series here.
pub fn samples(metrics: &str, metric: &str, labels: &[(&str, &str)]) -> Vec<u64> {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let has = |series: &str, label: &String| {
        series.match_indices(label.as_str()).any(|(at, _)| series[..at].ends_with(['{', ',']))
    };
    let of_metric = metrics.lines().filter_map(|line| line.strip_prefix(metric)?.rsplit_once(' '));
    let of_series = of_metric.filter(|(series, _)| series.starts_with('{'));
    let wanted = of_series.filter(|(series, _)| labels.iter().all(|label| has(series, label)));
    wanted.filter_map(|(_, value)| value.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::samples;

    #[test]
    fn series_are_told_apart_by_name_and_labels() {
        let text = "# TYPE seen counter\n\
                    seen_total{type=\"1\",result=\"accepted\"} 3\n\
                    seen_total{type=\"2\",result=\"accepted\"} 4\n\
                    seen_total{type=\"1\",result=\"forged\",subtype=\"2\"} 5\n\
                    seen_total_more{type=\"1\"} 6\n\
                    seen_total 7\n\
                    seen_total{type=\"3\"} 0.5\n";
        assert_eq!(samples(text, "seen_total", &[]), [3, 4, 5]);
        assert_eq!(samples(text, "seen_total", &[("result", "accepted")]), [3, 4]);
        assert_eq!(samples(text, "seen_total", &[("result", "accepted"), ("type", "2")]), [4]);
        assert_eq!(samples(text, "seen", &[]), Vec::<u64>::new());
    }
}
