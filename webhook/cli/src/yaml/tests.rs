//! Texts of every style, edited; nothing here is about pods.

pub(crate) mod style;

use expect_test::expect;
use json_patch::{AddOperation, Patch, PatchOperation, ReplaceOperation, jsonptr::PointerBuf};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{comments, documents, edit, read, scalar, unused_anchors};

fn add(pointer: &str, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: PointerBuf::parse(pointer).unwrap(), value })
}

fn replace(pointer: &str, value: Value) -> PatchOperation {
    PatchOperation::Replace(ReplaceOperation { path: PointerBuf::parse(pointer).unwrap(), value })
}

/// The text after `operations`; it means what they make of its value, and with
/// Windows' ends of lines the same comes out.
fn edited(text: &str, operations: &[PatchOperation]) -> String {
    let patch = Patch(operations.to_vec());
    let apply = |text: &str| edit::apply(text, &read(text).unwrap(), &patch).unwrap();
    let after = apply(text);
    let mut expected = read(text).unwrap();
    json_patch::patch(&mut expected, &patch).unwrap();
    assert_eq!(read(&after).unwrap(), expected, "{after}");
    let windows = |text: &str| text.replace('\n', "\r\n");
    assert_eq!(apply(&windows(text)), windows(&after));
    after
}

const SHELF: &str = "\
# A shelf.
shelf:
  name: left    # of two
  books:
  - title: one
    pages: 10
    # more of one
  # between
  - title: two
  boxes: [a, b]
  size: {width: 1}

# The rest.
empty:
";

#[test]
fn entries_go_behind_the_last_as_far_in_as_the_first() {
    let after = edited(
        SHELF,
        &[
            add("/shelf/books/-", json!({"title": "three"})),
            add("/shelf/owner", json!({"name": "x"})),
            add("/last", json!(1)),
        ],
    );
    expect![[r"
        # A shelf.
        shelf:
          name: left    # of two
          books:
          - title: one
            pages: 10
            # more of one
          # between
          - title: two
          - title: three
          boxes: [a, b]
          size: {width: 1}
          owner:
            name: x

        # The rest.
        empty:
        last: 1
    "]]
    .assert_eq(&after);
}

/// Items go in behind the last of their list, and not after its comments or its comma; a value takes the place of another,
/// whose comment stays; a block of text keeps its style and its depth; a number that
/// begins with zero is octal, as for kubectl.
#[test]
fn each_style_is_kept() {
    let text = "a:\n  text: |\n    one\n    two\n  # below\n  b: 1\n";
    let after = "a:\n  text: |\n    three\n\n    four\n  # below\n  b: 1\n";
    let shelf = |old: &str, new: &str| {
        assert!(SHELF.contains(old), "{old}");
        SHELF.replace(old, new)
    };
    let (item, nested) =
        (add("/shelf/boxes/-", json!("c")), add("/shelf/boxes/-", json!({"d": [1]})));
    let rows = [
        (SHELF, vec![item, nested], shelf("[a, b]", "[a, b, \"c\", {\"d\":[1]}]")),
        (
            SHELF,
            vec![add("/shelf/size/height", json!("2"))],
            shelf("{width: 1}", "{width: 1, \"height\": \"2\"}"),
        ),
        (
            SHELF,
            vec![replace("/shelf/name", json!("right"))],
            shelf("name: left ", "name: \"right\" "),
        ),
        (SHELF, vec![add("/empty", json!([1]))], shelf("empty:", "empty: [1]")),
        ("a: [ ]\n", vec![add("/a/-", json!(1))], "a: [ 1]\n".to_owned()),
        ("{\"a\": {}}", vec![add("/a/b", json!(1))], "{\"a\": {\"b\": 1}}".to_owned()),
        (
            "{\n\t\"a\": {\n\t\t\"b\": 1\n\t}\n}\n",
            vec![add("/a/c", json!({})), add("/a/d", json!(2))],
            "{\n\t\"a\": {\n\t\t\"b\": 1, \"c\": {}, \"d\": 2\n\t}\n}\n".to_owned(),
        ),
        ("a: [b, # c\n]\n", vec![add("/a/-", json!(1))], "a: [b, 1, # c\n]\n".to_owned()),
        (
            "a: |2-\n  b\nc: d\n",
            vec![replace("/a", json!("e\nf"))],
            "a: |2-\n  e\n  f\nc: d\n".to_owned(),
        ),
        (text, vec![replace("/a/text", json!("three\n\nfour\n"))], after.to_owned()),
        (
            "- a:\n    b: {c: 1}\n    d: 2\n  # below\n  e: 3\n",
            vec![add("/0/a", json!({"f": 1}))],
            "- a:\n    {\"f\":1}\n  # below\n  e: 3\n".to_owned(),
        ),
        ("a: 0400\n", vec![add("/b", json!(1))], "a: 0400\nb: 1\n".to_owned()),
    ];
    for (text, operations, expected) in rows {
        assert_eq!(edited(text, &operations), expected);
    }
    assert_eq!(read("a: 0400\n").unwrap(), json!({"a": 256}));
}

#[test]
fn anchors_that_no_alias_refers_to() {
    let text = "x: &x {a: &y 1}\nl:\n- &z b\n- *y\nm: {<<: *x}\n";
    assert_eq!(unused_anchors(text), [["l", "0"]]);
    assert!(unused_anchors("a: [").is_empty());
}

/// As Helm reads it, which is YAML 1.1, too.
#[test]
fn a_text_stays_a_text() {
    for text in ["yes", "0815", "1e3", "null", "", "a: b", "# c", "12:30", "1_000", "~", "a\nb"] {
        let written = scalar(text);
        assert_eq!(read(&format!("a: {written}\n")).unwrap(), json!({"a": text}), "{written}");
        assert!(written.starts_with(['"', '\'']), "{written}");
    }
    assert_eq!(scalar("https://a.example/b?c=d"), "https://a.example/b?c=d");
}

#[test]
fn an_anchor_may_have_many_aliases() {
    let text = format!("- &a one\n{}", "- *a\n".repeat(300));
    assert_eq!(read(&text).unwrap(), json!(vec!["one"; 301]));
}

#[test]
fn documents_together_are_the_text() {
    let text = "%YAML 1.2\n---\na: 1\n--- # two\nb: |\n  text\n---x: 1\n---\n";
    let all = documents(text);
    assert_eq!(all.concat(), text);
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(all[2], "--- # two\nb: |\n  text\n---x: 1\n");
    assert_eq!(comments("a: '# no' # yes\n# yes\n"), 2);
}

/// A value without a null, with names that YAML could take for something else.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(vec!["", "true", "0400", "a: b", "# c", "- d", "é\n  f\n", " g "])
            .prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec!["a", "b", "yes", "0", "x/y", "~"]);
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from),
            prop::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 1..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// The paths to all mappings and lists.
