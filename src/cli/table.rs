//! Making a table narrow enough for a terminal. Must not be used for anything that a program reads.

use std::cmp::Reverse;

/// Between two columns.
const GAP: usize = 2;

/// Which columns give way first: what is for reading, then what is a word, then what is copied.
fn rank(column: &str) -> u8 {
    match column {
        "id" => 2,
        "state" | "reason" | "network" | "due" | "paused" => 1,
        _ => 0,
    }
}

/// What a column keeps at least, if it had as much.
fn least(column: &str) -> usize {
    if column == "id" { 13 } else { 8 }
}

/// Shortens cells until all rows (their heads are the first) fit into `width`; whether any was.
/// Times lose their seconds first, then the widest column gives way.
pub(super) fn fit(rows: &mut [Vec<String>], columns: &[&str], width: usize) -> bool {
    let widths = |rows: &[Vec<String>]| -> Vec<usize> {
        let widest = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
        (0..columns.len()).map(widest).collect()
    };
    let gaps = GAP * columns.len().saturating_sub(1);
    let fits = |widths: &[usize]| widths.iter().sum::<usize>() + gaps <= width;
    if fits(&widths(rows)) {
        return false;
    }
    for cell in rows.iter_mut().flatten() {
        if let Some((minute, _)) = cell.split_at_checked(16).filter(|_| is_instant(cell)) {
            *cell = format!("{minute}Z");
        }
    }
    let mut wanted = widths(rows);
    while !fits(&wanted) {
        let spare = |(i, _): &(usize, &usize)| wanted[*i] > least(columns[*i]);
        let gives = |(i, width): &(usize, &usize)| (Reverse(rank(columns[*i])), **width);
        let Some((i, _)) = wanted.iter().enumerate().filter(spare).max_by_key(gives) else { break };
        wanted[i] -= 1;
    }
    for row in rows {
        for (cell, width) in row.iter_mut().zip(&wanted) {
            shorten(cell, *width);
        }
    }
    true
}

/// As the API writes them: `2026-12-01T08:00:00.000Z`.
fn is_instant(cell: &str) -> bool {
    cell.len() == 24 && cell.ends_with('Z') && cell.as_bytes().get(10) == Some(&b'T')
}

/// The last characters of an id differ most, and the first of everything else say most.
fn shorten(cell: &mut String, width: usize) {
    let length = cell.chars().count();
    if length <= width {
        return;
    }
    let is_id = length == 36 && cell.matches('-').count() == 4;
    let (head, tail) = if is_id { (4, width.saturating_sub(5)) } else { (width - 1, 0) };
    let end: String = cell.chars().skip(length - tail).collect();
    *cell = format!("{}\u{2026}{end}", cell.chars().take(head).collect::<String>());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(cells: &[&[&str]]) -> Vec<Vec<String>> {
        cells.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn what_fits_stays_and_what_does_not_gives_way_from_the_widest() {
        let columns = ["id", "state", "due", "url"];
        let id = "01a20525-f6a2-7e8f-9071-7d74e07cf1e2";
        let due = "2026-12-01T08:00:00.000Z";
        let table =
            rows(&[&["ID", "STATE", "DUE", "URL"], &[id, "published", due, &"x".repeat(90)]]);
        let mut wide = table.clone();
        assert!(!fit(&mut wide, &columns, 200));
        assert_eq!(wide, table);
        let line = |row: &Vec<String>| row.iter().map(|c| c.chars().count()).sum::<usize>() + 6;
        let mut narrow = table.clone();
        assert!(fit(&mut narrow, &columns, 80));
        assert_eq!(narrow[1][..3], [id, "published", "2026-12-01T08:00Z"]);
        assert_eq!(line(&narrow[1]), 80);
        let mut tiny = table;
        assert!(fit(&mut tiny, &columns, 43));
        assert!(tiny[1][0].starts_with("01a2\u{2026}") && tiny[1][0].ends_with("07cf1e2"));
        assert_eq!(line(&tiny[1]), 43);
    }
}
