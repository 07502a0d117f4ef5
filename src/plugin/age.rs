//! How long ago, as kubectl says it: two units at most, coarser the longer it is.

use jiff::Timestamp;

/// What stands for a time that is not known.
pub(super) const NONE: &str = "-";

/// `3s`, `5m12s`, `47m`, `3h5m`, `30h`, `2d3h`, `12d`. A time to come is `0s`: clocks differ.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(since).as_secs())
}

/// The age of a time that may be unknown.
pub(super) fn age_of(since: Option<Timestamp>, now: Timestamp) -> String {
    since.map_or_else(|| NONE.to_owned(), |since| age(since, now))
}

/// The same of a number of seconds.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: i64, unit: char, small: i64, smaller: char| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{smaller}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, 'd', hours % 24, 'h'),
        () => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_kubectls() {
        for (seconds, expected) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (312, "5m12s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (11_100, "3h5m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (183_600, "2d3h"),
            (691_200, "8d"),
            (31_536_000, "365d"),
        ] {
            assert_eq!(span(seconds), expected, "{seconds}");
        }
        let now = Timestamp::from_second(1_000).unwrap();
        assert_eq!(age(Timestamp::from_second(990).unwrap(), now), "10s");
        assert_eq!(age_of(None, now), "-");
    }
}
