//! How much memory a review may take once it is read: a few bytes of JSON can become
//! a hundred times as many.

/// What JSON may become; the rest of the container's memory (128 MiB in the chart) is
/// for connections and the bodies of others. A pod of the largest size that the API
/// server stores, 1.5 MiB, stays below it.
pub(super) const MAX_BYTES: usize = 40 << 20;
/// A map with one entry takes the node that would hold eleven of 24 and 32 bytes.
const MAP_BYTES: u16 = 656;
/// An array with one element takes room for four.
const ARRAY_BYTES: u16 = 144;
/// Nodes are at least half full.
const ENTRY_BYTES: u16 = 144;
/// An array has room for at most twice its elements, and while it grows it is held
/// twice.
const ELEMENT_BYTES: u16 = 96;
/// Each end of a string: a short one takes 32 bytes.
const QUOTE_BYTES: u16 = 16;
/// More than any byte can become: `{"":` and the `}` that ends it take five.
const MOST: usize = (MAP_BYTES + ENTRY_BYTES + 2 * QUOTE_BYTES) as usize / 5 + 1;

/// An upper bound of the bytes that this JSON takes once it is read. Only where it
/// seems too much is it asked which characters are inside strings: that takes longer.
#[expect(clippy::indexing_slicing, reason = "each byte has an entry")]
pub(super) fn weight(json: &[u8]) -> usize {
    if json.len() <= MAX_BYTES / MOST {
        return json.len() * MOST;
    }
    let all = json.len()
        + json.iter().map(|byte| usize::from(WEIGHTS[usize::from(*byte)])).sum::<usize>();
    if all <= MAX_BYTES { all } else { outside_strings(json) }
}

/// The same without what stands inside strings: an annotation may hold a dashboard. Text
/// that is not JSON is rejected by the parser, wherever its strings seem to end.
#[expect(clippy::indexing_slicing, reason = "each byte has an entry")]
fn outside_strings(json: &[u8]) -> usize {
    let (mut bytes, mut in_string, mut escaped) = (json.len(), false, false);
    for byte in json {
        let ends = *byte == b'"' && !escaped;
        if ends || !in_string {
            bytes += usize::from(WEIGHTS[usize::from(*byte)]);
        }
        escaped = in_string && *byte == b'\\' && !escaped;
        in_string ^= ends;
    }
    bytes
}

/// The possible size of each byte. A table, because a pod of 300 KiB is weighed so in a
/// quarter of the time that comparisons take.
#[expect(clippy::indexing_slicing, reason = "each byte has an entry")]
const WEIGHTS: [u16; 256] = {
    let mut weights = [0; 256];
    weights[b'{' as usize] = MAP_BYTES;
    weights[b'[' as usize] = ARRAY_BYTES;
    weights[b':' as usize] = ENTRY_BYTES;
    weights[b',' as usize] = ELEMENT_BYTES;
    weights[b'"' as usize] = QUOTE_BYTES;
    weights
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_json_is_heavy_and_a_large_pod_is_not() {
        for (dense, repeated) in [("0,", 600_000), (r#"{"":0},"#, 60_000), ("[],", 300_000)] {
            assert!(weight(dense.repeat(repeated).as_bytes()) > MAX_BYTES, "{dense}");
        }
        // No object is larger in the API server's storage.
        let container = r#"{"name":"container-0","image":"registry.example.com/team/application:1.2.3","env":[{"name":"CHECKOUT_SERVICE_ADDRESS","value":"checkout.shop.svc.cluster.local:8080"},{"name":"LOG_LEVEL","value":"info"}]},"#;
        let pod = container.repeat((3 << 19) / container.len());
        assert!(weight(pod.as_bytes()) < MAX_BYTES, "{}", weight(pod.as_bytes()));
    }

    #[test]
    fn braces_in_strings_are_not_structure() {
        // What an object of 1.5 MiB can hold at most.
        for inside in [r#"{"a":1},"#, r"\{[:,\\", r#"[\"{\"],"#] {
            let held = serde_json::to_string(&inside.repeat((3 << 19) / 2 / inside.len())).unwrap();
            let pod = format!(r#"{{"metadata":{{"annotations":{{"held":{held}}}}}}}"#);
            assert!(weight(pod.as_bytes()) < MAX_BYTES, "{inside}: {}", weight(pod.as_bytes()));
        }
    }

    #[test]
    fn structure_behind_a_string_is_seen() {
        for end in ["", "\\", "\"", "\\\\", "\\\"", "{", "[\\"] {
            let string = serde_json::to_string(&format!("text{end}")).unwrap();
            let json = format!("[{string},{}0]", r#"{"":0},"#.repeat(60_000));
            assert!(weight(json.as_bytes()) > MAX_BYTES, "{string}");
        }
    }
}
