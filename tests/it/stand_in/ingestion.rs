use std::time::{Duration, Instant};

use prost::Message;
use tests::{
    azure::{
        Fault, Moment, OTHER_RESOURCE, PUBLIC_AUDIENCES, Principal, Service,
        wire::{self, Label, Sample, TimeSeries, WriteRequest},
    },
    client::Reply,
    keys::secret,
};

use super::Scene;

const AUDIENCE: &str = PUBLIC_AUDIENCES[0];

fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
    let label = |(name, value): &(&str, &str)| Label {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    pairs.iter().map(label).collect()
}

fn series(pairs: &[(&str, &str)], samples: &[(i64, f64)]) -> TimeSeries {
    let sample = |(timestamp, value): &(i64, f64)| Sample {
        value: *value,
        timestamp: *timestamp,
        start_timestamp: 0,
    };
    TimeSeries {
        labels: labels(pairs),
        samples: samples.iter().map(sample).collect(),
        ..TimeSeries::default()
    }
}

fn encode(message: &impl Message) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(&message.encode_to_vec()).unwrap()
}

pub(super) fn good() -> Vec<u8> {
    encode(&WriteRequest {
        timeseries: vec![series(&[("__name__", "up"), ("job", "a")], &[(1000, 1.0)])],
        ..WriteRequest::default()
    })
}

pub(super) const HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

async fn write(scene: &Scene, rule: &str, bearer: Option<&str>, body: Vec<u8>) -> Reply {
    let bearer = bearer.map(|token| format!("Bearer {token}"));
    let mut headers = HEADERS.to_vec();
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    let url = scene.azure.ingestion_url(rule);
    scene.client.post(&url, &headers, body).await.unwrap()
}

fn mint(scene: &Scene) -> String {
    scene.azure.mint(&scene.identity, AUDIENCE)
}

fn stored(scene: &Scene) -> u64 {
    scene.azure.workspace(&scene.rule, tests::azure::Workspace::sample_count)
}

#[tokio::test]
async fn a_write_with_a_good_token_is_kept() {
    let scene = Scene::new().await;
    let token = mint(&scene);
    for expected in [1, 1] {
        assert_eq!(write(&scene, &scene.rule, Some(&token), good()).await.status, 204);
        assert_eq!(stored(&scene), expected);
    }
    let changed = encode(&WriteRequest {
        timeseries: vec![series(&[("__name__", "up"), ("job", "a")], &[(1000, 0.0), (2000, 1.0)])],
        ..WriteRequest::default()
    });
    assert_eq!(write(&scene, &scene.rule, Some(&token), changed).await.status, 204);
    scene.azure.workspace(&scene.rule, |workspace| {
        assert_eq!((workspace.sample_count(), workspace.series_count()), (2, 1));
        assert_eq!((workspace.duplicates(), workspace.conflicts()), (1, 1));
        let (labels, up) = workspace.find(&[("__name__", "up")]).next().unwrap();
        assert_eq!(labels["job"], "a");
        assert_eq!(up.newest().unwrap().timestamp, 2000);
        assert_eq!(up.samples.len(), 4, "every copy is kept");
        assert_eq!(workspace.writers[&scene.identity.client_id], 3);
        assert_eq!(workspace.audiences[AUDIENCE], 3);
    });
}

#[tokio::test]
async fn a_write_without_the_right_token_is_refused() {
    let scene = Scene::new().await;
    let genuine = mint(&scene);
    let forged = {
        let (signed, _) = genuine.rsplit_once('.').unwrap();
        format!("{signed}.{}", secret::uuid())
    };
    let wrong_audience = scene.azure.mint(&scene.identity, OTHER_RESOURCE);
    let foreign = Scene::new().await;
    let foreign_token = mint(&foreign);
    for (why, bearer) in [
        ("missing", None),
        ("empty", Some("")),
        ("forged", Some(forged.as_str())),
        ("of another Azure", Some(foreign_token.as_str())),
        ("for another audience", Some(wrong_audience.as_str())),
    ] {
        let reply = write(&scene, &scene.rule, bearer, good()).await;
        assert_eq!(reply.status, 401, "{why}");
        assert!(reply.headers.contains_key("www-authenticate"), "{why}");
    }
    scene.azure.clock().advance(Duration::from_mins(75));
    assert_eq!(write(&scene, &scene.rule, Some(&genuine), good()).await.status, 401, "expired");

    let revoked = mint(&scene);
    scene.azure.tokens().revoke_all();
    assert_eq!(write(&scene, &scene.rule, Some(&revoked), good()).await.status, 401, "revoked");

    let without_role = scene.azure.mint(&Principal::new(), AUDIENCE);
    let reply = write(&scene, &scene.rule, Some(&without_role), good()).await;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("IsRbacPresent: False"), "{}", reply.text());
    assert_eq!(stored(&scene), 0);
}

#[tokio::test]
async fn an_audience_is_compared_letter_by_letter() {
    let scene = Scene::new().await;
    let bare = scene.azure.mint(&scene.identity, PUBLIC_AUDIENCES[1]);
    assert_eq!(write(&scene, &scene.rule, Some(&bare), good()).await.status, 204);
    scene.azure.change(|setup| setup.audiences = vec![PUBLIC_AUDIENCES[0].to_owned()]);
    assert_eq!(write(&scene, &scene.rule, Some(&bare), good()).await.status, 401);
}

