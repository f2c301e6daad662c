//! The names by which Entra knows things.

use crate::{errors::stands_for_nothing, text::checked_text};

checked_text!(
    /// The client id of a managed identity or an application: a GUID.
    ClientId,
    is_guid,
    "a GUID such as 00001111-aaaa-2222-bbbb-3333cccc4444"
);

checked_text!(
    /// An Entra tenant: a GUID or one of its domain names.
    TenantId,
    is_tenant,
    "a tenant's GUID or domain such as 00001111-aaaa-2222-bbbb-3333cccc4444 or contoso.onmicrosoft.com"
);

fn is_guid(text: &str) -> bool {
    let groups = text.split('-');
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    groups.clone().all(digits) && groups.map(str::len).eq([8, 4, 4, 4, 12])
}

fn is_tenant(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !text.is_empty()
        && !text.starts_with('.')
        && !stands_for_nothing(text)
        && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_are_guids() {
        assert!("00001111-aaaa-2222-bbbb-3333cccc4444".parse::<ClientId>().is_ok());
        for bad in [
            "",
            "<AZURE-CLIENT-ID>",
            "00001111aaaa2222bbbb3333cccc4444",
            "g0001111-aaaa-2222-bbbb-3333cccc4444",
            "00001111-aaaa-2222-bbbb-3333cccc4444-",
        ] {
            assert!(bad.parse::<ClientId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tenants_have_domains_too() {
        for good in ["contoso.onmicrosoft.com", "00001111-aaaa-2222-bbbb-3333cccc4444"] {
            assert!(good.parse::<TenantId>().is_ok(), "{good:?}");
        }
        for bad in ["", "..", "a/b", "<TENANT>", "a b", "null", "None"] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
    }
}
