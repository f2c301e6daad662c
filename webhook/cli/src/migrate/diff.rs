//! Two texts line by line.

use std::fmt::Write as _;

/// Lines around a change that are shown with it.
const AROUND: usize = 3;

/// What is the same ( ), gone (-) and new (+), without what is far from a change.
pub(super) fn diff(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let lines = marked(&old, &new);
    let is_change = |line: &(char, &str)| line.0 != ' ';
    let mut text = String::new();
    let mut left_out = false;
    for (index, (mark, line)) in lines.iter().enumerate() {
        let near = index.saturating_sub(AROUND)..(index + AROUND + 1).min(lines.len());
        if lines.get(near).is_some_and(|near| near.iter().any(is_change)) {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{mark} {line}");
            left_out = false;
        } else if !left_out {
            text.push_str("  …\n");
            left_out = true;
        }
    }
    text
}

/// All lines, by the longest common subsequence: pods have some hundred lines, for
/// which a table of all pairs is small.
fn marked<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    // How many lines of the rests from i and j on are the same.
    let mut same = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    let at = |same: &[Vec<usize>], i: usize, j: usize| {
        same.get(i).and_then(|row| row.get(j)).copied().unwrap_or_default()
    };
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let count = if one == other {
                at(&same, i + 1, j + 1) + 1
            } else {
                at(&same, i + 1, j).max(at(&same, i, j + 1))
            };
            if let Some(cell) = same.get_mut(i).and_then(|row| row.get_mut(j)) {
                *cell = count;
            }
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(one), Some(other)) if one == other => {
                lines.push((' ', *one));
                (i, j) = (i + 1, j + 1);
            }
            (Some(one), other) if other.is_none() || at(&same, i + 1, j) >= at(&same, i, j + 1) => {
                lines.push(('-', *one));
                i += 1;
            }
            (_, Some(other)) => {
                lines.push(('+', *other));
                j += 1;
            }
            (_, None) => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn changes_are_marked_with_the_lines_around_them() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
        let after = "a\nb\nc\nd\nE\nx\nf\ng\nh\ni\nj\n";
        let expected = "  …\n  b\n  c\n  d\n- e\n+ E\n+ x\n  f\n  g\n  h\n  i\n+ j\n";
        assert_eq!(diff(before, after), expected);
        assert_eq!(diff(before, before), "  …\n");
        assert_eq!(diff("", "a\n"), "+ a\n");
    }
}
