//! A patch as an edit of text: lines are inserted or taken out, and all others
//! stay, with their comments and their order.
//!
//! The result is read again and compared with the patched value. Where they
//! differ (aliases, rare styles), nothing is written: a document of which nothing
//! but the values is left would be of little use to its author.

mod remove;

use std::{cmp::Reverse, fmt, ops::Range};

use json_patch::{AddOperation, Patch, PatchOperation, jsonptr::PointerBuf};
use serde_json::{Map, Value};
use serde_saphyr::{
    SerializerOptions,
    granit_parser::{Event, Parser},
};

use super::{
    documents::read,
    layout::{Node, NodeKind},
};

/// Text that replaces a range.
struct Edit {
    range: Range<usize>,
    /// How many names lead to it: what is inserted at one place goes in from
    /// the inside out.
    depth: usize,
    text: String,
}

/// A document cannot be edited in place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotInPlace {
    /// Its first alias, if it has one: of those that would have no anchor any more, if there
    /// are any.
    alias: Option<Alias>,
}

/// An alias in a document.
#[derive(Debug, PartialEq, Eq)]
struct Alias {
    name: String,
    /// Its line, from 1.
    line: usize,
    /// Whether its anchor would go.
    is_orphan: bool,
}

impl fmt::Display for NotInPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.alias {
            Some(Alias { name, line, is_orphan: true }) => write!(
                f,
                "the alias *{name} at line {line}, whose anchor &{name} is removed: first write the anchor's value there"
            ),
            Some(Alias { line, .. }) => write!(f, "an alias, the first at line {line}"),
            None => f.write_str("the style in which it is written"),
        }
    }
}

/// The document's text with `patch` applied; `value` is what it says now. Items of a list
/// are removed from its end to its beginning, so that each operation's path is also one
/// of the original document.
///
/// # Errors
/// Where lines that are inserted or taken out do not come to the same as `patch`.
pub(crate) fn apply(document: &str, value: &Value, patch: &Patch) -> Result<String, NotInPlace> {
    let mut expected = value.clone();
    let applies = json_patch::patch(&mut expected, patch).is_ok();
    let edited = Node::parse(document).and_then(|root| edited(document, &root, patch));
    let right = |text: &String| applies && read(text).is_ok_and(|is| is == expected);
    match edited {
        Some(text) if right(&text) => Ok(text),
        edited => Err(NotInPlace { alias: alias(document, &edited.unwrap_or_default()) }),
    }
}

/// The document's text and its value with several patches applied, one after the
/// other.
///
/// # Errors
/// As for each of them.
pub(crate) fn apply_all(
    document: &str,
    value: &Value,
    patches: &[Patch],
) -> Result<(String, Value), NotInPlace> {
    let (mut text, mut value) = (document.to_owned(), value.clone());
    for patch in patches {
        text = apply(&text, &value, patch)?;
        // What has been written is what this makes of the value.
        let _ = json_patch::patch(&mut value, patch);
    }
    Ok((text, value))
}

/// The alias in `document` to be named where `edited` does not come to what it should.
fn alias(document: &str, edited: &str) -> Option<Alias> {
    let has = |word: &str| edited.split(END).any(|part| part == word);
    let events = Parser::new_from_str(document).map_while(Result::ok);
    let aliases = events.filter_map(|(event, span)| {
        let (before, after) = document.split_at_checked(span.start.byte_offset()?)?;
        let name = after.strip_prefix('*')?.split(END).next()?.to_owned();
        let line = 1 + before.matches('\n').count();
        let is_orphan = has(&format!("*{name}")) && !has(&format!("&{name}"));
        matches!(event, Event::Alias(_)).then_some(Alias { name, line, is_orphan })
    });
    // The first one among those of one kind.
    aliases.min_by_key(|alias| !alias.is_orphan)
}

/// Where an anchor's name ends.
const END: [char; 8] = [' ', '\n', '\r', '\t', ',', ']', '}', '['];