fn collections(value: &Value, path: &PointerBuf, found: &mut Vec<(PointerBuf, bool)>) {
    match value {
        Value::Object(map) => {
            found.push((path.clone(), false));
            for (name, child) in map {
                let mut below = path.clone();
                below.push_back(name.as_str());
                collections(child, &below, found);
            }
        }
        Value::Array(items) => {
            found.push((path.clone(), true));
            for (index, child) in items.iter().enumerate() {
                let mut below = path.clone();
                below.push_back(index);
                collections(child, &below, found);
            }
        }
        _ => {}
    }
}

proptest! {
    /// Whatever is written and however, something is added to any part of it, and
    /// every comment stays.
    #[test]
    fn an_addition_changes_nothing_else(
        inner in values(),
        added in values(),
        styles in prop::collection::vec(prop::bool::weighted(0.8), 1..40),
        place in any::<prop::sample::Index>(),
    ) {
        let value = json!({"top": inner, "list": [{"a": 1}]});
        let mut styles = styles.iter().cycle();
        let text = style::written(&value, &mut || *styles.next().unwrap(), 0);
        prop_assert_eq!(&read(&text).unwrap(), &value, "{}", text);
        let mut paths = Vec::new();
        collections(&value, &PointerBuf::root(), &mut paths);
        let (mut path, is_list) = place.get(&paths).clone();
        path.push_back(if is_list { "-" } else { "new" });
        let patch = Patch(vec![PatchOperation::Add(AddOperation { path, value: added })]);
        let mut expected = value.clone();
        json_patch::patch(&mut expected, &patch).unwrap();
        let after = edit::apply(&text, &value, &patch).unwrap();
        prop_assert_eq!(read(&after).unwrap(), expected, "{}", after);
        prop_assert_eq!(comments(&text), comments(&after), "{}\n{}", text, after);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-{}\\[\\]a:#&*|> \n'\"]{0,60}") {
        for document in documents(&text) {
            let Ok(value) = read(document) else { continue };
            let _ = edit::apply(document, &value, &Patch(vec![add("/a", json!(1))]));
        }
    }
}
