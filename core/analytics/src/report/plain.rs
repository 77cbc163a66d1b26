//! A report as plain text with aligned columns, for a terminal.

use super::content::Block;
use std::fmt::Write as _;

/// Text on one line, and nothing in it that a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

pub(super) fn write(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        // Writing into a text cannot fail.
        let _ = match block {
            Block::Title(title) | Block::Chapter(title) => {
                writeln!(text, "{}\n", plain(title).to_uppercase())
            }
            Block::Section(name) => writeln!(text, "{}", plain(name)),
            Block::Text(line) => writeln!(text, "{}\n", plain(line)),
            Block::Items(items) => {
                for item in items {
                    let _ = writeln!(text, "  - {}", plain(item));
                }
                writeln!(text)
            }
            Block::Table { header, rows } => writeln!(text, "{}", table(header, rows)),
            Block::Drawing(_) => Ok(()),
        };
    }
    let ended = text.trim_end().len();
    text.truncate(ended);
    text.push('\n');
    text
}

fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|name| name.to_uppercase()).collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| plain(cell)).collect())
        .collect();
    let all = || std::iter::once(&header).chain(&rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(line, "  {cell:<width$}", width = width(column));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_is_obeyed() {
        let blocks = [
            Block::Chapter("Units".to_owned()),
            Block::table(
                &["arm", "units"],
                vec![
                    vec!["größer".to_owned(), "1".to_owned()],
                    vec!["\u{1b}[31m".to_owned(), "22".to_owned()],
                ],
            ),
        ];
        assert_eq!(
            write(&blocks),
            "UNITS\n\n  ARM     UNITS\n  größer  1\n   [31m   22\n"
        );
    }
}
