//! Which connections go through a forward proxy.

use contract::Proxy;
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// The proxy through which `destination` is reached, if any; its `Debug` hides
/// the password. Loopback is always reached directly, whatever `NO_PROXY` says.
pub(crate) fn proxy_for(proxy: Option<&Proxy>, destination: &Uri) -> Option<Intercept> {
    let proxy = proxy.filter(|_| !is_loopback(destination))?;
    Matcher::builder()
        .https(proxy.address().as_str())
        .http(proxy.address().as_str())
        .no(proxy.exceptions())
        .build()
        .intercept(destination)
}

fn is_loopback(destination: &Uri) -> bool {
    let host = destination.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_reached_directly() {
        let check = |exceptions: &str, destination: &str, through: bool| {
            let proxy = Proxy::new("http://user:secret@proxy.example:3128", exceptions).unwrap();
            let intercept = proxy_for(Some(&proxy), &destination.parse().unwrap());
            assert_eq!(intercept.is_some(), through, "{exceptions} {destination}");
            assert!(!format!("{intercept:?}").contains("secret"));
        };
        check("", "https://a.example/", true);
        check("", "https://localhost:1/", false);
        check("", "https://127.0.0.1:1/", false);
        check("", "https://[::1]:1/", false);
        check("*", "https://a.example/", false);
        check("example", "https://a.example/", false);
        check("ample", "https://a.example/", true);
        check("10.0.0.0/8", "https://10.1.2.3/", false);
        check("10.0.0.0/8", "https://11.1.2.3/", true);
        assert!(proxy_for(None, &"https://a.example/".parse().unwrap()).is_none());
    }
}
