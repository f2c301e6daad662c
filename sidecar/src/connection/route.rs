//! The action for a request, by its head. Pure.

use crate::http1::{Method, RequestHead, Route};

/// The action for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Read its body and forward it.
    Forward,
    /// Say "no" to a question about the protocol.
    Decline,
    /// Tell a sender the right path.
    Redirect,
    /// Tell a sender who may write.
    TurnAway,
    /// From an address that may not write, and no remote write.
    Forbid,
    /// There is nothing at this path.
    NotFound,
    /// The path has other methods.
    NotAllowed(&'static str),
    Health,
    Ready,
    Metrics,
}

/// The action for a request, whose destination `exists` or not.
///
/// A remote write that goes to the wrong path or comes from the wrong address is a
/// configuration error: nothing about the batch is wrong, so the answer lets the sender
/// keep it.
pub(super) fn task(head: &RequestHead, may_write: bool, exists: bool) -> Task {
    let is_read = matches!(head.method, Method::Get | Method::Head);
    let is_post = head.method == Method::Post;
    // A write to an unknown destination went to the wrong path.
    let route = match head.route {
        Route::Write if !exists => Route::OtherWrite,
        route => route,
    };
    match route {
        Route::Write if !is_post => Task::NotAllowed("POST"),
        Route::Write if !may_write && head.announces_no_write() => Task::Forbid,
        Route::Write if !may_write => Task::TurnAway,
        Route::Write if head.is_protocol_question() => Task::Decline,
        Route::Write => Task::Forward,
        Route::OtherWrite if is_post && !head.announces_no_write() => misdirected(may_write),
        _ if is_post && head.announces_write() => misdirected(may_write),
        Route::OtherWrite | Route::Unknown => Task::NotFound,
        Route::Health | Route::Ready | Route::Metrics if !is_read => Task::NotAllowed("GET, HEAD"),
        Route::Health => Task::Health,
        Route::Ready => Task::Ready,
        Route::Metrics => Task::Metrics,
    }
}

const fn misdirected(may_write: bool) -> Task {
    if may_write { Task::Redirect } else { Task::TurnAway }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::parse_request;

    const WRITE: &str =
        "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nContent-Length: 5\r\n";
    const JSON: &str = "Content-Type: application/json\r\nContent-Length: 5\r\n";

    fn tasks(line: &str, fields: &str) -> [Task; 2] {
        let text = format!("{line} HTTP/1.1\r\n{fields}\r\n");
        let (head, _) = parse_request(text.as_bytes()).unwrap().unwrap();
        let exists = ["", "tenants"].contains(&head.destination.as_str());
        [task(&head, true, exists), task(&head, false, exists)]
    }

    #[test]
    fn routes_by_request_line_headers_and_address() {
        use Task::{
            Decline, Forbid, Forward, Health, Metrics, NotAllowed, NotFound, Ready, Redirect,
            TurnAway,
        };
        for (line, fields, own, foreign) in [
            ("POST /api/v1/write", WRITE, Forward, TurnAway),
            ("POST //api/v1/write/", WRITE, Forward, TurnAway),
            ("POST /api/v1/write", JSON, Forward, Forbid),
            ("POST /api/v1/write", "", Forward, TurnAway),
            ("POST /api/v1/write?get_vm_proto_version=1", "", Decline, TurnAway),
            ("POST /tenants/api/v1/write", WRITE, Forward, TurnAway),
            ("POST //tenants/api//v1/write/?x=y", WRITE, Forward, TurnAway),
            ("GET /tenants/api/v1/write", "", NotAllowed("POST"), NotAllowed("POST")),
            ("POST /other/api/v1/write", WRITE, Redirect, TurnAway),
            ("POST /other/api/v1/write", JSON, NotFound, NotFound),
            ("GET /other/api/v1/write", "", NotFound, NotFound),
            ("POST /tenants/x/api/v1/write", WRITE, Redirect, TurnAway),
            ("POST /api/v1/push", WRITE, Redirect, TurnAway),
            ("POST /api/v1/push", "", Redirect, TurnAway),
            ("POST /api/v1/push", JSON, NotFound, NotFound),
            ("POST /", WRITE, Redirect, TurnAway),
            ("POST /health", WRITE, Redirect, TurnAway),
            ("POST /", "", NotFound, NotFound),
            ("POST /metrics", "", NotAllowed("GET, HEAD"), NotAllowed("GET, HEAD")),
            ("PUT /api/v1/write", WRITE, NotAllowed("POST"), NotAllowed("POST")),
            ("GET /api/v1/write", "", NotAllowed("POST"), NotAllowed("POST")),
            ("GET /write", "", NotFound, NotFound),
            ("GET /health", "", Health, Health),
            ("HEAD /ready", "", Ready, Ready),
            ("GET /metrics", "", Metrics, Metrics),
        ] {
            assert_eq!(tasks(line, fields), [own, foreign], "{line} {fields:?}");
        }
    }
}
