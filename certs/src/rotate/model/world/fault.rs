//! Changes of the objects by people and tools.

use proptest::sample::Index;

use super::{NAME, World, pair};
use crate::{
    pair::Pem,
    rotate::{
        model::Fault,
        observed::{Owner, Stored, Trust},
    },
};

impl World {
    pub(super) fn fault(&mut self, fault: &Fault) {
        let held = self.secret.value.clone();
        let (stored, owner) = held.clone().unwrap_or((Stored::default(), Owner::Other));
        let of = |current: Pem| Some((Stored { current, ..Stored::default() }, Owner::Other));
        match fault {
            Fault::DeleteSecret => self.secret.set(None),
            Fault::CutSecret(which) => self.edit(*which, |text| text.truncate(text.len() / 2)),
            Fault::EmptySecret(which) => self.edit(*which, String::clear),
            Fault::GarbageSecret => {
                let text = || "garbage".to_owned();
                let pem = Pem { ca: text(), certificate: text(), key: text() };
                self.secret.set(of(pem));
            }
            Fault::ForeignPair => self.secret.set(of(pair(NAME, self.now()).into_pem())),
            Fault::ForeignName => self.secret.set(of(pair("x", self.now()).into_pem())),
            Fault::ForeignOwner if held.is_some() => {
                let owner = if owner == Owner::Release { Owner::Other } else { owner };
                self.secret.set(Some((stored, owner)));
            }
            Fault::ForeignOwner => {}
            Fault::DeleteConfiguration => self.configuration.set(None),
            Fault::ReplaceConfiguration => {
                self.configuration.set(Some(Trust::default()));
            }
            Fault::ForeignBundle => {
                let bundle = pair("x", self.now()).ca().clone();
                let trust = Trust { bundle, ..Trust::default() };
                self.configuration.set(Some(trust));
            }
            Fault::RemoveNotes => {
                if let Some(Trust { bundle, .. }) = self.configuration.value.clone() {
                    let trust = Trust { bundle, ..Trust::default() };
                    self.configuration.set(Some(trust));
                }
            }
        }
    }

    fn edit(&mut self, which: Index, change: impl Fn(&mut String)) {
        let Some((mut stored, owner)) = self.secret.value.clone() else { return };
        let Stored { current, next, .. } = &mut stored;
        let texts = [
            &mut current.ca,
            &mut current.certificate,
            &mut current.key,
            &mut next.ca,
            &mut next.certificate,
            &mut next.key,
        ];
        change(texts[which.index(6)]);
        self.secret.set(Some((stored, owner)));
    }
}