fn edited(document: &str, root: &Node, patch: &Patch) -> Option<String> {
    let mut edits: Vec<Edit> = Vec::new();
    for operation in &patch.0 {
        let edit = match operation {
            PatchOperation::Add(add) => edit(document, root, add, &edits)?,
            PatchOperation::Replace(new) => replacement(document, root, &new.path, &new.value)?,
            PatchOperation::Remove(old) => {
                let (name, parent) = ends(root, &old.path)?;
                let range = remove::range(document, parent, &name)?;
                Edit { range, depth: usize::MAX, text: String::new() }
            }
            _ => return None,
        };
        edits.push(edit);
    }
    edits.sort_by_key(|edit| (edit.range.start, Reverse(edit.depth)));
    let mut text = String::with_capacity(document.len());
    let mut copied = 0;
    for edit in edits {
        text.push_str(document.get(copied..edit.range.start)?);
        text.push_str(&edit.text);
        copied = edit.range.end;
    }
    text.push_str(document.get(copied..)?);
    Some(text)
}

fn edit(document: &str, root: &Node, add: &AddOperation, before: &[Edit]) -> Option<Edit> {
    let (name, parent) = ends(root, &add.path)?;
    if parent.child(&name).is_some() {
        return replacement(document, root, &add.path, &add.value);
    }
    let (range, text) = insert(document, parent, &name, &add.value, before)?;
    Some(Edit { range, depth: add.path.tokens().count(), text })
}

/// What takes the place of nothing belongs to its line: new lines follow it.
fn replacement(document: &str, root: &Node, path: &PointerBuf, value: &Value) -> Option<Edit> {
    let (name, parent) = ends(root, path)?;
    let (range, text) = replace(document, parent, &name, parent.child(&name)?, value)?;
    Some(Edit { range, depth: usize::MAX, text })
}

/// The last name of a path, and the node that has it or may get it.
fn ends<'a>(root: &'a Node, path: &PointerBuf) -> Option<(String, &'a Node)> {
    let tokens: Vec<String> = path.tokens().map(|token| token.decoded().into_owned()).collect();
    let (name, parents) = tokens.split_last()?;
    let parent = parents.iter().try_fold(root, |node, token| node.child(token))?;
    Some((name.clone(), parent))
}

/// A range and the text that takes its place.
type Change = (Range<usize>, String);

fn insert(
    document: &str,
    parent: &Node,
    name: &str,
    value: &Value,
    before: &[Edit],
) -> Option<Change> {
    match &parent.kind {
        NodeKind::Mapping { flow: true, entries } => {
            let item = format!("{}: {value}", Value::from(name));
            into_brackets(parent, entries.is_empty(), &item, before)
        }
        NodeKind::List { flow: true, items } => {
            into_brackets(parent, items.is_empty(), &value.to_string(), before)
        }
        NodeKind::Mapping { flow: false, entries } => {
            let (key, ..) = entries.first()?;
            let entry = Map::from_iter([(name.to_owned(), value.clone())]);
            on_lines(document, parent, key.range.start, &entry.into())
        }
        NodeKind::List { flow: false, items } => {
            let dash = dash(document, items.first()?.range.start)?;
            on_lines(document, parent, dash, &Value::Array(vec![value.clone()]))
        }
        NodeKind::Scalar | NodeKind::Alias(_) => None,
    }
}

/// The dash before the item at `place`; comments between them may hold others.
fn dash(document: &str, place: usize) -> Option<usize> {
    let mut end = place;
    loop {
        let line_start = document.get(..end)?.rfind('\n').map_or(0, |newline| newline + 1);
        let before_comment = document.get(line_start..end)?.split('#').next()?;
        if let Some(column) = before_comment.rfind('-') {
            return Some(line_start + column);
        }
        end = line_start.checked_sub(1)?;
    }
}

/// JSON is YAML: in place of a null, of a text of ours, or of a probe of the sidecar. A null
/// of no characters stands behind its key's colon.
fn replace(
    document: &str,
    parent: &Node,
    name: &str,
    existing: &Node,
    value: &Value,
) -> Option<Change> {
    match existing.kind {
        NodeKind::Scalar => {}
        NodeKind::Mapping { .. } => return Some((existing.range.clone(), value.to_string())),
        NodeKind::List { .. } | NodeKind::Alias(_) => return None,
    }
    if !existing.range.is_empty() {
        let block = value.as_str().and_then(|text| block(document, existing, text));
        return Some(block.unwrap_or_else(|| (existing.range.clone(), value.to_string())));
    }
    let NodeKind::Mapping { entries, .. } = &parent.kind else { return None };
    let (key, ..) = entries.iter().find(|(_, key, _)| key == name)?;
    let place = key.range.end + document.get(key.range.end..)?.find(':')? + 1;
    Some((place..place, format!(" {value}")))
}

