//! Styles of the page.

/// Style sheet of everything except the plots.
pub const CSS: &str = "\
:root{--page:#f6f7f9;--card:#fff;--ink:#1b2430;--quiet:#566070;--rule:#dfe4e9;--ok:#00694d;--bad:#b3360a;\
--note:#fff4e0;--edge:#d58a00;color-scheme:light dark}
@media screen and (prefers-color-scheme:dark){:root{--page:#0e1217;--card:#161b22;--ink:#e8ecf1;--quiet:#a3afbd;\
--rule:#2b333d;--ok:#3fcf9f;--bad:#ff9152;--note:#2d2410;--edge:#f0b83e}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;\
font:15px/1.5 system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
main{max-width:1240px;margin:0 auto;padding:32px 20px 48px}
h1{font-size:30px;line-height:1.2;margin:2px 0 16px;overflow-wrap:anywhere}
h2{font-size:19px;margin:36px 0 10px}
.kind{margin:0;color:var(--quiet)}
dl{margin:0}dd{margin:0}dt{color:var(--quiet);font-size:13px}
.facts{display:flex;flex-wrap:wrap;gap:10px 32px}
.facts dd{overflow-wrap:anywhere}
.takeaways{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px;margin-top:22px}
.takeaways div{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 16px}
.takeaways dd{font-size:25px;font-weight:600;font-variant-numeric:tabular-nums;line-height:1.35}
.takeaways small{white-space:nowrap;font-size:14px;font-weight:400;color:var(--quiet)}
.notice{background:var(--note);border-left:4px solid var(--edge);padding:10px 16px;margin:0 0 18px;border-radius:4px;\
overflow-wrap:anywhere}
.verdicts{list-style:none;margin:0;padding:0}
.verdicts li{display:flex;gap:8px;padding:3px 0}.sign{font-weight:700}
.ok .sign{color:var(--ok)}.missed .sign,.missed b{color:var(--bad)}
.note{color:var(--quiet)}
.figures{columns:2 440px;column-gap:16px;margin-top:32px}
figure{margin:0 0 16px;background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:8px 8px 12px;\
position:relative;break-inside:avoid}
figure svg{display:block;width:100%;height:auto}
figcaption{color:var(--quiet);font-size:13px;padding:4px 14px 0}
.read-out{position:absolute;pointer-events:none;background:var(--card);border:1px solid var(--rule);border-radius:6px;\
padding:4px 9px;font-size:12px;font-variant-numeric:tabular-nums;white-space:nowrap;box-shadow:0 2px 8px #0003}
.wide{overflow-x:auto;width:fit-content;max-width:100%;background:var(--card);border:1px solid var(--rule);border-radius:8px;margin:10px 0}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
.below{color:var(--quiet);font-size:13px;margin:6px 2px 14px}
th,td{padding:6px 10px;text-align:left;vertical-align:bottom;border-bottom:1px solid var(--rule)}
th{font-weight:600}td{white-space:nowrap}
tbody tr:last-child td{border-bottom:0}
.number{text-align:right}
.provenance{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px}
.provenance dd,.citations{overflow-wrap:anywhere}
.code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px}
.citations{padding-left:20px}.citations li{margin:4px 0}
summary{cursor:pointer;margin-top:14px}
@media (max-width:560px){main{padding:20px 12px 32px}.provenance{grid-template-columns:1fr;gap:0}\
.provenance dd{margin-bottom:8px}h1{font-size:25px}figure{padding:4px 0 10px}.figures{margin-left:-8px;margin-right:-8px}.takeaways{grid-template-columns:1fr 1fr}.takeaways div{padding:8px 12px}.takeaways dd{font-size:21px}.takeaways small{font-size:13px}}
@media print{body{background:#fff;font-size:11px}main{max-width:none;padding:0}dt,.code{font-size:10px}\
.figures{columns:2;column-gap:8px}h2{break-after:avoid;font-size:14px;margin-top:20px}\
td{white-space:normal}.number{white-space:nowrap}table{font-size:8px}th,td{padding:3px 5px}\
figcaption,.below{font-size:9px}.wide{overflow:visible}tr,.takeaways{break-inside:avoid}\
details::details-content{content-visibility:visible;block-size:auto}}";
