//! Edits of YAML as text: lines are inserted or taken out, and all others stay.
//! Nothing here knows what a document is about.

mod documents;
pub(crate) mod edit;
mod layout;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
pub(crate) use documents::comments;
pub(crate) use documents::{documents, is_yaml, read};
pub(crate) use edit::scalar;
pub(crate) use layout::unused_anchors;
