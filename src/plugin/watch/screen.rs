//! What `watch` draws in a terminal: never more than it has room for, so that its beginning is always seen.

use std::io::stdout;
use std::os::fd::AsFd as _;
use std::process::Stdio;

use jiff::Timestamp;
use tokio::process::Command;

use super::in_a_line;
use super::known::Known;
use crate::plugin::ls::as_table;

/// Lines that a trouble may take.
const TROUBLE: usize = 3;

/// Room in a terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Size {
    /// Of a terminal that does not tell.
    pub(super) const USUAL: Self = Self { rows: 24, columns: 80 };

    /// What `stty size` prints. Some terminals say that they have no room at all.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse);
        let (rows, columns) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        (rows > 0 && columns > 0).then_some(Self { rows, columns })
    }
}

/// The size of the terminal that is standard output. std cannot tell; `stty` is wherever a terminal is.
pub(super) async fn size() -> Size {
    let Ok(terminal) = stdout().as_fd().try_clone_to_owned() else { return Size::USUAL };
    let mut stty = Command::new("stty");
    stty.arg("size").stdin(Stdio::from(terminal)).stderr(Stdio::null());
    let told = stty.output().await.ok().filter(|output| output.status.success());
    told.and_then(|output| Size::parse(&String::from_utf8_lossy(&output.stdout))).unwrap_or(Size::USUAL)
}

/// The table, cut to the size: its headings and first jobs, how many more there are, what is wrong, and the time.
pub(super) fn lines(known: &Known, all: bool, size: Size, now: Timestamp) -> Vec<String> {
    let jobs = known.jobs();
    let trouble = known.trouble().map(|trouble| wrapped(&in_a_line(trouble), size.columns));
    let trouble = trouble.unwrap_or_default();
    let table = as_table(&jobs, all, now);
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    // The time and the line above it, which is empty or says how many more there are.
    let room = size.rows.saturating_sub(trouble.len() + 2);
    let between = if lines.len() > room {
        // Of a very small terminal the rest is not seen.
        lines.truncate(room.max(2));
        let more = (1 + jobs.len()).saturating_sub(lines.len());
        let all = if all { " -A" } else { "" };
        format!("and {more} more; `kubectl snapshotjob ls{all}` shows all")
    } else {
        String::new()
    };
    lines.push(between);
    lines.extend(trouble);
    lines.push(format!("{now:.0}, Ctrl-C ends"));
    lines.truncate(size.rows);
    lines.iter().map(|line| line.chars().take(size.columns).collect()).collect()
}

/// Over what was drawn before. Each line is cleared before it is written: behind a full one the cursor still stands on its
/// last character.
pub(super) fn frame(lines: &[String], size: Size) -> String {
    let cleared: Vec<String> = lines.iter().map(|line| format!("\u{1b}[K{line}")).collect();
    let rest = if lines.len() < size.rows { "\r\n\u{1b}[J" } else { "" };
    format!("\u{1b}[H{}{rest}", cleared.join("\r\n"))
}

/// In lines of this width, as many as a trouble may take.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines.truncate(TROUBLE);
    lines
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;

    use super::super::known::tests::job;
    use super::*;

    fn known(jobs: usize, trouble: Option<&str>) -> Known {
        let mut known = Known::default();
        for at in 0..jobs {
            known.note(Event::Apply(job(&format!("job-{at:03}"), 7)), Timestamp::UNIX_EPOCH);
        }
        if let Some(words) = trouble {
            known.fail(words.to_owned(), Timestamp::UNIX_EPOCH);
        }
        known
    }

    #[test]
    fn a_screen_shows_the_headings_and_the_first_jobs_whatever_its_size() {
        let more = |n: usize| format!("and {n} more; `kubectl snapshotjob ls` shows all");
        let why = "Not up to date since 1970-01-01T00:00:00Z: could not ask. It is tried again by itself.";
        let end = "1970-01-01T00:00:00Z, Ctrl-C ends";
        // How many jobs, how many rows; how many of the jobs are seen, and the lines below.
        for (jobs, trouble, rows, seen, below) in [
            (0, false, 24, 0, vec![String::new(), end.into()]),
            (3, false, 24, 3, vec![String::new(), end.into()]),
            (3, true, 24, 3, vec![String::new(), why.into(), end.into()]),
            (21, false, 24, 21, vec![String::new(), end.into()]),
            (22, false, 24, 21, vec![more(1), end.into()]),
            (21, true, 24, 20, vec![more(1), why.into(), end.into()]),
            (500, true, 24, 20, vec![more(480), why.into(), end.into()]),
            (500, false, 4, 1, vec![more(499), end.into()]),
            (500, true, 4, 1, vec![more(499), why.into()]),
            (500, false, 3, 1, vec![more(499)]),
            (500, false, 1, 0, vec![]),
        ] {
            let known = known(jobs, trouble.then_some("could not ask"));
            let lines = lines(&known, false, Size { rows, columns: 120 }, Timestamp::UNIX_EPOCH);
            let case = format!("{jobs} jobs, {trouble}, {rows} rows: {lines:#?}");
            assert!(lines.len() <= rows && lines[0].starts_with("NAME  "), "{case}");
            let names: Vec<&str> = lines.iter().filter_map(|line| line.get(..7)).collect();
            let expected: Vec<String> = (0..seen).map(|at| format!("job-{at:03}")).collect();
            assert_eq!(names.iter().filter(|name| name.starts_with("job-")).count(), seen, "{case}");
            assert!(seen == 0 || names[1..=seen] == expected, "{case}");
            assert_eq!(lines[1 + seen..], below, "{case}");
        }
    }

    #[test]
    fn lines_are_as_long_as_the_terminal_is_wide_and_a_trouble_is_told_in_more_of_them() {
        let trouble = "could not watch SnapshotJobs in namespace live: \u{1b}[2J hörsaal";
        let known = known(2, Some(trouble));
        let size = Size { rows: 9, columns: 40 };
        let lines = lines(&known, true, size, Timestamp::UNIX_EPOCH);
        assert!(lines.iter().all(|line| line.chars().count() <= 40), "{lines:#?}");
        assert_eq!(lines[0].chars().count(), 40, "{lines:#?}");
        assert_eq!(
            lines[4..],
            [
                "Not up to date since",
                "1970-01-01T00:00:00Z: could not watch",
                "SnapshotJobs in namespace live: \u{fffd}[2J",
                "1970-01-01T00:00:00Z, Ctrl-C ends",
            ]
        );
        let drawn = frame(&lines, size);
        assert!(drawn.starts_with("\u{1b}[H\u{1b}[KNAMESPACE"), "{drawn:?}");
        assert!(drawn.ends_with("Ctrl-C ends\r\n\u{1b}[J"), "{drawn:?}");
        let full = frame(&lines, Size { rows: lines.len(), columns: 40 });
        assert!(full.ends_with("Ctrl-C ends"), "a full screen must not scroll: {full:?}");
    }

    #[test]
    fn a_terminal_may_not_know_its_size() {
        for (text, expected) in [
            ("50 132\n", Some(Size { rows: 50, columns: 132 })),
            ("0 0\n", None),
            ("", None),
            ("stty: not a terminal", None),
        ] {
            assert_eq!(Size::parse(text), expected, "{text:?}");
        }
    }
}
