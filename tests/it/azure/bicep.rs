//! The templates are Bicep, and what they refer to is there. Types of resources and their
//! properties are Azure's: README.md lists what they were compared with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use tree_sitter::{Node, Parser, Tree};

use super::folder;

/// Functions and decorators of Bicep's own that the templates use.
const FUNCTIONS: &[&str] = &[
    "allowed",
    "contains",
    "description",
    "empty",
    "environment",
    "guid",
    "last",
    "maxLength",
    "minLength",
    "resourceGroup",
    "split",
    "subscriptionResourceId",
    "tenant",
    "union",
];

/// A template, taken apart.
struct Template {
    name: String,
    text: String,
    tree: Tree,
}

impl Template {
    fn read(name: &str) -> Self {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        // The grammar knows no assignment to a parameter; a variable's looks the same.
        let is_template = extension(name) == "bicep";
        let text = if is_template { text } else { text.replace("\nparam ", "\nvar ") };
        let tree = parse(&text).unwrap_or_else(|line| panic!("{name}:{line}: this is no Bicep"));
        Self { name: name.to_owned(), text, tree }
    }

    fn all(&self) -> Vec<Node<'_>> {
        let mut nodes = vec![self.tree.root_node()];
        let mut next = 0;
        while let Some(node) = nodes.get(next).copied() {
            nodes.extend(children(node));
            next += 1;
        }
        nodes
    }

    fn of_kind(&self, kind: &str) -> Vec<Node<'_>> {
        self.all().into_iter().filter(|node| node.kind() == kind).collect()
    }

    fn text(&self, node: Node<'_>) -> &str {
        self.text[node.byte_range()].trim_matches('\'')
    }

    /// The names of everything that is declared in this way.
    fn declared(&self, kind: &str) -> BTreeSet<&str> {
        self.of_kind(kind).into_iter().map(|node| self.text(first(node))).collect()
    }

    /// Where each name is used: not as a key, and not where it is declared.
    fn used(&self) -> BTreeMap<&str, String> {
        let is_reference = |node: &Node<'_>| {
            let parent = node.parent().unwrap();
            let is_first = first(parent) == *node;
            let kind = parent.kind();
            let names = ["call_expression", "for_statement", "object_property"].contains(&kind);
            !(is_first && (names || kind.ends_with("_declaration")))
        };
        let nodes = self.of_kind("identifier").into_iter().filter(is_reference);
        nodes
            .map(|node| {
                let line = node.start_position().row + 1;
                (self.text(node), format!("{}:{line}", self.name))
            })
            .collect()
    }
}

/// The tree, or the first line that is not one of Bicep's.
fn parse(text: &str) -> Result<Tree, usize> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bicep::LANGUAGE.into()).unwrap();
    let tree = parser.parse(text, None).unwrap();
    let mut node = tree.root_node();
    if !node.has_error() {
        return Ok(tree);
    }
    while let Some(broken) = children(node).into_iter().find(Node::has_error) {
        node = broken;
    }
    Err(node.start_position().row + 1)
}

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    node.named_children(&mut node.walk()).collect()
}

fn first(node: Node<'_>) -> Node<'_> {
    children(node)[0]
}

fn extension(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

fn templates() -> Vec<Template> {
    let entries = fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().display().to_string());
    let templates: Vec<_> = names
        .filter(|name| matches!(extension(name), "bicep" | "bicepparam"))
        .map(|name| Template::read(&name))
        .collect();
    assert_eq!(templates.len(), 4);
    templates
}

#[test]
fn invalid_bicep_is_found() {
    for (text, line) in [
        ("param a string\nvar b = {\n  c: [a\n}\n", 2),
        ("param a string\nresource b 'T@1' = {\n  name a\n}\n", 2),
        ("var a = 'x${y'\n", 1),
    ] {
        let found = parse(text).unwrap_err();
        assert!(found >= line, "{found}: {text}");
    }
}

#[test]
fn every_name_is_declared_and_every_parameter_is_used() {
    for template in templates() {
        let parameters = template.declared("parameter_declaration");
        let variables = template.declared("variable_declaration");
        let mut known: BTreeSet<&str> = parameters.union(&variables).copied().collect();
        for kind in ["resource_declaration", "module_declaration", "for_statement"] {
            known.extend(template.declared(kind));
        }
        let used = template.used();
        for (name, place) in &used {
            assert!(known.contains(name), "{place}: nothing is called {name}");
        }
        if extension(&template.name) == "bicep" {
            for name in parameters.union(&variables) {
                assert!(used.contains_key(name), "{}: {name} is not used", template.name);
            }
        }
        for call in template.of_kind("call_expression") {
            let function = template.text(first(call));
            assert!(FUNCTIONS.contains(&function), "{}: {function}()", template.name);
        }
    }
}

#[test]
fn modules_and_parameter_files_give_the_parameters_that_there_are() {
    let templates = templates();
    let find = |name: &str| templates.iter().find(|template| template.name == name).unwrap();
    let example = find("main.bicepparam");
    let all = find("main.bicep").declared("parameter_declaration");
    let parameters = example.declared("variable_declaration");
    assert!(parameters.len() > 3 && parameters.is_subset(&all), "{parameters:?}");
    let main = find("main.bicep");
    let modules = main.of_kind("module_declaration");
    assert_eq!(modules.len(), 2);
    for module in modules {
        let target = find(main.text(children(module)[1]));
        let properties = main.of_kind("object_property").into_iter();
        let inside = properties.filter(|node| module.byte_range().contains(&node.start_byte()));
        let params = inside.clone().find(|node| main.text(first(*node)) == "params").unwrap();
        let object = children(params)[1];
        let parameters: BTreeSet<&str> =
            children(object).into_iter().map(|property| main.text(first(property))).collect();
        assert_eq!(parameters, target.declared("parameter_declaration"), "{}", target.name);
    }
}

/// A type that no one compared with the published ones must not slip in.
#[test]
fn the_readme_names_every_type_that_was_compared() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let (_, checked) = readme.split_once("\n## What was checked\n").unwrap();
    let listed = checked.lines().filter_map(|line| line.strip_prefix("* `")?.strip_suffix('`'));
    let templates = templates();
    let used = templates.iter().flat_map(|template| {
        let resources = template.of_kind("resource_declaration").into_iter();
        resources.map(|resource| template.text(children(resource)[1]))
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), used.collect());
}
