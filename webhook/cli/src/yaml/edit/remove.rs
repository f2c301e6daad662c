//! What of a text goes with a node: its lines as a whole, and the comments
//! that are indented as deep as its content. Comments above it stay.

use std::ops::Range;

use super::{dash, end_of_block};
use crate::yaml::layout::{Node, NodeKind};

/// The text of `parent`'s child `name`, so that what is left is well-formed;
/// `None` where that takes more than leaving something out.
pub(super) fn range(document: &str, parent: &Node, name: &str) -> Option<Range<usize>> {
    match &parent.kind {
        NodeKind::Mapping { flow, entries } => {
            let place = entries.iter().position(|(_, key, _)| key == name)?;
            let starts: Vec<usize> = entries.iter().map(|(key, ..)| key.range.start).collect();
            let ends: Vec<usize> = entries.iter().map(|(key, _, value)| end(key, value)).collect();
            if *flow {
                return between_brackets(&starts, &ends, place);
            }
            let start = *starts.get(place)?;
            // The first key of a list's item shares its line with the dash.
            if !is_first_on_line(document, start)? {
                return Some(start..*starts.get(place + 1)?);
            }
            whole_lines(document, start, content_end(document, start, *ends.get(place)?)?)
        }
        NodeKind::List { flow, items } => {
            let place: usize = name.parse().ok()?;
            let starts: Vec<usize> = items.iter().map(|item| item.range.start).collect();
            let ends: Vec<usize> = items.iter().map(|item| item.range.end).collect();
            if *flow {
                return between_brackets(&starts, &ends, place);
            }
            let start = *starts.get(place)?;
            let dash = dash(document, start)?;
            if !is_first_on_line(document, dash)? {
                return None;
            }
            whole_lines(document, dash, content_end(document, start, *ends.get(place)?)?)
        }
        NodeKind::Scalar | NodeKind::Alias(_) => None,
    }
}

/// The end of an entry: a null of no characters ends where its key does.
fn end(key: &Node, value: &Node) -> usize {
    if value.range.is_empty() { key.range.end } else { value.range.end }
}

/// The last character that says something: a block of text ends behind its
/// line.
fn content_end(document: &str, start: usize, end: usize) -> Option<usize> {
    Some(start + document.get(start..end)?.trim_end().len())
}

/// With the comma before it, or the one behind it if it is the first.
fn between_brackets(starts: &[usize], ends: &[usize], place: usize) -> Option<Range<usize>> {
    let (start, end) = (*starts.get(place)?, *ends.get(place)?);
    match place.checked_sub(1) {
        Some(before) => Some(*ends.get(before)?..end),
        None => Some(start..starts.get(1).copied().unwrap_or(end)),
    }
}

fn is_first_on_line(document: &str, place: usize) -> Option<bool> {
    Some(document.get(line_start(document, place)?..place)?.trim().is_empty())
}

fn line_start(document: &str, place: usize) -> Option<usize> {
    Some(document.get(..place)?.rfind('\n').map_or(0, |newline| newline + 1))
}

/// From the line of `start` to the end of the block that ends at `end`.
fn whole_lines(document: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let first = line_start(document, start)?;
    let last = end_of_block(document, end, start - first)?;
    let rest = document.get(last..)?;
    let newline = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
    Some(first..last + newline)
}

#[cfg(test)]
mod tests {
    use json_patch::{Patch, PatchOperation, RemoveOperation, jsonptr::PointerBuf};
    use serde_json::Value;

    use crate::yaml::{
        documents::read,
        edit::{Alias, NotInPlace, apply},
    };

    fn check(text: &str, pointers: &[&str], expected: &str) {
        let windows = |text: &str| text.replace('\n', "\r\n");
        assert_eq!(without(text, pointers).unwrap(), expected);
        assert_eq!(without(&windows(text), pointers).unwrap(), windows(expected));
    }

    /// The text without what the pointers lead to.
    fn without(text: &str, pointers: &[&str]) -> Result<String, NotInPlace> {
        let value: Value = read(text).unwrap();
        let remove = |pointer: &&str| {
            let path = PointerBuf::parse(*pointer).unwrap();
            PatchOperation::Remove(RemoveOperation { path })
        };
        apply(text, &value, &Patch(pointers.iter().map(remove).collect()))
    }

    const LIST: &str = "\
a: 1   # one
list:
# about the first
- name: x
  # in x
  more: |
    text
    # of x
# about the second

- name: y
  # in y
  # - also in y
# below
b:
z: {c: 1, d: [2, 3], e: 4}
";

    /// Each with its comments; all others stay.
    #[test]
    fn removals_leave_other_lines_unchanged() {
        let start = LIST.find("list:").unwrap();
        let end = LIST.find("# below").unwrap();
        let without_list = format!("{}{}", &LIST[..start], &LIST[end..]);
        let gone = |parts: &[&str]| {
            parts.iter().fold(LIST.to_owned(), |text, part| {
                assert!(text.contains(part), "{part}");
                text.replace(part, "")
            })
        };
        let first = "- name: x\n  # in x\n  more: |\n    text\n    # of x\n";
        let second = "- name: y\n  # in y\n  # - also in y\n";
        let rows: [(&str, &[&str], String); 11] = [
            (LIST, &["/list/0"], gone(&[first])),
            (LIST, &["/list/1"], gone(&[second])),
            (LIST, &["/list"], without_list),
            (LIST, &["/b", "/a"], gone(&["a: 1   # one\n", "b:\n"])),
            (LIST, &["/z/c", "/list/0/name"], gone(&["c: 1, ", "name: x\n  # in x\n  "])),
            (LIST, &["/z/e"], gone(&[", e: 4"])),
            (LIST, &["/z/d/0"], gone(&["2, "])),
            ("a: [1, 2, 3]\n", &["/a/2", "/a/1"], "a: [1]\n".to_owned()),
            ("a: [1]\n", &["/a/0"], "a: []\n".to_owned()),
            ("{\"a\": [\n  1,\n  2\n]}", &["/a/1"], "{\"a\": [\n  1\n]}".to_owned()),
            ("a: 1\nb:\n  c: 2", &["/b"], "a: 1\n".to_owned()),
        ];
        for (text, pointers, expected) in rows {
            check(text, pointers, &expected);
        }
    }

    #[test]
    fn removals_that_need_rewriting_are_refused() {
        let style = Err(NotInPlace { alias: None });
        assert_eq!(without("a:\n  b: 1\nc: 2 # two\n", &["/a/b"]), style);
        assert_eq!(without("{\"a\": [1, 2, 3]}", &["/a/1", "/a/0"]), style);
        let alias = |name: &str, line, is_orphan| {
            let name = name.to_owned();
            Err(NotInPlace { alias: Some(Alias { name, line, is_orphan }) })
        };
        let shared = "a: &a {b: 1, c: 2}\n# b\nb: *a\n";
        assert_eq!(without(shared, &["/b/c"]), alias("a", 3, false));
        let inner = "x: &x 1\na:\n  y: *x\n  b: &b 2\nc: [*x, *b]\n";
        assert_eq!(without(inner, &["/a"]), alias("b", 5, true));
    }
}
