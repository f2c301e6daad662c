use std::os::unix::fs::symlink;

use super::*;

const LEAF: &[u8] = include_bytes!("../testdata/leaf.crt.pem");
const LEAF_KEY: &[u8] = include_bytes!("../testdata/leaf.key.pem");
const OTHER: &[u8] = include_bytes!("../testdata/rsa3072.pem");
const OTHER_KEY: &[u8] = include_bytes!("../testdata/other.key.pem");
const LOCKED: &[u8] = include_bytes!("../testdata/password.pfx");

fn file(path: &Path, password_file: Option<&Path>) -> CertificateFile {
    CertificateFile::new(&contract::Certificate {
        path: path.to_owned(),
        password_file: password_file.map(ToOwned::to_owned),
        send_chain: false,
    })
}

fn subject(news: Option<Result<Certificate, String>>) -> String {
    news.unwrap().unwrap().summary.subject
}

fn failed(news: Option<Result<Certificate, String>>) -> String {
    news.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_mounted_secret_is_followed_through_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let put = |generation: &str, content: &[u8]| {
        let target = folder.path().join(generation);
        fs::create_dir(&target).unwrap();
        fs::write(target.join("certificate"), content).unwrap();
        symlink(generation, folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
    };
    put("..1", &[LEAF, LEAF_KEY].concat());
    symlink("..data/certificate", folder.path().join("certificate")).unwrap();
    let mut file = file(&folder.path().join("certificate"), None);
    assert_eq!(subject(file.look().await), "O=Example, CN=prometheus");
    put("..2", OTHER);
    assert_eq!(subject(file.look().await), "CN=rsa3072");
    put("..3", OTHER);
    assert!(file.look().await.is_none());
}

#[tokio::test]
async fn reading_and_decrypting_is_not_done_on_the_event_loop() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pfx"), [LEAF, LEAF_KEY].concat()).unwrap();
    let mut file = file(&folder.path().join("pfx"), None);
    let mut look = std::pin::pin!(file.look());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(look.as_mut().poll(&mut context).is_pending());
    assert_eq!(subject(look.await), "O=Example, CN=prometheus");
}

#[tokio::test]
async fn the_key_of_a_tls_secret_lies_beside_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tls.crt"), LEAF).unwrap();
    let mut file = file(&folder.path().join("tls.crt"), None);
    assert!(failed(file.look().await).contains("without its private key"));
    fs::write(folder.path().join("tls.key"), LEAF_KEY).unwrap();
    assert_eq!(subject(file.look().await), "O=Example, CN=prometheus");
    fs::write(folder.path().join("tls.key"), OTHER_KEY).unwrap();
    assert!(failed(file.look().await).contains("matches none"));
}

#[tokio::test]
async fn the_password_is_read_without_its_lines_end_and_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (pfx, password) = (folder.path().join("pfx"), folder.path().join("password"));
    fs::write(&pfx, LOCKED).unwrap();
    let mut file = file(&pfx, Some(&password));
    assert!(failed(file.look().await).contains("password: No such file"));
    fs::write(&password, "wrong\n").unwrap();
    let reason = failed(file.look().await);
    assert!(reason.contains("AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE"), "{reason}");
    assert!(!reason.contains("wrong"), "{reason}");
    fs::write(&password, "s3cret-pässwörd\r\n").unwrap();
    assert_eq!(subject(file.look().await), "O=Example, CN=prometheus");
    assert!(!format!("{file:?}").contains("s3cret"));
}

#[tokio::test]
async fn files_that_cannot_be_a_certificate_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut missing = file(&folder.path().join("missing"), None);
    assert!(failed(missing.look().await).ends_with("; its directory is empty"));
    assert!(missing.look().await.is_none());
    fs::write(folder.path().join("other"), "").unwrap();
    assert!(failed(missing.look().await).ends_with("; its directory has other"));
    assert!(failed(file(folder.path(), None).look().await).contains("it is a directory"));
    assert!(failed(file(Path::new("/dev/zero"), None).look().await).contains("not a file"));
    let large = folder.path().join("large");
    fs::write(&large, vec![0; MAX_FILE_BYTES + 1]).unwrap();
    assert!(failed(file(&large, None).look().await).contains("at most 262144"));
}
