//! Everything that runs.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use contract::names;
use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{
    azure::{Labels, Report},
    failure::{Context, Failure, Outcome},
    keys::authority::ApplicationCertificate,
    kubernetes::kubelet::Files,
    machine::{
        clock::{Clock, since_epoch},
        ports,
        process::Process,
    },
    product::{
        binaries,
        sidecar::Sidecar,
        webhook::{IssuedCertificate, Webhook},
    },
    prometheus::{
        Options, Prometheus,
        account::{self, Difference},
    },
    scene::{CLUSTER, Scene},
};
use tokio::time::sleep;

use super::{chance::Chance, changes::Changes};

/// The label by which the same samples are told apart, one value for each sidecar.
const WRITER: &str = "writer";
/// Often enough that a fault meets writes, and seldom enough that hours fit into memory.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(5);
/// Tokens are refreshed all the time.
const TOKEN_LIFETIME: Duration = Duration::from_mins(2);
const READY_WITHIN: Duration = Duration::from_secs(30);
/// After a first signal.
const SERVES_ON: Duration = Duration::from_secs(2);

/// A sidecar.
struct Member {
    name: String,
    /// The rule that it writes to.
    rule: String,
    pod: Value,
    sidecar: Sidecar,
    /// It is restarted now and then.
    is_restarted: bool,
}

/// Everything that runs. Dropped, it is killed.
pub(crate) struct Fleet {
    pub(crate) scene: Scene,
    pub(crate) webhook: Webhook,
    pub(crate) changes: Changes,
    members: Vec<Member>,
    prometheus: Prometheus,
    program: PathBuf,
    /// Milliseconds since 1970.
    begun: i64,
}

/// What was stored, by sidecar, and how often at all something was stored again.
pub(crate) struct Account {
    members: Vec<(String, usize, Difference)>,
    duplicates: u64,
    conflicts: u64,
}

impl Fleet {
    /// Starts a webhook, so many sidecars and a Prometheus that writes to all of them.
    pub(crate) async fn start(sidecars: usize) -> Outcome<Self> {
        let program = binaries::find(binaries::SIDECAR)?;
        let scene = Scene::new().await?;
        scene.azure.issue_tokens_for(TOKEN_LIFETIME);
        let certificate = IssuedCertificate::in_process("localhost")?;
        let webhook = Webhook::start(certificate, &scene.configuration()).await?;
        let changes = Changes::new(&scene.configuration())?;
        let mut members = Vec::new();
        for number in 0..sidecars {
            let role = *scene.roles().get(number % 2).context("choose a role")?;
            let pod = Scene::pod(role, ports::free()?)?;
            let admitted = webhook.create(&pod).await?;
            if !admitted.allowed {
                return Err(Failure::new(admitted.message));
            }
            let mut sidecar = Sidecar::start(&scene.kubelet, &admitted.pod, &program).await?;
            sidecar.ready(READY_WITHIN).await?;
            let name = format!("sidecar-{number}");
            members.push(Member {
                name,
                rule: role.rule.clone(),
                pod: admitted.pod,
                sidecar,
                is_restarted: number / 2 % 2 == 1,
            });
        }
        let prometheus = Prometheus::start(&options(&webhook, &members)).await?;
        let begun = milliseconds(since_epoch(Clock::default().now()));
        Ok(Self { scene, webhook, changes, members, prometheus, program, begun })
    }

    /// The processes that are never restarted.
    pub(crate) fn steady(&mut self) -> Vec<(&str, &Process)> {
        let members = self.members.iter_mut().filter(|member| !member.is_restarted);
        let sidecars = members.map(|one| (one.name.as_str(), &*one.sidecar.process()));
        sidecars.chain([("webhook", &*self.webhook.process())]).collect()
    }

    /// The application has a new certificate, which is mounted everywhere, and the old one
    /// is not registered any more.
    pub(crate) fn renew_certificate(&mut self) -> Outcome<()> {
        let certificate = ApplicationCertificate::new("prometheus")?;
        let pfx = certificate.pfx()?;
        self.scene.azure.change(|setup| {
            for application in &mut setup.applications {
                application.certificates = vec![certificate.der().to_vec()];
            }
        });
        let classes = self.scene.kubelet.provider_classes.values_mut();
        for file in classes.flat_map(|files| files.values_mut()) {
            file.clone_from(&pfx);
        }
        let mounted: Vec<&Files> = self.scene.kubelet.provider_classes.values().collect();
        for member in &self.members {
            if let (Some(volume), [files]) =
                (member.sidecar.volume(names::CERTIFICATE_VOLUME), &mounted[..])
            {
                volume.write(files)?;
            }
        }
        Ok(())
    }

