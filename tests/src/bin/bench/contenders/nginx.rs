//! nginx as a reverse proxy with a fixed token.

use tests::{
    failure::{Context, Outcome},
    machine::{environment, process::Program},
};

use crate::stage::{PATH, Stage};

/// nginx from the search path, with its own configuration.
pub(super) fn program(stage: &Stage, port: u16) -> Outcome<Program> {
    let folder = stage.folder.path();
    let file = folder.join(format!("nginx-{port}.conf"));
    std::fs::write(&file, configuration(stage, port)).context("write nginx' configuration")?;
    let nginx = environment::on_path("nginx").context("find nginx")?;
    Ok(Program::new("nginx", nginx).args(["-p", &folder.display().to_string()]).args([
        "-c",
        &file.display().to_string(),
        "-e",
        "stderr",
    ]))
}

/// One worker, as the sidecar has one thread. Bodies stay in memory: their
/// buffer is larger than the largest. Connections are kept for ever on both
/// sides, so that no handshake is measured.
fn configuration(stage: &Stage, port: u16) -> String {
    let (sink, token) = (stage.sink.address, &stage.token);
    let trust = stage.trust.display();
    format!(
        "daemon off; worker_processes 1; pid nginx-{port}.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  client_max_body_size 16m; client_body_buffer_size 2m;
  keepalive_requests 1000000000; keepalive_timeout 1h;
  upstream sink {{
    server {sink};
    keepalive 200; keepalive_requests 1000000000; keepalive_timeout 1h;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = /api/v1/write {{
      proxy_pass https://sink{PATH};
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host localhost;
      proxy_set_header Authorization \"Bearer {token}\";
      proxy_ssl_protocols TLSv1.2 TLSv1.3;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {trust};
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
    }}
  }}
}}
"
    )
}
