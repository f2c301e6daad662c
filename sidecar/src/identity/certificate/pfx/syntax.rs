//! The ASN.1 types of a PFX (RFC 7292, RFC 5652, RFC 8018), as far as they are
//! read here. Attributes and versions are read over: nothing depends on them.

use der::{
    Any, Sequence,
    asn1::{ObjectIdentifier, OctetString},
};

/// `PFX`.
#[derive(Sequence)]
pub(super) struct Pfx {
    pub(super) version: u8,
    pub(super) auth_safe: ContentInfo,
    pub(super) mac_data: Option<MacData>,
}

/// `ContentInfo`.
#[derive(Sequence)]
pub(super) struct ContentInfo {
    pub(super) content_type: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) content: Any,
}

/// `MacData`.
#[derive(Sequence)]
pub(super) struct MacData {
    pub(super) mac: DigestInfo,
    pub(super) salt: OctetString,
    /// 1 if absent.
    pub(super) iterations: Option<u32>,
}

/// `DigestInfo`.
#[derive(Sequence)]
pub(super) struct DigestInfo {
    pub(super) algorithm: AlgorithmIdentifier,
    pub(super) digest: OctetString,
}

/// `AlgorithmIdentifier`.
#[derive(Sequence)]
pub(super) struct AlgorithmIdentifier {
    pub(super) oid: ObjectIdentifier,
    pub(super) parameters: Option<Any>,
}

/// `EncryptedData`.
#[derive(Sequence)]
pub(super) struct EncryptedData {
    pub(super) version: u8,
    pub(super) content: EncryptedContentInfo,
    pub(super) attributes: Option<Any>,
}

/// `EncryptedContentInfo`.
#[derive(Sequence)]
pub(super) struct EncryptedContentInfo {
    pub(super) content_type: ObjectIdentifier,
    pub(super) algorithm: AlgorithmIdentifier,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    pub(super) content: Option<OctetString>,
}

/// `SafeBag`.
#[derive(Sequence)]
pub(super) struct SafeBag {
    pub(super) id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) value: Any,
    pub(super) attributes: Option<Any>,
}

/// `CertBag`.
#[derive(Sequence)]
pub(super) struct CertBag {
    pub(super) id: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    pub(super) value: OctetString,
}

/// `EncryptedPrivateKeyInfo`.
#[derive(Sequence)]
pub(super) struct EncryptedPrivateKeyInfo {
    pub(super) algorithm: AlgorithmIdentifier,
    pub(super) data: OctetString,
}

/// `pkcs-12PbeParams`, of the older ciphers.
#[derive(Sequence)]
pub(super) struct Pkcs12Parameters {
    pub(super) salt: OctetString,
    pub(super) iterations: u32,
}

/// `PBES2-params`.
#[derive(Sequence)]
pub(super) struct Pbes2Parameters {
    pub(super) derivation: AlgorithmIdentifier,
    pub(super) encryption: AlgorithmIdentifier,
}

/// `PBKDF2-params`.
#[derive(Sequence)]
pub(super) struct Pbkdf2Parameters {
    pub(super) salt: OctetString,
    pub(super) iterations: u32,
    /// The cipher's own if absent.
    pub(super) key_length: Option<u16>,
    /// HMAC with SHA-1 if absent.
    pub(super) prf: Option<AlgorithmIdentifier>,
}
