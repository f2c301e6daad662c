//! Edits of YAML as text: lines are inserted or taken out, and all others stay.
//! Nothing here knows what a document is about.

mod documents;
pub(crate) mod edit;
mod layout;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use documents::{comments, documents, read};
