//! Which key belongs to which certificate, and which certificate to which.

use aws_lc_rs::{rsa, signature::KeyPair};
use x509_parser::prelude::X509Certificate;

/// The certificate with the key's public key; of several, the best.
pub(super) fn leaf_of<'a, 'b>(
    key: &rsa::KeyPair,
    all: &'b [X509Certificate<'a>],
) -> Option<&'b X509Certificate<'a>> {
    let belongs = |certificate: &&X509Certificate<'_>| {
        *certificate.public_key().subject_public_key.data == *key.public_key().as_ref()
    };
    all.iter().filter(belongs).max_by_key(|leaf| rank(leaf, all))
}

/// Higher is better: a certificate that issued none of the others (a CA's key
/// may be in the file too), then the one that ends last (an old pair may be
/// left beside the new one).
pub(super) fn rank(leaf: &X509Certificate<'_>, all: &[X509Certificate<'_>]) -> (bool, i64) {
    let issuer = all.iter().any(|other| other != leaf && issued(leaf, other));
    (!issuer, leaf.validity().not_after.timestamp())
}

/// The leaf, then each time the certificate that issued the one before.
pub(super) fn chain_of<'a, 'b>(
    leaf: &'b X509Certificate<'a>,
    all: &'b [X509Certificate<'a>],
) -> Vec<&'b X509Certificate<'a>> {
    let mut chain = vec![leaf];
    let mut last = leaf;
    while let Some(next) = all.iter().find(|other| issued(other, last) && !chain.contains(other)) {
        chain.push(next);
        last = next;
    }
    chain
}

/// By name: the signature is for those to check who trust the chain.
fn issued(issuer: &X509Certificate<'_>, certificate: &X509Certificate<'_>) -> bool {
    issuer.subject().as_raw() == certificate.issuer().as_raw()
}
