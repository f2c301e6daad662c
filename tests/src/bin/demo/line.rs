//! A line of the screen: pieces of text, each in a style. Pure.

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Red,
    Green,
}

/// A piece of a line.
pub(crate) type Piece = (Style, String);

/// Lines of at most `width` columns, broken at spaces; all but the first begin with `indent`
/// spaces. A word that is too long for a line has one for itself.
pub(crate) fn wrap(line: &[Piece], width: usize, indent: usize) -> Vec<Vec<Piece>> {
    let (mut lines, mut current, mut column) = (Vec::new(), Vec::<Piece>::new(), 0);
    for (style, text) in line {
        for word in text.split_inclusive(' ') {
            if column > indent && column + word.trim_end().chars().count() > width {
                lines.push(std::mem::take(&mut current));
                current.push((Style::Plain, " ".repeat(indent)));
                column = indent;
            }
            column += word.chars().count();
            match current.last_mut() {
                Some((last, text)) if last == style => text.push_str(word),
                _ => current.push((*style, word.to_owned())),
            }
        }
    }
    lines.push(current);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Vec<Piece>]) -> Vec<String> {
        let text = |line: &Vec<Piece>| line.iter().map(|(_, text)| text.as_str()).collect();
        lines.iter().map(text).collect()
    }

    #[test]
    fn lines_break_at_spaces_and_stay_within_the_width() {
        let line = [(Style::Bold, " 1  Name  ".to_owned()), (Style::Plain, "one two three".into())];
        for width in 12..40 {
            let lines = wrap(&line, width, 6);
            let texts = texts(&lines);
            assert!(texts.iter().all(|text| text.trim_end().chars().count() <= width), "{texts:?}");
            assert!(texts.iter().skip(1).all(|text| text.starts_with("      ")), "{texts:?}");
            let words: Vec<_> = texts.iter().flat_map(|text| text.split_whitespace()).collect();
            assert_eq!(words, ["1", "Name", "one", "two", "three"]);
            assert_eq!(lines[0][0].0, Style::Bold);
        }
    }

    #[test]
    fn a_long_word_has_its_own_line() {
        let line = [(Style::Plain, "a https://example.org/long b".to_owned())];
        assert_eq!(texts(&wrap(&line, 10, 1)), ["a ", " https://example.org/long ", " b"]);
    }
}
