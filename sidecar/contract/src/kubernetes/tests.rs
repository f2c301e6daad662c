use super::*;

fn check<T: FromStr>(good: &[&str], bad: &[&str]) {
    for text in good {
        assert!(text.parse::<T>().is_ok(), "{text:?}");
    }
    for text in bad {
        assert!(text.parse::<T>().is_err(), "{text:?}");
    }
}

#[test]
fn names_and_paths() {
    check::<ObjectName>(
        &["azure-kvname-system-msi", "a", "a.b-c.d0"],
        &["", "A", "-a", "a-", "a..b", "a_b", &"a".repeat(254)],
    );
    check::<CertificateName>(
        &["prom-cert", "tls.pfx", "alias/0"],
        &["", "..", "../x", "/x", "a//b", "a b", "a:b"],
    );
    check::<MountPath>(
        &["/mnt/secrets-store", "/a/", "/a.b"],
        &["", "/", "a", "/a/../b", "/a:b", "//a", "/var/run/secrets/kubernetes.io/serviceaccount"],
    );
    check::<Image>(
        &["a", "ghcr.io/x/y:1.0.0", "localhost:5000/x@sha256:00ff"],
        &["", "x y", ":x", "x:", "<IMAGE>", "a\nb"],
    );
    check::<ImagePullPolicy>(&["Always", "ifnotpresent"], &["", "Sometimes"]);
    check::<SidecarMode>(&["auto", "native", "container", "Native"], &["", "init"]);
    check::<LivenessProbe>(&["http", "exec", "none"], &["", "tcp"]);
    check::<ReadinessProbe>(&["http", "exec", "none"], &["", "true"]);
}

#[test]
fn quantities_compare() {
    check::<Quantity>(
        &[
            "10m",
            "0.5",
            "1",
            "64Mi",
            ".5",
            "1e3",
            "129E6",
            "1e-3",
            "1.5e+9",
            "2E",
            "2Ei",
            "9223372036854775807",
        ],
        &[
            "",
            "0",
            "0Mi",
            "-1",
            "1 Mi",
            "1mi",
            "1.2.3",
            "Mi",
            "1e400",
            "1e",
            "1e3Mi",
            "1ee3",
            "99999999999999999999",
        ],
    );
    let thousandths = |text: &str| text.parse::<Quantity>().unwrap().thousandths();
    assert_eq!(thousandths("0.5"), thousandths("500m"));
    assert_eq!(thousandths("1Ki"), thousandths("1024"));
    assert!(thousandths("128Mi") < thousandths("1Gi"));
    let quantity = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!(quantity("256Mi").divided(4).as_str(), "64Mi");
    assert_eq!(quantity("0.5Gi").divided(4).as_str(), "128Mi");
    assert_eq!(quantity("1001").divided(4).as_str(), "251", "rounded up");
    assert_eq!(quantity("20Mi").times(4).as_str(), "80Mi");
    assert_eq!(quantity("20M").times(4).as_str(), "78125Ki");
}

#[test]
fn quantities_have_all_of_kubernetes_notation() {
    let thousandths = |text: &str| text.parse::<Quantity>().unwrap().thousandths();
    for (text, same) in [
        ("129e6", "129M"),
        ("129E6", "129M"),
        ("1.5e+9", "1500M"),
        ("1e-3", "1m"),
        ("250000u", "250m"),
        ("250000000n", "250m"),
        ("1E", "1000P"),
        ("1Ei", "1024Pi"),
        // As the API server writes it.
        ("1181116006400m", "1.1Gi"),
        // As the API server rounds it.
        ("1n", "1m"),
        ("0.0001", "1m"),
        ("1.0001m", "2m"),
    ] {
        assert_eq!(thousandths(text), thousandths(same), "{text}");
    }
}
