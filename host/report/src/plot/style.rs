//! Colours and fonts of plots.
//!
//! The colours are those of Okabe and Ito, "Color Universal Design" (2008), which can be distinguished with any kind of
//! colour vision. The pale ones are darker here on white, so that thin lines are visible; all are lighter on black. Lines
//! also differ in their dashes, for print in black and white.

/// Number of distinct series.
pub const SERIES: usize = 8;

/// Style sheet of plots, on pages and in SVG files.
pub const CSS: &str = "\
.plot{--paper:#fff;--ink:#1b2430;--quiet:#566070;--rule:#e4e8ec;--shade:#7a8796;\
--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b5548b;--s4:#b98300;--s5:#3a9bd9;--s6:#6a4fb0;--s7:#3d4652;\
font:11px system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
@media screen and (prefers-color-scheme:dark){.plot{--paper:#161b22;--ink:#e8ecf1;--quiet:#a3afbd;\
--rule:#2b333d;--shade:#8593a3;--s0:#58a9e6;--s1:#ff9152;--s2:#3fcf9f;--s3:#e79cc6;--s4:#f0b83e;\
--s5:#9ad4f7;--s6:#b8a2ee;--s7:#d3dae2}}
.plot text{fill:var(--ink)}.plot .quiet{fill:var(--quiet)}.plot .title{font-weight:600;font-size:13px}
.plot .paper{fill:var(--paper)}.plot .rule{stroke:var(--rule)}.plot .axis{stroke:var(--quiet)}.plot .moment{stroke-dasharray:1 3}
.plot .mark{fill:none;stroke-width:1.75;stroke-linejoin:round;stroke-linecap:round}
.plot .fine{stroke-width:1.1}.plot .band{stroke:none;opacity:.18}.plot .shade{fill:var(--shade)}
.plot .f{stroke:none}.plot .dot{stroke:var(--paper);stroke-width:1}.plot .error{stroke-width:1.25}
.plot .s0{stroke:var(--s0)}.plot .f.s0{fill:var(--s0)}.plot .s1{stroke:var(--s1)}.plot .f.s1{fill:var(--s1)}
.plot .s2{stroke:var(--s2)}.plot .f.s2{fill:var(--s2)}.plot .s3{stroke:var(--s3)}.plot .f.s3{fill:var(--s3)}
.plot .s4{stroke:var(--s4)}.plot .f.s4{fill:var(--s4)}.plot .s5{stroke:var(--s5)}.plot .f.s5{fill:var(--s5)}
.plot .s6{stroke:var(--s6)}.plot .f.s6{fill:var(--s6)}.plot .s7{stroke:var(--s7)}.plot .f.s7{fill:var(--s7)}
.plot .d1{stroke-dasharray:7 4}.plot .d2{stroke-dasharray:2 3.5}.plot .d3{stroke-dasharray:9 4 2 4}\
.plot .d4{stroke-dasharray:4 3}.plot .d5{stroke-dasharray:13 4}.plot .d6{stroke-dasharray:1 4}\
.plot .d7{stroke-dasharray:7 3 2 3 2 3}";

/// The class of a series that is filled.
pub fn filled(series: usize) -> String {
    format!("f s{}", series % SERIES)
}

/// The class of a series that is drawn as a line.
pub fn drawn(series: usize) -> String {
    let series = series % SERIES;
    if series == 0 { "mark s0".to_owned() } else { format!("mark s{series} d{series}") }
}
