[private]
default:
    @just --list --unsorted

# Everything that CI runs
check:
    .ci/run

# Format the code
fmt:
    cargo fmt --all

# Warnings of the compiler and of clippy, as errors
lint:
    .ci/run lint

# All tests
test *ARGS:
    cargo test {{ ARGS }}

# Update golden files: golden pods, tables in READMEs, install.yaml
bless:
    UPDATE_EXPECT=1 cargo test

# The documentation of all crates, private items included
doc:
    .ci/run doc

# Check licences, sources and duplicates of the dependencies
deny:
    .ci/run deny

# Run the main path on real data, without Azure; `just demo --once` stops after the first proof
demo *ARGS:
    cargo demo -- {{ ARGS }}

# Draw the pictures of the demo and of the dashboard again, from a run: three minutes
pictures:
    cargo demo -- --once --picture tests/demo.svg
    cargo demo -- --once --dashboard manifests/dashboard.svg

# Fuzz a parser of sidecar, webhook or webhook/cli; needs a nightly compiler and cargo-fuzz
fuzz PROGRAM="webhook" TARGET="review" *ARGS:
    cd {{ PROGRAM }} && cargo +nightly fuzz run {{ TARGET }} {{ ARGS }}

# Count instructions, allocations and system calls of a request; `UPDATE_EXPECT=1 just guard` updates them
guard:
    .ci/run guard

# Measure CPU, latency and memory, compared with nginx and a minimal hyper proxy; `just bench --help`
bench *ARGS:
    cargo run --profile bench --package tests --bin bench -- {{ ARGS }}

# Run everything for as long as you like under faults, and account for samples, memory, descriptors and threads; `just soak --minutes 120`
soak *ARGS:
    cargo run --package tests --bin soak -- {{ ARGS }}

# Measure what grows with the cluster: sidecars and pods at once, reviews during rotation, the watcher among others
scale:
    CI=true cargo test --workspace --test it -- --ignored --exact scale::the_product_scales_with_the_cluster

# Test with other versions of Kubernetes and Prometheus, or with some: `just matrix kubernetes=1.32`
matrix *CELLS:
    cargo run --package tests --bin matrix -- {{ CELLS }}

# Create a local test cluster with kind: takes minutes the first time
kind-up *ARGS:
    cargo kind up {{ ARGS }}

# Delete it, and everything that was started for it
kind-down *ARGS:
    cargo kind down {{ ARGS }}

# Rebuild images and load them into its nodes: sidecar, webhook, certs, azure
kind-load +IMAGES:
    cargo kind load {{ IMAGES }}

# Write the logs of its nodes and pods to a folder
kind-logs *FOLDER:
    cargo kind logs {{ FOLDER }}

# Test the product on that cluster, in every scenario of faults, or in the given scenarios
kind-test *SCENARIOS:
    cargo test --package tests --features kind --test kind -- {{ SCENARIOS }}

# Build the three images into a folder, for `docker load`, without an engine or a registry; `just images target/images --architecture arm64`
images FOLDER="target/images" *ARGS:
    cargo run --package tests --bin images -- {{ FOLDER }} {{ ARGS }}
