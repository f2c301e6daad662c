//! The modules of a crate import each other in one direction, as its lib.rs says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::documentation::root;

/// Sources, and the modules that only the library's root names.
const CRATES: [(&str, &[&str]); 4] = [
    ("sidecar/src", &["check", "native", "run"]),
    ("webhook/src", &["serve"]),
    ("webhook/cli/src", &["check", "migrate"]),
    ("certs/src", &["admin", "directory"]),
];

/// Programs, and modules that are in tests only.
const IGNORED: [&str; 5] = ["lib", "main", "tests", "readme", "fuzzing"];

/// The top-level modules that each top-level module imports; tests may import anything.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_module_imports_one_that_imports_it() {
    for (sources, _) in CRATES {
        let mut left = imports(sources);
        assert!(left.len() > 5, "{sources}: {left:?}");
        while !left.is_empty() {
            let before = left.len();
            let names: BTreeSet<String> = left.keys().cloned().collect();
            left.retain(|_, imported| !imported.is_disjoint(&names));
            assert!(left.len() < before, "{sources}: there is a circle among {left:?}");
        }
    }
}

#[test]
fn no_module_imports_an_entrance() {
    for (sources, entrances) in CRATES {
        for (module, imported) in imports(sources) {
            let wrong = imported.iter().find(|name| entrances.contains(&name.as_str()));
            assert_eq!(wrong, None, "{sources}: imported by {module}");
        }
    }
}

fn imports(sources: &str) -> Imports {
    let mut imports = Imports::new();
    collect(&root().join(sources), None, &mut imports);
    let modules: BTreeSet<String> = imports.keys().cloned().collect();
    for (module, imported) in &mut imports {
        imported.retain(|name| name != module && modules.contains(name));
    }
    imports
}

fn collect(folder: &Path, module: Option<&str>, imports: &mut Imports) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let name = module.unwrap_or(&stem);
        if IGNORED.contains(&name) || IGNORED.contains(&stem.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, Some(name), imports);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            imports.entry(name.to_owned()).or_default().extend(imported(&text));
        }
    }
}

/// The first names behind `crate::`, in code that is not only for tests.
fn imported(text: &str) -> BTreeSet<String> {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(|line| [line, "\n"]).collect();
    let mut names = BTreeSet::new();
    for (place, start) in code.match_indices("crate::") {
        let rest = &code[place + start.len()..];
        let mut depth = 0;
        let mut is_first = true;
        for (place, letter) in rest.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => is_first = true,
                letter if is_first && depth <= 1 && letter.is_alphabetic() => {
                    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
                    let end = rest[place..].find(|letter| !is_name(letter)).unwrap_or(0);
                    names.insert(rest[place..place + end].to_owned());
                    is_first = false;
                }
                _ => {}
            }
            if depth == 0 && (letter == '}' || !is_first) {
                break;
            }
        }
    }
    names
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::{\n    a::{B, c::D},\n    e::F,\n};\nuse crate::g::H;\n// crate::i\nfn x() { crate::j::k() }\n#[cfg(test)]\nmod tests {\n    use crate::l;\n}\n";
    let names: Vec<String> = imported(text).into_iter().collect();
    assert_eq!(names, ["a", "e", "g", "j"]);
}
