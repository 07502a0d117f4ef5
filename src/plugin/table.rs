//! Tables as kubectl prints them, and text that a terminal may be shown.

/// Space between two columns.
const GAP: usize = 3;

/// Columns under headings, each as wide as its widest cell. Ends with a line end; no line has spaces at its end.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(&headings)
        .chain(rows)
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = width + GAP));
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

/// The same with every line moved to the right.
pub(super) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// Without control characters: what others wrote (the vendor, names in a bucket) must not steer the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_last_cell() {
        let rows =
            [["lobby", "Running", ""], ["hörsaal-2", "-", "3s"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(
            table(&["NAME", "PHASE", "AGE"], &rows),
            "NAME        PHASE     AGE\nlobby       Running\nhörsaal-2   -         3s\n"
        );
        assert_eq!(indented("a\nb\n"), "  a\n  b\n");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let told = table(&["NAME"], &[vec!["\u{1b}[2Jevil\r\n".into()]]);
        assert!(told.lines().all(|line| !line.contains(char::is_control)), "{told:?}");
        assert_eq!(told.lines().count(), 2, "{told:?}");
    }
}
