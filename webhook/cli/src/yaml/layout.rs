//! Where in a text the parts of its one document stand.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, Span, StructureStyle};

/// A node and where it stands: from its first byte to the end of its last.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) range: Range<usize>,
    pub(super) kind: NodeKind,
}

/// What a node is.
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
    /// A reference to another node, which may be shared.
    Alias,
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
            NodeKind::Scalar | NodeKind::Alias => None,
        }
    }
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
        Event::Scalar(..) => Some(Node { range, kind: NodeKind::Scalar }),
        Event::Alias(_) => Some(Node { range, kind: NodeKind::Alias }),
        Event::SequenceStart(style, ..) => {
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
            Some(Node { range, kind: NodeKind::List { flow, items } })
        }
        Event::MappingStart(style, ..) => {
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
            Some(Node { range, kind: NodeKind::Mapping { flow, entries } })
        }
        _ => None,
    }
}

/// A collection in brackets ends with them, one on lines with its last child:
/// what the parser calls its end lies behind comments and empty lines.
fn end(flow: bool, closed: Span, last: Option<usize>) -> Option<usize> {
    if flow { closed.end.byte_offset() } else { last }
}
