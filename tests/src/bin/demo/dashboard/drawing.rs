//! Panels as SVG. Pure.

use std::fmt::Write as _;

use ::tests::svg::escape;

use super::{Panel, Series, unit};

/// Pixels of a cell of the grid, and between panels.
const CELL: (f64, f64) = (42.0, 26.0);
const GAP: f64 = 6.0;
/// Room in a panel: for the axis' labels, the title, the legend and the times.
const LEFT: f64 = 66.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 30.0;
/// A line of the legend.
const LEGEND: f64 = 15.0;
/// Grid lines of an axis.
const LINES: u32 = 4;
/// Pixels of a letter of the legend.
const LETTER: f64 = 6.4;
const COLOURS: [&str; 8] =
    ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#c4a000"];

/// The dashboard, of `span` seconds.
pub(super) fn draw(panels: &[Panel], span: u32) -> String {
    let ends = panels.iter().map(|panel| panel.place[1] + panel.place[3]);
    let width = 24.0 * CELL.0 + GAP;
    let height = f64::from(ends.max().unwrap_or(0)) * CELL.1 + GAP;
    let mut picture = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="{width}" height="{height}" fill="#111217"/>
"##
    );
    for panel in panels {
        let [x, y, w, h] = panel.place.map(f64::from);
        let (w, h) = (w * CELL.0 - GAP, h * CELL.1 - GAP);
        let _ = writeln!(
            picture,
            r#"<g transform="translate({} {})">"#,
            x * CELL.0 + GAP,
            y * CELL.1 + GAP
        );
        let weight = if panel.kind == "row" { "bold" } else { "normal" };
        if panel.kind != "row" {
            let _ = writeln!(
                picture,
                r##"<rect width="{w}" height="{h}" rx="3" fill="#181b1f" stroke="#2c3235"/>"##
            );
        }
        let size = if panel.kind == "stat" { 11 } else { 12 };
        let look = format!(r##"fill="#ccccdc" font-size="{size}" font-weight="{weight}""##);
        text(&mut picture, 8.0, 18.0, &look, &panel.title);
        match panel.kind.as_str() {
            "stat" => stat(&mut picture, panel, w, h),
            "timeseries" => chart(&mut picture, panel, (w, h), span),
            _ => {}
        }
        picture.push_str("</g>\n");
    }
    picture.push_str("</svg>\n");
    picture
}

fn text(picture: &mut String, x: f64, y: f64, look: &str, text: &str) {
    let _ = writeln!(picture, r#"<text x="{x:.1}" y="{y:.1}" {look}>{}</text>"#, escape(text));
}

/// The newest value.
fn stat(picture: &mut String, panel: &Panel, width: f64, height: f64) {
    let newest = panel.series.iter().find_map(|(_, points)| points.last_key_value());
    let shown =
        newest.map_or_else(|| "no data".to_owned(), |(_, value)| unit::show(*value, &panel.unit));
    let look = r##"fill="#73bf69" font-size="22" text-anchor="middle""##;
    text(picture, width / 2.0, height / 2.0 + 18.0, look, &shown);
}

fn chart(picture: &mut String, panel: &Panel, (width, height): (f64, f64), span: u32) {
    let values = panel.series.iter().flat_map(|(_, points)| points.values());
    let highest = values.fold(0.0, |highest: f64, value| highest.max(*value));
    let top = ceiling(highest);
    let places = legend(&panel.series, width);
    let lines = places.last().map_or(0.0, |(_, line)| *line);
    let (inner, base) = (width - LEFT - 12.0, height - BOTTOM - (lines + 1.0) * LEGEND);
    let across = |at: f64| LEFT + at / f64::from(span) * inner;
    let up = |value: f64| base - value / top * (base - TOP);
    for line in 0..=LINES {
        let value = top * f64::from(line) / f64::from(LINES);
        let y = up(value);
        let _ = writeln!(picture, r##"<path d="M{LEFT} {y:.1}h{inner:.1}" stroke="#2c3235"/>"##);
        let look = r##"fill="#8e8e9a" font-size="11" text-anchor="end""##;
        text(picture, LEFT - 6.0, y + 4.0, look, &unit::show(value, &panel.unit));
        let seconds = f64::from(span * line / LINES);
        let look = r##"fill="#8e8e9a" font-size="11" text-anchor="middle""##;
        text(
            picture,
            across(seconds).min(width - 20.0),
            base + 15.0,
            look,
            &format!("{seconds} s"),
        );
    }
    for (number, ((name, points), (x, line))) in panel.series.iter().zip(places).enumerate() {
        let colour = COLOURS.get(number % COLOURS.len()).copied().unwrap_or_default();
        let mut path = String::new();
        for (at, value) in points {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", across(f64::from(*at)), up(*value));
        }
        let _ = writeln!(
            picture,
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>"#
        );
        let y = height - 10.0 - (lines - line) * LEGEND;
        let _ = writeln!(
            picture,
            r#"<rect x="{x:.1}" y="{:.1}" width="12" height="4" fill="{colour}"/>"#,
            y - 6.0
        );
        text(picture, x + 16.0, y, r##"fill="#ccccdc" font-size="11""##, name);
    }
}

/// Where each name of the legend begins, and in which line.
fn legend(series: &[Series], width: f64) -> Vec<(f64, f64)> {
    let (mut x, mut line, mut places) = (12.0, 0.0, Vec::new());
    for (name, _) in series {
        let letters = f64::from(u32::try_from(name.chars().count()).unwrap_or(0));
        let room = 34.0 + letters * LETTER;
        if x > 12.0 && x + room > width {
            (x, line) = (12.0, line + 1.0);
        }
        places.push((x, line));
        x += room;
    }
    places
}

/// A round number at or above the value: 1, 2 or 5 of a power of ten.
fn ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= value);
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_has_its_title_its_unit_and_every_series() {
        let points = |value: f64| [(0, value), (60, value), (120, value)].into();
        let panel = Panel {
            title: "Requests & more".into(),
            kind: "timeseries".into(),
            unit: "reqps".into(),
            place: [0, 0, 12, 8],
            series: vec![("204".into(), points(3.0)), ("503".into(), points(1.0))],
        };
        let picture = draw(&[panel], 120);
        for part in ["Requests &amp; more", ">5 req/s<", ">204<", ">503<", ">60 s<"] {
            assert!(picture.contains(part), "{part}: {picture}");
        }
    }
}