#[tokio::test]
async fn a_write_must_be_remote_write() {
    let scene = Scene::new().await;
    let token = mint(&scene);
    let unsorted = series(&[("job", "a"), ("__name__", "up")], &[(1, 1.0)]);
    let nameless = series(&[("job", "a")], &[(1, 1.0)]);
    let of = |one: TimeSeries| {
        encode(&WriteRequest { timeseries: vec![one], ..WriteRequest::default() })
    };
    let mut cut = good();
    cut.pop();
    for (why, status, body) in [
        ("not snappy", 400, b"up 1".to_vec()),
        ("snappy cut off", 400, cut),
        ("a bomb", 400, vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]),
        ("not protobuf", 400, snap::raw::Encoder::new().compress_vec(b"\xff\xff").unwrap()),
        ("unsorted labels", 400, of(unsorted)),
        ("no name", 400, of(nameless)),
        ("nothing", 400, Vec::new()),
        ("too long", 413, vec![0; (1 << 20) + 1]),
    ] {
        let reply = write(&scene, &scene.rule, Some(&token), body).await;
        assert_eq!(reply.status, status, "{why}: {}", reply.text());
    }
    assert_eq!(
        write(&scene, &format!("dcr-{}", "0".repeat(32)), Some(&token), good()).await.status,
        404
    );
    let bearer = format!("Bearer {token}");
    for (name, value) in [("content-encoding", "gzip"), ("content-type", "application/json")] {
        let mut headers = HEADERS.to_vec();
        headers.retain(|(have, _)| *have != name);
        headers.extend([(name, value), ("authorization", bearer.as_str())]);
        let url = scene.azure.ingestion_url(&scene.rule);
        assert_eq!(scene.client.post(&url, &headers, good()).await.unwrap().status, 415, "{name}");
    }
    assert_eq!(stored(&scene), 0);
}

#[tokio::test]
async fn version_2_is_taken_where_it_is_switched_on() {
    let scene = Scene::new().await;
    let symbols = ["", "__name__", "up", "help text"].map(str::to_owned).to_vec();
    let request = wire::v2::Request {
        symbols,
        timeseries: vec![wire::v2::TimeSeries {
            labels_refs: vec![1, 2],
            samples: vec![Sample { value: 1.0, timestamp: 5, start_timestamp: 1 }],
            metadata: Some(wire::v2::Metadata { kind: 2, help_ref: 3, unit_ref: 0 }),
            ..wire::v2::TimeSeries::default()
        }],
    };
    let bearer = format!("Bearer {}", mint(&scene));
    let headers = [
        ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "2.0.0"),
        ("authorization", bearer.as_str()),
    ];
    let url = scene.azure.ingestion_url(&scene.rule);
    let refused = scene.client.post(&url, &headers, encode(&request)).await.unwrap();
    assert_eq!(refused.status, 415);
    scene.azure.change(|setup| setup.remote_write_2 = true);
    let taken = scene.client.post(&url, &headers, encode(&request)).await.unwrap();
    assert_eq!(taken.status, 204);
    assert_eq!(taken.headers["x-prometheus-remote-write-samples-written"], "1");
    scene.azure.workspace(&scene.rule, |workspace| {
        assert_eq!(workspace.metadata("up").unwrap().help, "help text");
        assert_eq!(workspace.sample_count(), 1);
    });
}

#[tokio::test]
async fn connections_break_where_they_are_told_to() {
    let scene = Scene::new().await;
    let bearer = format!("Bearer {}", mint(&scene));
    let mut headers = HEADERS.to_vec();
    headers.push(("authorization", bearer.as_str()));
    let url = scene.azure.ingestion_url(&scene.rule);
    let faults = scene.azure.faults(Service::Ingestion);
    for (moment, stored_then) in [
        (Moment::BeforeBody, 0),
        (Moment::MidBody, 0),
        (Moment::AfterBody, 0),
        (Moment::AfterWork, 1),
        (Moment::MidAnswer, 1),
    ] {
        faults.push(Fault::drop(moment));
        let reply = scene.client.post(&url, &headers, good()).await;
        assert!(reply.is_err(), "{moment:?}: {reply:?}");
        assert_eq!(stored(&scene), stored_then, "{moment:?}");
    }
    faults.push(Fault::redirect(307, "https://evil.example/"));
    let reply = scene.client.post(&url, &headers, good()).await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), &reply.headers["location"]),
        (307, &"https://evil.example/".parse().unwrap())
    );

    let pause = Duration::from_millis(60);
    faults.push(Fault::delay(pause));
    faults.push(Fault::slow_reading(pause));
    for _ in 0..2 {
        let start = Instant::now();
        assert_eq!(scene.client.post(&url, &headers, good()).await.unwrap().status, 204);
        assert!(start.elapsed() >= pause);
    }
    faults.push(Fault::hang());
    let patience = Duration::from_millis(200);
    let hanging = tokio::time::timeout(patience, scene.client.post(&url, &headers, good())).await;
    assert!(hanging.is_err());
    assert_eq!(faults.waiting(), 0);
}
