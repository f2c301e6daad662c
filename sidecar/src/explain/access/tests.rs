use super::*;
use crate::{explain::explanation, upstream::Received};

const OBJECT: &str = "11112222-3333-4444-5555-666677778888";
const RULE: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-Monitoring_(eu)/providers/Microsoft.Insights/dataCollectionRules/dcr-prom.1";
const IMMUTABLE: &str = "dcr-0123456789abcdef0123456789abcdef";

fn explained(body: &str, object: Option<&str>) -> Explanation {
    let received = Received { status: 403, body: body.into(), ..Received::default() };
    let claims = Claims { object: object.map(str::to_owned), ..Claims::default() };
    explanation(&received, "dce.example", Some(&claims)).unwrap()
}

/// As a data collection endpoint words it.
fn refusal(flags: &str, rule: &str) -> String {
    let message = format!(
        "The authentication token provided does not have access to ingest data for the data collection rule with immutable Id '{IMMUTABLE}' PipelineAccessResult: AccessGranted: False, {flags}, DcrArmId: {rule}, Message: Required authorization action was not found for tenantId {OBJECT} objectId 99998888-7777-6666-5555-444433332222 on resourceId {rule}."
    );
    serde_json::json!({"error": {"code": "OperationFailed", "message": message}}).to_string()
}

#[test]
fn a_missing_role_is_reported_with_the_command_that_assigns_it() {
    let body = refusal("IsRbacPresent: False, IsDcrDceBindingValid: ", RULE);
    let Explanation { code, text } = explained(&body, Some(OBJECT));
    assert_eq!(code, Code::RoleMissing);
    let command = format!(
        "az role assignment create --assignee-object-id {OBJECT} --assignee-principal-type ServicePrincipal --role 'Monitoring Metrics Publisher' --scope '{RULE}'"
    );
    assert!(text.contains(&command), "{text}");
    // An opaque token: the answer knows the principal.
    let text = explained(&body, None).text;
    assert!(text.contains("--assignee-object-id 99998888-7777-6666-5555-444433332222"), "{text}");
    let bare = RULE.replace("_(eu)", "");
    let text = explained(&refusal("IsRbacPresent: False", &bare), Some(OBJECT)).text;
    assert!(text.contains(&format!("--scope {bare};")), "{text}");
}

#[test]
fn without_the_rule_s_id_the_text_says_how_to_find_it() {
    let body = refusal("IsRbacPresent: False, IsDcrDceBindingValid: ", "");
    let text = explained(&body, Some(OBJECT)).text;
    assert!(text.contains("--scope RULE-RESOURCE-ID"), "{text}");
    assert!(text.contains(&format!("grep {IMMUTABLE} prints")), "{text}");
}

#[test]
fn a_missing_binding_is_reported_and_the_role_with_it() {
    let body = refusal("IsRbacPresent: True, IsDcrDceBindingValid: False", RULE);
    let Explanation { code, text } = explained(&body, Some(OBJECT));
    assert_eq!(code, Code::RuleNotBound);
    assert!(text.contains("not bound to this data collection endpoint"), "{text}");
    assert!(text.contains(RULE) && text.contains("dce.example"), "{text}");
    assert!(!text.contains("az role"), "{text}");
    let body = refusal("IsRbacPresent: False, IsDcrDceBindingValid: False", RULE);
    let Explanation { code, text } = explained(&body, Some(OBJECT));
    assert_eq!(code, Code::RuleNotBound);
    assert!(text.contains("az role assignment create"), "{text}");
    let json = r#"{"IsRbacPresent":true,"IsDcrDceBindingValid":false}"#;
    assert_eq!(explained(json, None).code, Code::RuleNotBound);
}

#[test]
fn nothing_of_the_answer_becomes_a_command_but_ids() {
    for evil in [
        "/subscriptions/x/resourceGroups/g/providers/microsoft.insights/dataCollectionRules/r",
        "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/$(id)/providers/Microsoft.Insights/dataCollectionRules/r",
        "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/g;id/providers/x",
    ] {
        let text = explained(&refusal("IsRbacPresent: False", evil), Some("$(reboot)")).text;
        let (_, command) = text.split_once("az role").unwrap();
        let (command, _) = command.split_once("; an assignment").unwrap();
        assert!(command.contains("--scope RULE-RESOURCE-ID ("), "{command}");
        assert!(!command.contains('$') && !command.contains(';'), "{command}");
    }
}

#[test]
fn other_refusals_name_who_may_be_the_cause() {
    for (body, code, words) in [
        (
            r#"{"error":{"code":"PublicNetworkAccessDisabled","message":"no"}}"#,
            Code::NetworkIsolation,
            "private endpoint",
        ),
        (
            "Access denied: the request must come through a private link.",
            Code::NetworkIsolation,
            "public network access",
        ),
        (
            r#"{"error":{"message":"Data collection endpoint is part of a Network Security Perimeter"}}"#,
            Code::NetworkIsolation,
            "dce.example",
        ),
        ("<!doctype html><title>Zscaler</title>", Code::Intermediary, "\"Zscaler\""),
        ("", Code::ForbiddenWithoutReason, "private link"),
        ("RBAC: access denied", Code::ForbiddenWithoutReason, "service mesh"),
        (r#"{"error":{"code":"AuthorizationFailed"}}"#, Code::RoleMissing, "az role"),
    ] {
        let Explanation { code: found, text } = explained(body, Some(OBJECT));
        assert_eq!(found, code, "{body}: {text}");
        assert!(text.contains(words), "{text}");
    }
    // A rule may be named after what it is for.
    let named = refusal("IsRbacPresent: False", &RULE.replace("dcr-prom.1", "privatelink"));
    assert_eq!(explained(&named, None).code, Code::RoleMissing);
}
