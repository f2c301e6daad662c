//! Links within the repository lead to what is there.

use std::path::{Component, Path, PathBuf};

use super::{pages, root};

/// A path without `.` and `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => assert!(tidy.pop(), "{} leaves the repository", path.display()),
            other => tidy.push(other),
        }
    }
    tidy
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let pages = pages();
    let mut checked = 0;
    for page in &pages {
        for link in &page.links {
            if link.contains("://") || link.starts_with("mailto:") {
                assert!(!link.starts_with("http://"), "{}: {link} is not https", page.name);
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&page.name).parent().unwrap();
            let target =
                if file.is_empty() { page.name.clone().into() } else { tidy(&folder.join(file)) };
            assert!(root().join(&target).exists(), "{}: {link} leads nowhere", page.name);
            if !anchor.is_empty() {
                let other = pages.iter().find(|other| Path::new(&other.name) == target);
                let anchors = &other.unwrap_or_else(|| panic!("{}: {link}", page.name)).anchors;
                let found = anchors.iter().any(|name| name == anchor);
                assert!(found, "{}: {link}: there are {anchors:?}", page.name);
            }
            checked += 1;
        }
    }
    assert!(checked > 15, "{checked}");
}
