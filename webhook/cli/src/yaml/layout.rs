//! Where in a text the parts of its one document stand.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, Span, StructureStyle};

/// A node and where it stands: from its first byte to the end of its last.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) range: Range<usize>,
    /// The number of its anchor; 0 where it has none.
    anchor: usize,
    pub(super) kind: NodeKind,
}

/// The kind of a node.
#[derive(Debug)]
pub(super) enum NodeKind {
    /// Keys and values; in braces or on lines.
    Mapping {
        /// Whether it is in braces.
        flow: bool,
        /// Its entries in their order.
        entries: Vec<(Node, String, Node)>,
    },
    /// Items; in brackets or on lines.
    List {
        /// Whether it is in brackets.
        flow: bool,
        /// Its items.
        items: Vec<Node>,
    },
    /// A single value.
    Scalar,
    /// A reference to another node, which may be shared, by its anchor's number.
    Alias(usize),
}

/// More levels than any manifest has; the parser itself has the same bound.
const MAX_DEPTH: usize = 128;

impl Node {
    /// Reads the first document; `None` where there is none that is whole.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut events = Parser::new_from_str(text)
            .filter(|next| !matches!(next, Ok((Event::Comment(..), _))))
            .map_while(Result::ok);
        loop {
            match events.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (event, span) => return node(&mut events, &event, span, MAX_DEPTH),
            }
        }
    }

    /// The node at `token`: a key, or an item's number.
    pub(super) fn child(&self, token: &str) -> Option<&Self> {
        match &self.kind {
            NodeKind::Mapping { entries, .. } => {
                entries.iter().find(|(_, key, _)| key == token).map(|(_, _, value)| value)
            }
            NodeKind::List { items, .. } => items.get(token.parse::<usize>().ok()?),
            NodeKind::Scalar | NodeKind::Alias(_) => None,
        }
    }
}

/// The paths to the nodes with an anchor that no alias refers to.
pub(crate) fn unused_anchors(document: &str) -> Vec<Vec<String>> {
    let (mut anchors, mut used) = (Vec::new(), Vec::new());
    let mut open: Vec<(Vec<String>, Node)> =
        Node::parse(document).map(|root| (Vec::new(), root)).into_iter().collect();
    while let Some((path, node)) = open.pop() {
        let below = |name: String| [path.as_slice(), &[name]].concat();
        match node.kind {
            NodeKind::Mapping { entries, .. } => {
                open.extend(entries.into_iter().map(|(_, name, value)| (below(name), value)));
            }
            NodeKind::List { items, .. } => {
                let items = items.into_iter().enumerate();
                open.extend(items.map(|(index, item)| (below(index.to_string()), item)));
            }
            NodeKind::Alias(anchor) => used.push(anchor),
            NodeKind::Scalar => {}
        }
        anchors.extend(Some((node.anchor, path)).filter(|(anchor, _)| *anchor != 0));
    }
    anchors.retain(|(anchor, _)| !used.contains(anchor));
    anchors.into_iter().map(|(_, path)| path).collect()
}

fn node<'a>(
    events: &mut impl Iterator<Item = (Event<'a>, Span)>,
    event: &Event<'a>,
    span: Span,
    depth: usize,
) -> Option<Node> {
    let range = span.start.byte_offset()?..span.end.byte_offset()?;
    let depth = depth.checked_sub(1)?;
    match event {
        Event::Scalar(_, _, anchor, _) => {
            Some(Node { range, anchor: *anchor, kind: NodeKind::Scalar })
        }
        Event::Alias(anchor) => Some(Node { range, anchor: 0, kind: NodeKind::Alias(*anchor) }),
        Event::SequenceStart(style, anchor, ..) => {
            let flow = *style == StructureStyle::Flow;
            let mut items = Vec::new();
            let closed = loop {
                match events.next()? {
                    (Event::SequenceEnd, span) => break span,
                    (event, span) => items.push(node(events, &event, span, depth)?),
                }
            };
            let last = items.last().map(|item: &Node| item.range.end);
            let range = range.start..end(flow, closed, last)?;
            Some(Node { range, anchor: *anchor, kind: NodeKind::List { flow, items } })
        }
        Event::MappingStart(style, anchor, ..) => {
            let flow = *style == StructureStyle::Flow;
            let mut entries = Vec::new();
            let closed = loop {
                let (event, span) = match events.next()? {
                    (Event::MappingEnd, span) => break span,
                    next => next,
                };
                let name = event.scalar().map(|(text, _)| text.to_owned())?;
                let key = node(events, &event, span, depth)?;
                let (event, span) = events.next()?;
                entries.push((key, name, node(events, &event, span, depth)?));
            };
            let last = entries.last().map(|(_, _, value): &(_, _, Node)| value.range.end);
            let range = range.start..end(flow, closed, last)?;
            Some(Node { range, anchor: *anchor, kind: NodeKind::Mapping { flow, entries } })
        }
        _ => None,
    }
}

/// A collection in brackets ends with them, one on lines with its last child:
/// what the parser calls its end lies behind comments and empty lines.
fn end(flow: bool, closed: Span, last: Option<usize>) -> Option<usize> {
    if flow { closed.end.byte_offset() } else { last }
}
