//! The live plot on a terminal: rates and round-trip times, on the alternate screen.
//!
//! A separate thread draws, so that a slow terminal does not slow the measurement; points it cannot
//! draw in time are dropped. No key is read, so Ctrl-C works as always.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pigeon_text::width;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph, Widget};

use crate::base::thread;
use crate::words::say;

/// Maximum number of intervals shown.
const SHOWN: usize = 300;

/// Queue length of intervals to draw.
const WAITING: usize = 4;

/// Time limit for restoring the terminal.
const LAST_FRAME: Duration = Duration::from_millis(200);

/// Switches to the alternate screen and hides the cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";

/// Restores the terminal.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";

/// Legend sample, marker and colour of each line. The markers also differ without colours.
const PENS: [(&str, Marker, Color); 3] = [
    ("⣿", Marker::Braille, Color::Cyan),
    ("•", Marker::Dot, Color::Yellow),
    ("█", Marker::Block, Color::Magenta),
];

/// A line of a chart: its name, and (time, value) pairs.
type Series = (String, Vec<(f64, f64)>);

/// One interval of the plot.
#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    /// Seconds since the start.
    pub(super) at: f64,
    /// Per direction: name, datagrams received per second, and datagrams late or lost so far.
    pub(super) rates: Vec<(String, f64, f64)>,
    /// Median and 99th percentile of the round-trip time, in microseconds.
    pub(super) times: Option<(f64, f64)>,
    /// The interval as text.
    pub(super) line: String,
}

/// A running plot. Dropping it restores the terminal.
pub(super) struct Plot {
    points: Option<SyncSender<Point>>,
    thread: Option<JoinHandle<()>>,
}

impl Plot {
    /// Starts a plot. `None` unless stdout and stderr are both a terminal.
    pub(super) fn begin(title: String, color: bool) -> Option<Plot> {
        if !io::stdout().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let (points, drawn) = sync_channel(WAITING);
        let thread = thread::spawn("plot", move || draw_all(&title, color, &drawn)).ok()?;
        Some(Plot { points: Some(points), thread: Some(thread) })
    }

    pub(super) fn add(&self, point: Point) {
        if let Some(points) = &self.points {
            // If the queue is full the point is dropped.
            let _ = points.try_send(point);
        }
    }
}

impl Drop for Plot {
    fn drop(&mut self) {
        // Closes the channel, which ends the thread.
        self.points = None;
        let deadline = Instant::now() + LAST_FRAME;
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn draw_all(title: &str, color: bool, points: &Receiver<Point>) {
    let mut all: Vec<Point> = Vec::new();
    let show = |bytes: &[u8]| {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush())
    };
    // If the terminal is gone the thread stops drawing; the measurement continues.
    let mut gone = show(ENTER).is_err();
    loop {
        // Some terminals report no size, or 0×0.
        let size =
            crate::base::terminal::size().ok().filter(|(width, height)| *width > 0 && *height > 0);
        let (width, height) = size.unwrap_or((80, 24));
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        draw(title, &all, &mut buffer);
        gone |= show(&written(&buffer, color)).is_err();
        match points.recv() {
            Ok(_) if gone => {}
            Ok(point) => {
                if all.len() == SHOWN {
                    all.remove(0);
                }
                all.push(point);
            }
            Err(_) => break,
        }
    }
    let _ = show(LEAVE);
}

fn draw(title: &str, points: &[Point], buffer: &mut Buffer) {
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(3)])
            .areas(buffer.area);
    Line::styled(title, Style::new().add_modifier(Modifier::BOLD)).render(top, buffer);
    let rows = [
        (say!("tools-bench-plot-received"), rates(points, |(_, received, _)| *received)),
        (say!("tools-bench-plot-lost"), rates(points, |(_, _, missing)| *missing)),
        (say!("tools-bench-plot-round-trip"), times(points)),
    ];
    let rows: Vec<_> = rows.into_iter().filter(|(_, series)| !series.is_empty()).collect();
    let areas = Layout::vertical(rows.iter().map(|_| Constraint::Fill(1))).split(middle);
    for ((name, series), area) in rows.iter().zip(areas.iter()) {
        draw_chart(name, series, *area, buffer);
    }
    let last = points.last().map_or("", |point| point.line.trim_start());
    let words = Text::from(vec![Line::from(last), Line::from(say!("tools-bench-plot-end"))]);
    Paragraph::new(words).wrap(Default::default()).render(bottom, buffer);
}

/// One series per direction.
fn rates(points: &[Point], value: impl Fn(&(String, f64, f64)) -> f64) -> Vec<Series> {
    let names = points.last().map_or(&[][..], |point| &point.rates).iter().map(|(name, ..)| name);
    let series = |name: &str| {
        let of = |point: &Point| {
            let rate = point.rates.iter().find(|(of, ..)| of == name)?;
            Some((point.at, value(rate)))
        };
        points.iter().filter_map(of).collect()
    };
    names.map(|name| (name.clone(), series(name))).collect()
}

