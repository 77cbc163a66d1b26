//! A report as one page of HTML: no scripts, nothing from elsewhere, and whatever people wrote is text.

use super::content::Block;
use super::drawing;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --good: #2e7d32; --open: #b26a00; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; } h3 { font-size: 1rem; margin-bottom: 0; }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: .5rem 0; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; } tr { border-bottom: 1px solid var(--line); }
svg { width: 100%; height: auto; font-size: 11px; } svg text { fill: currentColor; dominant-baseline: middle; }
svg .name { text-anchor: end; } svg .tick { text-anchor: middle; } svg .axis, svg .zero { stroke: var(--line); }
svg .margin { stroke: var(--open); stroke-dasharray: 4 3; }
svg line.good, svg line.bad, svg line.open { stroke-width: 3; }
svg .good { stroke: var(--good); fill: var(--good); } svg .bad { stroke: var(--bad); fill: var(--bad); }
svg .open { stroke: var(--open); fill: var(--open); } svg .curve { fill: none; stroke: currentColor; opacity: .7; }
";

/// What the page may do: be shown.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

pub(super) fn write(title: &str, blocks: &[Block]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                @for block in blocks { (shown(block)) }
            }
        }
    };
    page.into_string()
}

fn shown(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Title(text) => { h1 { (text) } }
            Block::Chapter(text) => { h2 { (text) } }
            Block::Section(text) => { h3 { (text) } }
            Block::Text(text) => { p { (text) } }
            Block::Items(items) => { ul { @for item in items { li { (item) } } } }
            Block::Table { header, rows } => {
                table {
                    @if header.iter().any(|cell| !cell.is_empty()) {
                        tr { @for cell in header { th { (cell) } } }
                    }
                    @for row in rows { tr { @for cell in row { td { (cell) } } } }
                }
            }
            Block::Drawing(drawing) => { (drawing::draw(drawing)) }
        }
    }
}
