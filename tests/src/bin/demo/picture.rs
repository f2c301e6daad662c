//! The screen as a picture, SVG. Pure.

use std::fmt::Write as _;

use ::tests::svg::escape;

use super::line::{Piece, Style};

/// Pixels: a monospaced letter of 13 px is 0.6 as wide as high in common fonts.
const LETTER: f64 = 7.8;
const LINE: f64 = 18.0;
const MARGIN: f64 = 20.0;
/// Columns, at least: a terminal's usual width.
const COLUMNS: u32 = 80;

/// A picture that is as wide as the longest line.
pub(crate) fn draw(lines: &[Vec<Piece>]) -> String {
    let columns = |line: &Vec<Piece>| {
        let letters: usize = line.iter().map(|(_, text)| text.chars().count()).sum();
        u32::try_from(letters).unwrap_or(u32::MAX)
    };
    let widest = lines.iter().map(columns).max().unwrap_or(0).max(COLUMNS);
    let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let width = (f64::from(widest) * LETTER + 2.0 * MARGIN).ceil();
    let height = f64::from(count) * LINE + 2.0 * MARGIN;
    let mut picture = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13">
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
"##
    );
    let mut y = MARGIN + 13.0;
    for line in lines {
        if !line.is_empty() {
            let _ = write!(picture, r#"<text x="{MARGIN}" y="{y}" xml:space="preserve">"#);
            for (style, text) in line {
                let _ = write!(picture, "<tspan {}>{}</tspan>", look(*style), escape(text));
            }
            picture.push_str("</text>\n");
        }
        y += LINE;
    }
    picture.push_str("</svg>\n");
    picture
}

const fn look(style: Style) -> &'static str {
    match style {
        Style::Plain => r##"fill="#e6edf3""##,
        Style::Bold => r##"fill="#ffffff" font-weight="bold""##,
        Style::Dim => r##"fill="#8b949e""##,
        Style::Red => r##"fill="#ff7b72""##,
        Style::Green => r##"fill="#56d364""##,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_in_the_picture_and_fits() {
        let long = "x".repeat(100);
        let lines = [vec![(Style::Bold, "a < b & c".to_owned())], vec![], vec![(Style::Dim, long)]];
        let picture = draw(&lines);
        assert!(picture.contains("a &lt; b &amp; c</tspan>"), "{picture}");
        assert!(picture.contains(r#"viewBox="0 0 820 94""#), "{picture}");
        assert_eq!(picture.matches("<text").count(), 2);
    }
}
