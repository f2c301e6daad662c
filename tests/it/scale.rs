//! How the product's needs grow with the cluster: `just scale`.
//!
//! Each part is measured at some sizes, and all figures are printed as one table. Times
//! are shown and not judged, since they depend on the machine. The run fails if a pod exists
//! without its sidecar, a review is refused, a connection breaks, a sidecar stays without a
//! token, or the watcher may list what it does not own.

mod pods;
mod reviews;
mod sidecars;
mod table;
mod watcher;

use tests::say;

use self::table::Table;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: just scale"]
async fn the_product_scales_with_the_cluster() {
    let mut table = Table::default();
    for count in [10, 100] {
        sidecars::measure(count, &mut table).await;
    }
    pods::measure(&[10, 100, 1000], &mut table).await;
    // The webhook keeps 256 connections.
    for connections in [10, 100] {
        reviews::measure(connections, &mut table).await;
    }
    watcher::measure(&[10, 100, 1000], &mut table).await;
    say(table);
}