    /// Restarts one of those that are restarted, as the kubelet does.
    pub(crate) async fn restart(&mut self, signal: Signal, chance: &mut Chance) -> Outcome<()> {
        let members = self.members.iter().enumerate().filter(|(_, one)| one.is_restarted);
        let numbers: Vec<usize> = members.map(|(number, _)| number).collect();
        let Some(number) = chance.of(&numbers) else { return Ok(()) };
        let Some(member) = self.members.get_mut(*number) else { return Ok(()) };
        let process = member.sidecar.process();
        process.signal(signal)?;
        if process.wait(SERVES_ON).await.is_err() {
            // It serves Prometheus until that ends; a second signal ends it at once.
            process.signal(signal)?;
            process.wait(READY_WITHIN).await?;
        }
        member.sidecar = Sidecar::start(&self.scene.kubelet, &member.pod, &self.program).await?;
        Ok(())
    }

    /// Waits until Azure has all that Prometheus has.
    pub(crate) async fn settle(&self, patience: Duration) -> Outcome<Account> {
        let at = since_epoch(Clock::default().now());
        let now = milliseconds(at);
        let minutes = (now - self.begun) / 60_000 + 2;
        let selector = format!("{{__name__=~\".+\"}}[{minutes}m]");
        let ranges = self.prometheus.range(&selector, Some(at.as_secs_f64())).await?;
        let begun = Instant::now();
        let mut account = Account { members: Vec::new(), duplicates: 0, conflicts: 0 };
        for member in &self.members {
            let external = external(&member.name);
            let held = account::held(ranges.clone(), &external, self.begun);
            let difference = loop {
                let times = self.begun..=now;
                let mut report = self
                    .scene
                    .azure
                    .workspace(&member.rule, |workspace| Report::of(workspace, times.clone()));
                report.series.retain(|series| series.labels.get(WRITER) == external.get(WRITER));
                let arrived = account::arrived(&report, self.begun);
                let difference = account::difference(&held, &arrived, &[]);
                if difference.missing.is_empty() || begun.elapsed() > patience {
                    break difference;
                }
                sleep(Duration::from_secs(5)).await;
            };
            account.members.push((member.name.clone(), account::count(&held), difference));
        }
        for rule in self.scene.azure.rules() {
            self.scene.azure.workspace(&rule, |workspace| {
                account.duplicates += workspace.duplicates();
                account.conflicts += workspace.conflicts();
            });
        }
        Ok(account)
    }

    /// Stops everything in the order in which nothing is lost.
    pub(crate) async fn stop(&mut self) -> Outcome<()> {
        self.prometheus.stop().await?;
        for member in &mut self.members {
            member.sidecar.stop().await?;
        }
        self.webhook.stop().await
    }
}

/// One Prometheus that scrapes all and writes to each sidecar, each time as another writer.
fn options(webhook: &Webhook, members: &[Member]) -> Options {
    let webhook = ("webhook".to_owned(), webhook.metrics_address());
    let sidecars = members.iter().map(|one| (one.name.clone(), one.sidecar.address()));
    let relabelling = |one: &Member| {
        let rule = json!([{"target_label": WRITER, "replacement": one.name}]);
        (one.name.clone(), rule)
    };
    Options {
        targets: sidecars.chain([webhook]).collect(),
        remote_writes: members
            .iter()
            .map(|one| (one.name.clone(), one.sidecar.write_url()))
            .collect(),
        write_relabelling: members.iter().map(relabelling).collect(),
        external_labels: BTreeMap::from([("cluster".to_owned(), CLUSTER.to_owned())]),
        scrape_interval: SCRAPE_INTERVAL,
        ..Options::default()
    }
}

fn external(writer: &str) -> Labels {
    [("cluster", CLUSTER), (WRITER, writer)].map(|(name, value)| (name.into(), value.into())).into()
}

fn milliseconds(since_epoch: Duration) -> i64 {
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

impl Account {
    /// Whether Prometheus held samples, none is missing, and nothing arrived that there
    /// never was.
    pub(crate) fn is_complete(&self) -> bool {
        let is_equal = |(_, held, difference): &(String, usize, Difference)| {
            *held > 0 && difference.missing.is_empty() && difference.invented.is_empty()
        };
        self.conflicts == 0 && self.members.iter().all(is_equal)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, held, difference) in &self.members {
            let (missing, invented) = (difference.missing.len(), difference.invented.len());
            write!(f, "{name:20}  {held} samples, {missing} missing, {invented} invented")?;
            if let Some((labels, time)) = difference.missing.first() {
                write!(f, ", the first missing: {labels:?} at {time}")?;
            }
            writeln!(f)?;
        }
        let (duplicates, conflicts) = (self.duplicates, self.conflicts);
        write!(
            f,
            "{duplicates} samples stored again (where an answer was lost), {conflicts} with another value"
        )
    }
}
