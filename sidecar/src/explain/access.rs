//! The meaning of a 403: which check of Azure failed, or who else refuses.

use super::{
    Code, Context, Explanation,
    quote::{Kind, Text},
};
use crate::identity::Claims;

/// The role without which nothing is accepted.
const ROLE: &str = "Monitoring Metrics Publisher";
/// Its id, which is the same in every tenant.
const ROLE_ID: &str = "3913510d-42f4-4e42-8a64-420c390055eb";
/// Of an endpoint that is closed to this network; letters and digits only. The
/// exact texts are not documented.
const ISOLATION: [&str; 10] = [
    "publicnetworkaccess",
    "publicnetworkisdisabled",
    "publicaccess",
    "publicinternet",
    "privatelink",
    "privateendpoint",
    "networkisolation",
    "networksecurityperimeter",
    "virtualnetwork",
    "azuremonitorprivate",
];
/// By what the answer of Azure's access check is recognised.
const ACCESS_CHECK: [&str; 4] =
    ["isrbacpresent", "isdcrdcebindingvalid", "dcrarmid", "accesstoingestdata"];

pub(super) fn forbidden(context: &Context<'_>, text: &Text) -> Explanation {
    if text.mentions(&ACCESS_CHECK) {
        return access_check(context, text);
    }
    if text.mentions(&ISOLATION) {
        return context.azure(Code::NetworkIsolation, &isolation(context.host), text);
    }
    match text.kind {
        Kind::Html => context.between(text),
        // Azure's own refusals are JSON.
        Kind::Json => role_missing(context, text),
        Kind::Empty | Kind::Plain | Kind::Compressed(_) => {
            let host = context.host;
            let cause = format!(
                "the response has none of the reasons that Azure Monitor's access check gives: a firewall, a service mesh or a proxy between the pod and {host} rejects the request, or the endpoint does not accept writes from this network (private link), or the identity has no role {ROLE} on the data collection rule; `prom-remotewrite check` shows to which address the pod connects"
            );
            context.unknown(Code::ForbiddenWithoutReason, &cause, text)
        }
    }
}

fn isolation(host: &str) -> String {
    format!(
        "{host} does not accept writes from this network: let the pod reach it through a private endpoint (Azure Monitor Private Link Scope, and DNS in the pod that resolves {host} to the private address), or permit public network access on the data collection endpoint"
    )
}

/// A data collection endpoint names the check that failed.
fn access_check(context: &Context<'_>, text: &Text) -> Explanation {
    if flag(&text.lower, "isdcrdcebindingvalid") != Some(false) {
        return role_missing(context, text);
    }
    let mut cause =
        "the data collection rule is not bound to this data collection endpoint".to_owned();
    if let Some(rule) = rule_id(&text.lower, &text.original) {
        cause = format!("{cause} (rule {rule}, endpoint {})", context.host);
    }
    cause.push_str(": set the rule's endpoint, or use the URL of the endpoint that it has");
    if flag(&text.lower, "isrbacpresent") == Some(false) {
        cause = format!("{cause}; and {}", assign(context.claims, text));
    }
    context.azure(Code::RuleNotBound, &cause, text)
}

fn role_missing(context: &Context<'_>, text: &Text) -> Explanation {
    let cause = format!(
        "the identity may not write: {}; an assignment takes up to 30 minutes to apply, and Azure accepts no samples that are older than 20 minutes",
        assign(context.claims, text)
    );
    context.azure(Code::RoleMissing, &cause, text)
}

/// The command that assigns the role, complete where the answer names the rule.
fn assign(claims: Option<&Claims>, text: &Text) -> String {
    let of_token = |id: Option<&String>| id.filter(|id| is_guid(id)).cloned();
    let object = of_token(claims.and_then(|claims| claims.object.as_ref()));
    let object = object.or_else(|| guid_after(&text.lower, "objectid"));
    let application = of_token(claims.and_then(|claims| claims.application.as_ref()));
    let assignee = match (&object, application) {
        (Some(object), _) => {
            format!("--assignee-object-id {object} --assignee-principal-type ServicePrincipal")
        }
        (None, Some(application)) => format!("--assignee {application}"),
        (None, None) => {
            "--assignee-object-id OBJECT-ID --assignee-principal-type ServicePrincipal".to_owned()
        }
    };
    let rule = rule_id(&text.lower, &text.original);
    let scope = match &rule {
        Some(rule) if rule.contains(['(', ')']) => format!("'{rule}'"),
        Some(rule) => rule.clone(),
        None => "RULE-RESOURCE-ID".to_owned(),
    };
    let to = object.map_or_else(String::new, |object| format!(" to {object}"));
    let find = match (&rule, immutable_id(&text.lower)) {
        (Some(_), _) => String::new(),
        (None, Some(id)) => format!(
            " (az monitor data-collection rule list --query '[].[immutableId,id]' --output tsv | grep {id} prints RULE-RESOURCE-ID)"
        ),
        (None, None) => {
            " (RULE-RESOURCE-ID is the resource id of the data collection rule)".to_owned()
        }
    };
    // Single quotes: the log's format escapes double ones.
    format!(
        "assign {ROLE} ({ROLE_ID}){to} on the data collection rule: az role assignment create {assignee} --role '{ROLE}' --scope {scope}{find}"
    )
}

/// The value behind `name`, whether written as `Name: False` or as JSON.
fn flag(lower: &str, name: &str) -> Option<bool> {
    let (_, rest) = lower.split_once(name)?;
    let value = rest.trim_start_matches(['"', '\\', ':', '=', ' ']);
    match () {
        () if value.starts_with("false") => Some(false),
        () if value.starts_with("true") => Some(true),
        () => None,
    }
}

/// The rule's Azure Resource Manager id, which is whole or not at all: it
/// becomes a part of a command.
fn rule_id(lower: &str, original: &str) -> Option<String> {
    let allowed = |c: &char| c.is_alphanumeric() || "/-_.()".contains(*c);
    let mut from = 0;
    while let Some(found) = lower.get(from..)?.find("/subscriptions/") {
        let start = from + found;
        let id: String = original.get(start..)?.chars().take_while(allowed).collect();
        let id = id.trim_end_matches(['.', '/']);
        let segments: Vec<String> = id.split('/').map(str::to_ascii_lowercase).collect();
        if let [
            "",
            "subscriptions",
            subscription,
            "resourcegroups",
            group,
            "providers",
            "microsoft.insights",
            "datacollectionrules",
            rule,
        ] = segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
            && is_guid(subscription)
            && !group.is_empty()
            && !rule.is_empty()
        {
            return Some(id.to_owned());
        }
        from = start + 1;
    }
    None
}

/// `dcr-` and 32 hexadecimal digits.
fn immutable_id(lower: &str) -> Option<String> {
    lower.match_indices("dcr-").find_map(|(at, prefix)| {
        let digits = lower.get(at + prefix.len()..)?;
        let digits: String = digits.chars().take_while(char::is_ascii_hexdigit).collect();
        (digits.len() == 32).then(|| format!("{prefix}{digits}"))
    })
}

fn guid_after(lower: &str, name: &str) -> Option<String> {
    lower.match_indices(name).find_map(|(at, _)| {
        let rest = lower.get(at + name.len()..)?;
        let start = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        start.get(..36).filter(|id| is_guid(id)).map(str::to_owned)
    })
}

fn is_guid(text: &str) -> bool {
    text.parse::<contract::ClientId>().is_ok()
}

#[cfg(test)]
mod tests;
