//! As much of Markdown as our pages use.

use std::{fs, path::Path};

/// A page, taken apart.
pub(crate) struct Page {
    /// Its path from the repository's root.
    pub(crate) name: String,
    /// All of it.
    pub(crate) text: String,
    /// The targets of its links.
    pub(crate) links: Vec<String>,
    /// The names under which its headings are linked to.
    pub(crate) anchors: Vec<String>,
    /// What stands between fences.
    pub(crate) blocks: Vec<Block>,
}

/// What stands between two fences.
pub(crate) struct Block {
    /// The line of its first fence, for messages.
    pub(crate) place: String,
    /// `sh`, `yaml` and so on.
    pub(crate) language: String,
    /// Its lines, less the indentation of the fence.
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(root: &Path, file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(root).unwrap().display().to_string();
        let (blocks, prose) = fences(&name, &text);
        let links = links(&prose);
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        let anchors = numbered(&headings.map(anchor).collect::<Vec<_>>());
        Self { name, text, links, anchors, blocks }
    }
}

/// The blocks, and the text without them.
fn fences(name: &str, text: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose) = (Vec::new(), String::new());
    let mut open: Option<(usize, Block)> = None;
    for (number, line) in text.lines().enumerate() {
        let content = line.trim_start();
        match (&mut open, content.strip_prefix("```")) {
            (None, Some(language)) => {
                let place = format!("{name}:{}", number + 1);
                let block = Block { place, language: language.to_owned(), text: String::new() };
                open = Some((line.len() - content.len(), block));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
            (Some((indent, block)), None) => {
                block.text += line.get(*indent..).unwrap_or_default();
                block.text.push('\n');
            }
            (None, None) => {
                prose += line;
                prose.push('\n');
            }
        }
    }
    assert!(open.is_none(), "{name}: a fence is not closed");
    (blocks, prose)
}

/// What stands in parentheses after brackets, outside of code.
fn links(prose: &str) -> Vec<String> {
    let outside: String = prose.split('`').step_by(2).collect();
    let after = outside.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// A heading's name, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The second of two equal names ends in `-1`, the third in `-2`.
fn numbered(names: &[String]) -> Vec<String> {
    let before = |index: usize| names[..index].iter().filter(|name| **name == names[index]).count();
    (0..names.len())
        .map(|index| match before(index) {
            0 => names[index].clone(),
            count => format!("{}-{count}", names[index]),
        })
        .collect()
}

#[test]
fn headings_are_named_as_github_names_them() {
    assert_eq!(anchor("## What's `INGESTION_URL`?"), "whats-ingestion_url");
    assert_eq!(anchor("# Upgrade, and rollback"), "upgrade-and-rollback");
    assert_eq!(numbered(&["a", "a", "b"].map(str::to_owned)), ["a", "a-1", "b"]);
}