/// The lines of a literal block, with the same indentation; `None` where `existing` is in
/// another style. The parser has it begin with its first character.
fn block(document: &str, existing: &Node, text: &str) -> Option<Change> {
    let before = document.get(..existing.range.start)?;
    let (headers, indent) = before.rsplit_once('\n')?;
    let header = headers.lines().last()?.split(" #").next()?.trim_end();
    // With what is kept of its end, and how far in it is: |, |-, |2+.
    let is_literal = header.rsplit(' ').next().is_some_and(|style| style.starts_with('|'));
    if !is_literal || !indent.bytes().all(|byte| byte == b' ') {
        return None;
    }
    let length = document.get(existing.range.clone())?.trim_end().len();
    let newline = if document.contains("\r\n") { "\r\n" } else { "\n" };
    let lines = text.trim_end().lines().enumerate().map(|(number, line)| {
        if number == 0 || line.is_empty() { line.to_owned() } else { format!("{indent}{line}") }
    });
    let lines: Vec<String> = lines.collect();
    Some((existing.range.start..existing.range.start + length, lines.join(newline)))
}

fn into_brackets(parent: &Node, empty: bool, item: &str, before: &[Edit]) -> Option<Change> {
    // Behind the last child, and so in its line where the bracket has one of its own.
    let last = match &parent.kind {
        NodeKind::Mapping { entries, .. } => entries.last().map(|(_, _, value)| value),
        NodeKind::List { items, .. } => items.last(),
        NodeKind::Scalar | NodeKind::Alias(_) => None,
    };
    let place = last.map_or(parent.range.end.checked_sub(1)?, |child| child.range.end);
    let first = empty && !before.iter().any(|edit| edit.range.start == place);
    let text = if first { item.to_owned() } else { format!(", {item}") };
    Some((place..place, text))
}

/// New lines after the last of `parent`, as far in as `sibling`.
fn on_lines(document: &str, parent: &Node, sibling: usize, value: &Value) -> Option<Change> {
    let line_start = document.get(..sibling)?.rfind('\n').map_or(0, |newline| newline + 1);
    let column = sibling.checked_sub(line_start)?;
    let content = document.get(parent.range.clone())?.trim_end().len();
    let place = end_of_block(document, parent.range.start.checked_add(content)?, column)?;
    let indent = " ".repeat(column);
    let newline = if document.contains("\r\n") { "\r\n" } else { "\n" };
    let text = lines(value)?.trim_end().lines().fold(String::new(), |text, line| {
        if line.is_empty() { text + newline } else { text + newline + &indent + line }
    });
    Some((place..place, text))
}

/// Long texts stay on one line, as people write URLs; texts of several lines are
/// in quotes.
fn lines(value: &Value) -> Option<String> {
    let mut options = SerializerOptions::default();
    options.prefer_block_scalars = false;
    options.folded_wrap_chars = usize::MAX;
    serde_saphyr::to_string_with_options(value, options).ok()
}

/// A text as a value in YAML, with quotes where YAML 1.1 or 1.2 could take it for
/// something else.
pub(crate) fn scalar(text: &str) -> String {
    lines(&text.into()).unwrap_or_default().trim_end().to_owned()
}

/// The end of the line at `place`, and of comments below it that are indented
/// as deep as the block's content.
fn end_of_block(document: &str, place: usize, column: usize) -> Option<usize> {
    let line_end = |from: usize| {
        let rest = document.get(from..)?;
        let line = rest.find('\n').map_or(rest, |newline| rest.get(..newline).unwrap_or(rest));
        Some(from + line.trim_end_matches('\r').len())
    };
    let mut end = line_end(place)?;
    loop {
        let rest = document.get(end..)?;
        let next = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n'));
        let Some(next) = next else { return Some(end) };
        let comment = next.trim_start_matches(' ');
        let deep = next.len() - comment.len() > column;
        if !(deep && comment.starts_with('#')) {
            return Some(end);
        }
        end = line_end(document.len() - next.len())?;
    }
}
