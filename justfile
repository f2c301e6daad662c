[private]
default:
    @just --list --unsorted

# Everything that CI runs
check:
    .ci/run

# Put the code into its form
fmt:
    cargo fmt --all

# Compiler's and clippy's warnings, as errors
lint:
    .ci/run lint

# All tests
test *ARGS:
    cargo test {{ ARGS }}

# Rewrite what tests compare with: golden pods, tables in READMEs, install.yaml
bless:
    UPDATE_EXPECT=1 cargo test

# The documentation of all crates, private items included
doc:
    .ci/run doc

# Licences, sources and duplicates among the dependencies
deny:
    .ci/run deny

# The main job on real input; `just demo --once` ends after the first proof
demo *ARGS:
    cargo demo -- {{ ARGS }}

# Random input for a parser of sidecar, webhook or webhook/cli; needs a nightly compiler and cargo-fuzz
fuzz PROGRAM="webhook" TARGET="review" *ARGS:
    cd {{ PROGRAM }} && cargo +nightly fuzz run {{ TARGET }} {{ ARGS }}

# What a request costs, counted; `UPDATE_EXPECT=1 just guard` writes it down
guard:
    .ci/run guard

# CPU, latency and memory beside nginx and a bare hyper proxy; `just bench --help`
bench *ARGS:
    cargo run --profile bench --package tests --bin bench -- {{ ARGS }}

# A real cluster on this machine, from nothing: minutes the first time
kind-up *ARGS:
    cargo kind up {{ ARGS }}

# Remove it, and whatever was started for it
kind-down *ARGS:
    cargo kind down {{ ARGS }}

# Build images anew and load them into its nodes: sidecar, webhook, certs, azure
kind-load +IMAGES:
    cargo kind load {{ IMAGES }}

# Write the logs of its nodes and pods into a folder
kind-logs *FOLDER:
    cargo kind logs {{ FOLDER }}

# The whole product on that cluster, through every fault; or by scenarios' names
kind-test *SCENARIOS:
    cargo test --package tests --features kind --test kind -- {{ SCENARIOS }}

# Write the three images into a folder, for `docker load`: no engine, no registry
images FOLDER="target/images":
    cargo run --package tests --bin images -- {{ FOLDER }}
