//! One HTML file with the page and recordings. It needs no server, so it works from `file://`.
//!
//! A page from `file://` cannot load modules, so the scripts become one, in the order of [`ASSETS`]: lines that import are
//! left out, and `export` before a declaration. Top-level names of the scripts are therefore unique.

use crate::assets::{ASSETS, INDEX};
use crate::recording::Recording;

/// Most bytes of recordings, as JSON, that become a file. Browsers take several seconds to read larger ones.
pub const MAX_BYTES: usize = 32 << 20;

/// The file with these recordings; `None` if they exceed [`MAX_BYTES`].
pub fn replay_html(recordings: &[Recording]) -> Option<String> {
    let json = serde_json::to_string(recordings).ok().filter(|json| json.len() <= MAX_BYTES)?;
    // `</script>` and `<!--` would end or hide the element, and JSON may have `<` only inside strings.
    let json = json.replace('<', "\\u003c");
    let mut page = String::with_capacity(json.len() + (1 << 18));
    for line in INDEX.lines() {
        let line = line.trim();
        if line.starts_with("<link rel=\"stylesheet\"") || line.starts_with("<script") {
            continue;
        }
        if line == "</head>" {
            page.push_str(POLICY);
            for style in ASSETS.iter().filter(|asset| asset.name.ends_with(".css")) {
                page.push_str("<style>\n");
                page.push_str(style.text);
                page.push_str("</style>\n");
            }
        }
        if line == "</body>" {
            page.push_str("<script type=\"application/json\" id=\"recording\">");
            page.push_str(&json);
            page.push_str("</script>\n<script>\n");
            page.push_str(&one_script());
            page.push_str("</script>\n");
        }
        page.push_str(line);
        page.push('\n');
    }
    Some(page)
}

/// Content security policy of the file. It has no origin of its own to name, so its scripts and styles are inline, and
/// nothing is loaded from anywhere.
const POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src \
    'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">\n";

/// All scripts as one.
fn one_script() -> String {
    let mut script = String::new();
    for asset in ASSETS.iter().filter(|asset| asset.name.ends_with(".js")) {
        if asset.name == "uplot.js" {
            script.push_str(asset.text);
            script.push_str("\n(() => {\n\"use strict\";\n");
            continue;
        }
        for line in asset.text.lines() {
            if line.starts_with("import ") {
                continue;
            }
            script.push_str(line.strip_prefix("export ").unwrap_or(line));
            script.push('\n');
        }
    }
    script.push_str("})();\n");
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_leave_the_recording() {
        let title = "</script><script>alert(1)</script><!--".to_owned();
        let page = replay_html(&[Recording { title, ..Recording::default() }]).unwrap();
        assert!(!page.contains("alert(1)</script>"));
        assert!(page.contains("\\u003c/script>\\u003cscript>alert(1)"));
    }

    #[test]
    fn the_file_loads_nothing() {
        let page = replay_html(&[Recording::default()]).unwrap();
        for outside in ["src=", "href=\"/", "\nimport ", "\nexport "] {
            assert!(!page.contains(outside), "{outside:?}");
        }
    }

    #[test]
    fn top_level_names_of_the_scripts_are_unique() {
        let mut names = std::collections::BTreeSet::new();
        for asset in ASSETS.iter().filter(|asset| asset.name.ends_with(".js") && asset.name != "uplot.js") {
            for line in asset.text.lines() {
                let line = line.strip_prefix("export ").unwrap_or(line);
                let line = line.strip_prefix("async ").unwrap_or(line);
                let declared = ["function ", "const ", "let ", "class "]
                    .iter()
                    .find_map(|keyword| line.strip_prefix(keyword));
                let Some(rest) = declared else { continue };
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                assert!(names.insert(name.clone()), "{name} of {} is declared twice", asset.name);
            }
        }
        assert!(names.len() > 20);
    }
}
