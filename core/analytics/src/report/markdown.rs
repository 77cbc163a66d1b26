//! A report as Markdown: tables, for a ticket or a repository. Drawings are left to the page of HTML.

use super::content::Block;
use std::fmt::{Display, Formatter, Result, Write as _};

/// Text as text: nothing in it is markup, and a table's cell stays one.
struct Plain<'t>(&'t str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => write!(f, "\\{letter}")?,
                letter if letter.is_control() => f.write_char(' ')?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// A page in the making. Writing into a text cannot fail.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: impl Display) {
        let _ = writeln!(self.0, "{text}");
    }

    fn add(&mut self, block: &Block) {
        match block {
            Block::Title(text) => self.line(format_args!("# {}\n", Plain(text))),
            Block::Chapter(text) => self.line(format_args!("## {}\n", Plain(text))),
            Block::Section(text) => self.line(format_args!("### {}\n", Plain(text))),
            Block::Text(text) => self.line(format_args!("{}\n", Plain(text))),
            Block::Items(items) => {
                for item in items {
                    self.line(format_args!("- {}", Plain(item)));
                }
                self.line("");
            }
            Block::Table { header, rows } => {
                self.line(format_args!("| {} |", header.join(" | ")));
                self.line(format_args!("|{}", "---|".repeat(header.len())));
                for row in rows {
                    let cells = row.iter().map(|cell| Plain(cell).to_string());
                    self.line(format_args!("| {} |", cells.collect::<Vec<_>>().join(" | ")));
                }
                self.line("");
            }
            Block::Drawing(_) => {}
        }
    }
}

pub(super) fn write(blocks: &[Block]) -> String {
    let mut page = Page::default();
    for block in blocks {
        page.add(block);
    }
    page.0
}
