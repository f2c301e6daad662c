//! The command lines in the READMEs are what the programs print. `UPDATE_EXPECT=1` writes
//! them again.

use std::{fs, time::Duration};

use tests::{
    machine::{environment, process::Program},
    product::binaries::{self, CERTS, CLI, SIDECAR, WEBHOOK},
};

use super::{WRITING, root};

const PATIENCE: Duration = Duration::from_mins(1);

/// Page, program, and subcommands that are shown.
const SHOWN: &[(&str, &str, &[&str])] = &[
    ("sidecar/README.md", SIDECAR, &["check", "health", "native"]),
    ("webhook/README.md", WEBHOOK, &["serve", "verify"]),
    (
        "webhook/cli/README.md",
        CLI,
        &["inject", "explain", "migrate", "policy", "check", "status", "validate"],
    ),
    ("certs/README.md", CERTS, &["issue", "rotate"]),
];

#[tokio::test]
async fn command_lines_are_what_the_programs_print() {
    for (page, program, commands) in SHOWN {
        let file = root().join(page);
        let _writing = WRITING.lock().await;
        let before = fs::read_to_string(&file).unwrap();
        let mut text = before.clone();
        for command in *commands {
            let printed = Program::new(*program, binaries::find(program).unwrap())
                .args([command, "-h"])
                .run(PATIENCE)
                .await
                .unwrap();
            // Empty lines end in spaces here and there.
            let lines: Vec<&str> = printed.trim().lines().map(str::trim_end).collect();
            let section = format!("```text\n{}\n```", lines.join("\n"));
            text = with_section(&text, &format!("help {command}"), &section);
        }
        if environment::variable("UPDATE_EXPECT").is_some() {
            fs::write(&file, &text).unwrap();
        } else {
            assert!(text == before, "{page} is stale: `just bless` writes it anew");
        }
        all_commands_are_named(page, program, &text).await;
    }
}

/// The text with another between the two marks of this name.
pub(super) fn with_section(text: &str, name: &str, section: &str) -> String {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {name}"));
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}\n{section}\n\n{end}{after}")
}

/// No subcommand is left out.
async fn all_commands_are_named(page: &str, program: &str, text: &str) {
    let file = binaries::find(program).unwrap();
    let printed = Program::new(program, file).arg("-h").run(PATIENCE).await.unwrap();
    let (_, commands) = printed.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| line.starts_with("  "));
    for command in commands.filter_map(|line| line.split_whitespace().next()) {
        // What kubectl runs is called as kubectl calls it.
        let program = if program == CLI { "kubectl prom-remotewrite" } else { program };
        let named = command == "help" || text.contains(&format!("`{program} {command}`"));
        assert!(named, "{page} says nothing of `{program} {command}`");
    }
}
