//! Curves as SVG, for `docs/performance.md`: both axes are logarithmic, so that what grows in
//! proportion is a straight line.

use std::path::Path;

use plotters::prelude::*;

const SIZE: (u32, u32) = (640, 360);
const COLORS: [RGBColor; 4] =
    [RGBColor(0, 90, 170), RGBColor(200, 80, 0), RGBColor(20, 130, 70), RGBColor(120, 120, 120)];

/// One figure as it grows.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A drawing of figures that share their axes.
pub(crate) struct Curve {
    pub(crate) title: String,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) series: Vec<Series>,
}

impl Curve {
    /// Writes `docs/curves/NAME.svg`.
    ///
    /// Nothing is drawn of a run that measured one size: it has no curve.
    pub(crate) fn draw(&self, name: &str) {
        if self.series.iter().any(|series| series.points.len() < 2) {
            return;
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/curves");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.svg"));
        let points = || self.series.iter().flat_map(|series| &series.points);
        let range = |of: fn(&(f64, f64)) -> f64| {
            let least = points().map(of).fold(f64::INFINITY, f64::min);
            let most = points().map(of).fold(0.0, f64::max);
            (least, most)
        };
        let (left, right) = range(|point| point.0);
        // Whole decades, which are what is labeled.
        let (low, high) = range(|point| point.1);
        let (low, high) = (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil()));
        let area = SVGBackend::new(&file, SIZE).into_drawing_area();
        area.fill(&WHITE).unwrap();
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d((left * 0.8..right * 1.25).log_scale(), (low..high).log_scale())
            .unwrap();
        chart.configure_mesh().x_desc(self.x).y_desc(self.y).draw().unwrap();
        for (series, color) in self.series.iter().zip(COLORS) {
            let line = LineSeries::new(series.points.iter().copied(), color.stroke_width(2));
            chart.draw_series(line.point_size(3)).unwrap().label(series.name).legend(
                move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)),
            );
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
            .unwrap();
        area.present().unwrap();
        println!("drawn: {}", file.display());
    }
}
