//! From YAML text to a tree that remembers where everything stood.
//!
//! Built from the parser's events and not from its trees: those drop duplicate keys and the text of
//! numbers, and they recurse before anybody can count how deep.

use super::findings::Findings;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use std::collections::BTreeMap;

/// Longest policy text, in bytes. The longest real ones have a few thousand.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting; a policy needs eight.
const DEPTH_MAX: usize = 64;
/// Most nodes after aliases are followed: keeps "billion laughs" small.
const NODES_MAX: usize = 100_000;

/// A place in the text, both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    /// Where the text begins.
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

impl From<&Marker> for Place {
    fn from(marker: &Marker) -> Self {
        Self {
            line: marker.line().max(1),
            column: marker.col() + 1,
        }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
    /// How many levels hang below it.
    height: usize,
    /// How many nodes it has, itself included.
    nodes: usize,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// One value; `plain` if it was written without quotes.
    Scalar { text: String, plain: bool },
    /// Several in order.
    List(Vec<Node>),
    /// Pairs in order, duplicates included.
    Mapping(Vec<(Node, Node)>),
}

/// The one document of `text`; what is wrong with it goes to `findings`.
pub(super) fn load(text: &str, findings: &Findings) -> Option<Node> {
    if text.len() > TEXT_BYTES_MAX {
        findings.error(
            Place::START,
            "",
            format!(
                "the text has {} bytes; at most {TEXT_BYTES_MAX} are read",
                text.len()
            ),
            "a policy has some hundred lines: is this the right file?",
        );
        return None;
    }
    let mut parser = Parser::new_from_str(text);
    match Loader::default().run(&mut parser) {
        Ok(root) => Some(root),
        Err(refusal) => {
            findings.error(refusal.place, "", refusal.message, refusal.hint);
            None
        }
    }
}

/// Why a text is no tree.
struct Refusal {
    place: Place,
    message: String,
    hint: &'static str,
}

impl From<ScanError> for Refusal {
    fn from(error: ScanError) -> Self {
        // The parser has a limit of its own for what it must look ahead.
        if error.info().contains("recursion limit") {
            return too_deep(error.marker().into());
        }
        let hint = if error.info().contains("tab") {
            "indent with spaces"
        } else {
            "often a missing quote, colon or bracket, or an indentation that differs, on this line or the one above"
        };
        Self {
            place: error.marker().into(),
            message: format!("not YAML: {}", error.info()),
            hint,
        }
    }
}

/// A list or mapping that is not closed yet. The pairs of a mapping lie flat: key, value, key, value.
struct Open {
    place: Place,
    anchor: usize,
    mapping: bool,
    children: Vec<Node>,
}

#[derive(Default)]
struct Loader {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    documents: usize,
}

impl Loader {
    fn run(mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<Node, Refusal> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event?;
            self.take(event, (&span.start).into())?;
        }
        let empty = || Refusal {
            place: Place::START,
            message: "the file is empty".to_owned(),
            hint: "a policy begins with 'apiVersion: tidegate/v1', 'kind: RolloutPolicy' and 'name: ...'",
        };
        self.root.filter(|root| !root.is_null()).ok_or_else(empty)
    }

    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Refusal> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return refuse(
                        place,
                        "a second document begins here",
                        "a file holds one policy: split it",
                    );
                }
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.is_some(), place)?;
                let value = Value::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain,
                };
                self.add(Node::new(place, value), anchor)
            }
            Event::SequenceStart(anchor, tag) => self.begin(place, anchor, false, tag.is_some()),
            Event::MappingStart(anchor, tag) => self.begin(place, anchor, true, tag.is_some()),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, mapping: bool, tagged: bool) -> Result<(), Refusal> {
        refuse_tag(tagged, place)?;
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(place));
        }
        self.open.push(Open {
            place,
            anchor,
            mapping,
            children: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = if open.mapping {
            let mut pairs = Vec::with_capacity(open.children.len() / 2);
            let mut flat = open.children.into_iter();
            while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
                pairs.push((key, value));
            }
            Value::Mapping(pairs)
        } else {
            Value::List(open.children)
        };
        self.add(Node::new(open.place, value), open.anchor)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Refusal> {
        let Some(node) = self.anchors.get(&anchor) else {
            return refuse(
                place,
                "the alias refers to something that contains it",
                "write the value out",
            );
        };
        if self.open.len() + node.height > DEPTH_MAX {
            return Err(too_deep(place));
        }
        self.nodes += node.nodes;
        let node = node.clone();
        self.add(node, 0)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Refusal> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return refuse(
                node.place,
                format!("more than {NODES_MAX} values, aliases followed"),
                "is this the right file?",
            );
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
            self.nodes += node.nodes;
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }
}

fn refuse<T>(place: Place, message: impl Into<String>, hint: &'static str) -> Result<T, Refusal> {
    Err(Refusal {
        place,
        message: message.into(),
        hint,
    })
}

fn refuse_tag(tagged: bool, place: Place) -> Result<(), Refusal> {
    if tagged {
        return refuse(
            place,
            "tags have no meaning in a policy",
            "leave out the word that begins with '!'",
        );
    }
    Ok(())
}

fn too_deep(place: Place) -> Refusal {
    Refusal {
        place,
        message: format!("nested deeper than {DEPTH_MAX} levels"),
        hint: "is a bracket not closed?",
    }
}

impl Node {
    fn new(place: Place, value: Value) -> Self {
        let (height, nodes) = match &value {
            Value::Scalar { .. } => (0, 1),
            Value::List(items) => below(items.iter()),
            Value::Mapping(pairs) => below(pairs.iter().flat_map(|(key, value)| [key, value])),
        };
        Self {
            place,
            value,
            height,
            nodes,
        }
    }

    /// Whether nothing was written, or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Where the byte at `offset` of a scalar stands in `source`; the scalar's beginning if quoting,
    /// escapes or folding hide it.
    pub(super) fn place_of(&self, source: &str, offset: usize) -> Place {
        self.find(source, offset).unwrap_or(self.place)
    }

    fn find(&self, source: &str, offset: usize) -> Option<Place> {
        let Value::Scalar { text, .. } = &self.value else {
            return None;
        };
        let before = text.get(..offset)?;
        let row = before.matches('\n').count();
        let in_row = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1);
        let wanted = text.lines().nth(row)?;
        // The text of a block scalar begins on the line after its `|`.
        [0, 1].into_iter().find_map(|skipped| {
            let line = self.place.line + row + skipped;
            let source_line = source.lines().nth(line - 1)?;
            let from = if row == 0 && skipped == 0 {
                source_line.char_indices().nth(self.place.column - 1)?.0
            } else {
                0
            };
            let start = from + source_line.get(from..)?.find(wanted)?;
            let column = source_line.get(..start + in_row)?.chars().count() + 1;
            Some(Place { line, column })
        })
    }
}

fn below<'n>(children: impl Iterator<Item = &'n Node>) -> (usize, usize) {
    children.fold((1, 1), |(height, nodes), child| {
        (height.max(child.height + 1), nodes + child.nodes)
    })
}