fn times(points: &[Point]) -> Vec<Series> {
    let of = |which: fn((f64, f64)) -> f64| {
        let times = points.iter().filter_map(|point| Some((point.at, which(point.times?))));
        times.collect::<Vec<_>>()
    };
    let series = [("p50", of(|(median, _)| median)), ("p99", of(|(_, p99)| p99))];
    let series = series.into_iter().filter(|(_, values)| !values.is_empty());
    series.map(|(name, values)| (name.to_string(), values)).collect()
}

fn draw_chart(name: &str, series: &[Series], area: Rect, buffer: &mut Buffer) {
    let values = || series.iter().flat_map(|(_, values)| values);
    let highest = values().map(|(_, value)| *value).fold(0.0, f64::max);
    let first = values().map(|(at, _)| *at).fold(f64::INFINITY, f64::min);
    let last = values().map(|(at, _)| *at).fold(first + 1.0, f64::max);
    let top = if highest > 0.0 { highest * 1.1 } else { 1.0 };
    // The names are in the title, because a legend often does not fit.
    let mut title = Line::from(format!(" {name}: "));
    for ((name, _), (sample, _, color)) in series.iter().zip(PENS) {
        title.push_span(Span::styled(format!("{sample} {name}  "), Style::new().fg(color)));
    }
    let datasets = series.iter().zip(PENS).map(|((_, values), (_, marker, color))| {
        Dataset::default()
            .marker(marker)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(color))
            .data(values)
    });
    let seconds = |at: f64| format!("{at:.0} s");
    Chart::new(datasets.collect())
        .block(Block::bordered().title(title))
        .x_axis(Axis::default().bounds([first, last]).labels([seconds(first), seconds(last)]))
        .y_axis(Axis::default().bounds([0.0, top]).labels(["0".to_string(), short(top)]))
        .render(area, buffer);
}

/// `840`, `12.3k`, `4.5M`
fn short(number: f64) -> String {
    match number {
        ..1e3 => format!("{number:.0}"),
        ..1e6 => format!("{:.1}k", number / 1e3),
        _ => format!("{:.1}M", number / 1e6),
    }
}

/// The escape sequences and text that draw a screen from the top.
fn written(buffer: &Buffer, color: bool) -> Vec<u8> {
    let mut text = String::from("\x1b[H");
    for y in 0..buffer.area.height {
        if y > 0 {
            text.push_str("\r\n");
        }
        let mut now = Color::Reset;
        let mut x = 0;
        while let Some(cell) = buffer.cell((x, y)) {
            // The cells behind a wide character are part of it.
            x += width(cell.symbol()).max(1) as u16;
            if color && cell.fg != now {
                now = cell.fg;
                text.push_str(match now {
                    Color::Cyan => "\x1b[36m",
                    Color::Yellow => "\x1b[33m",
                    Color::Magenta => "\x1b[35m",
                    _ => "\x1b[0m",
                });
            }
            text.push_str(cell.symbol());
        }
        if now != Color::Reset {
            text.push_str("\x1b[0m");
        }
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(points: &[Point], width: u16, height: u16) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        draw("to 127.0.0.1:7777 for 10 s", points, &mut buffer);
        let text = String::from_utf8(written(&buffer, false)).unwrap();
        text.trim_start_matches("\x1b[H").replace("\r\n", "\n")
    }

    fn points(count: usize) -> Vec<Point> {
        let point = |n: usize| Point {
            at: n as f64,
            rates: vec![("up".into(), 1e6 + n as f64 * 1e4, n as f64)],
            times: Some((12.0, 80.0 + n as f64)),
            line: format!("{n} s  1,000,000/s received"),
        };
        (1..=count).map(point).collect()
    }

    #[test]
    fn everything_has_its_chart() {
        let screen = screen(&points(20), 80, 30);
        for part in [
            "to 127.0.0.1:7777 for 10 s",
            "received a second: ⣿ up",
            "late or lost so far: ⣿ up",
            "round trip, µs: ⣿ p50  • p99",
            "20 s  1,000,000/s received",
            "1.3M",
        ] {
            assert!(screen.contains(part), "{part}\n{screen}");
        }
        // The two lines of a chart differ without colours.
        let chart = screen.rsplit_once("p99").unwrap().1;
        assert!(chart.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{screen}");
        assert!(chart.contains('•'), "{screen}");
        assert!(!screen.contains('\x1b'));
    }

    #[test]
    fn any_size_and_any_beginning_can_be_drawn() {
        for (width, height) in [(1, 1), (3, 2), (20, 5), (300, 100)] {
            for count in [0, 1, 2, 300] {
                let screen = screen(&points(count), width, height);
                assert_eq!(screen.lines().count(), usize::from(height));
            }
        }
    }
}
