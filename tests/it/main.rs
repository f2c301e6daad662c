//! Everything end to end, in one binary, so that it is linked once.

// `cfg(test)` is always set here; Clippy's leave to unwrap in tests asks for it.
#[cfg(test)]
mod admission;
#[cfg(test)]
mod azure;
#[cfg(test)]
mod chart;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod control_plane;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod release;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod status;
